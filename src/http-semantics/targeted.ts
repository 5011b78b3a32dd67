// Which directives govern a response: those of the first usable targeted field (RFC 9213), else Cache-Control.

import { type DictionaryValue, parseDictionary } from '../cache/freshness/structured-dictionary.ts';
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
