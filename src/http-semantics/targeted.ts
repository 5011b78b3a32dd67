// Which directives govern a response: those of the first usable targeted field (RFC 9213), else Cache-Control.

import { type Fields, fieldValue } from '../core/http-message.ts';
import { type Directive, parseDirectives, type ResponseDirectives, readResponseDirectives } from './cache-control.ts';
import { oncePer } from './memoize.ts';
import type { CacheRules } from './rules.ts';

/** The directives in force, and whether they came from a targeted field, which silences Expires as well. */
export interface GoverningDirectives extends ResponseDirectives {
  readonly targeted: boolean;
}

const NONE: GoverningDirectives = { ...readResponseDirectives([]), targeted: false };

const readerOf = oncePer((targeted: readonly string[]) => oncePer((fields: Fields) => read(fields, targeted)));

/** What the response's own fields say about caching it, under `rules`; computed once per list of fields. */
export function governingDirectives(fields: Fields, rules: CacheRules): GoverningDirectives {
  return readerOf(rules.targeted)(fields);
}

function read(fields: Fields, targeted: readonly string[]): GoverningDirectives {
  // RFC 9213 2.2: the first field of the target list that is present with a valid, non-empty value is used, and
  // Cache-Control and Expires are ignored.
  for (const name of targeted) {
    const value = fieldValue(fields, name);
    const directives = value === undefined ? undefined : targetedDirectives(value);
    if (directives !== undefined) return { ...readResponseDirectives(directives), targeted: true };
  }
  const cacheControl = fieldValue(fields, 'cache-control');
  if (cacheControl === undefined) return NONE;
  return { ...readResponseDirectives(parseDirectives(cacheControl)), targeted: false };
}

/** RFC 9213 2.1: a Structured Fields dictionary; when it is empty or does not parse the field is ignored. */
function targetedDirectives(value: string): Directive[] | undefined {
  const dictionary = parseDictionary(value);
  if (dictionary === undefined || dictionary.size === 0) return undefined;
  const directives: Directive[] = [];
  for (const [name, member] of dictionary) {
    const directive = typedDirective(name, member);
    if (directive !== undefined) directives.push(directive);
  }
  return directives;
}

const SECONDS = new Set(['max-age', 's-maxage', 'stale-while-revalidate', 'stale-if-error']);

/** RFC 9213 2.1: a value of another type than its directive's is not used, not coerced. */
function typedDirective(name: string, member: DictionaryValue): Directive | undefined {
  if (SECONDS.has(name)) {
    return member.type === 'integer' ? { name, argument: String(member.value) } : undefined;
  }
  if (member.type === 'boolean') return member.value ? { name, argument: undefined } : undefined;
  // Qualified no-cache and private name fields; any other type of argument leaves the directive unqualified.
  return { name, argument: member.type === 'string' || member.type === 'token' ? member.value : undefined };
}

// Structured Fields dictionaries (RFC 9651 4.2.2), as far as targeted cache control needs them: the whole grammar is
// checked, because one error voids the whole field, but of inner lists and rare types only the presence is kept.

/** A value of a structured dictionary (RFC 8941 3.2). */
export type DictionaryValue =
  | { readonly type: 'boolean'; readonly value: boolean }
  | { readonly type: 'integer'; readonly value: number }
  | { readonly type: 'string' | 'token'; readonly value: string }
  | { readonly type: 'other' };

const KEY = /[a-z*][a-z0-9_\-.*]*/y;
const SPACES = / */y;
const OPTIONAL_WHITESPACE = /[ \t]*/y;
const BARE_ITEM =
  /(?<decimal>-?\d{1,12}\.\d{1,3})|(?<integer>-?\d{1,15})|"(?<string>(?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"|(?<token>[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*)|(?<bytes>:[A-Za-z0-9+/]*={0,2}:)|\?(?<boolean>[01])|(?<date>@-?\d{1,15})|(?<display>%"(?:[\x20\x21\x23\x24\x26-\x7e]|%[0-9a-f]{2})*")/y;

/** The members by key, the last of equal keys winning; undefined when the text does not parse. Never throws. */
export function parseDictionary(text: string): Map<string, DictionaryValue> | undefined {
  const scan = new Scanner(text.replace(/^ +| +$/g, ''));
  const members = new Map<string, DictionaryValue>();
  while (!scan.atEnd()) {
    const key = scan.take(KEY)?.[0];
    if (key === undefined) return undefined;
    const value = memberValue(scan);
    if (value === undefined || !parameters(scan)) return undefined;
    members.delete(key);
    members.set(key, value);
    scan.take(OPTIONAL_WHITESPACE);
    if (scan.atEnd()) return members;
    if (!scan.skip(',')) return undefined;
    scan.take(OPTIONAL_WHITESPACE);
    // A trailing comma is an error.
    if (scan.atEnd()) return undefined;
  }
  return members;
}

function memberValue(scan: Scanner): DictionaryValue | undefined {
  if (!scan.skip('=')) return { type: 'boolean', value: true };
  return scan.skip('(') ? innerList(scan) : bareItem(scan);
}

function innerList(scan: Scanner): DictionaryValue | undefined {
  for (;;) {
    const spaces = scan.take(SPACES)![0];
    if (scan.skip(')')) return { type: 'other' };
    // Items are separated by spaces.
    if (spaces === '' && !scan.follows('(')) return undefined;
    if (bareItem(scan) === undefined || !parameters(scan)) return undefined;
  }
}

function parameters(scan: Scanner): boolean {
  while (scan.skip(';')) {
    scan.take(SPACES);
    if (scan.take(KEY) === undefined) return false;
    if (scan.skip('=') && bareItem(scan) === undefined) return false;
  }
  return true;
}

function bareItem(scan: Scanner): DictionaryValue | undefined {
  const groups = scan.take(BARE_ITEM)?.groups;
  if (groups === undefined) return undefined;
  if (groups.integer !== undefined) return { type: 'integer', value: Number(groups.integer) };
  if (groups.boolean !== undefined) return { type: 'boolean', value: groups.boolean === '1' };
  if (groups.string !== undefined) return { type: 'string', value: groups.string.replace(/\\(.)/g, '$1') };
  if (groups.token !== undefined) return { type: 'token', value: groups.token };
  return { type: 'other' };
}

/** Walks through the text, one sticky pattern after another. */
class Scanner {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  atEnd(): boolean {
    return this.#at === this.#text.length;
  }

  /** Whether the character just taken is `character`. */
  follows(character: string): boolean {
    return this.#text[this.#at - 1] === character;
  }

  skip(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  take(pattern: RegExp): RegExpExecArray | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match === null) return undefined;
    this.#at = pattern.lastIndex;
    return match;
  }
}
