// Environment markers (PEP 508, PEP 751): whether a requirement counts on a given Python. What cannot be decided
// counts, because a thing that is asked for in vain does less harm than one that is missed.

import { satisfies, valid } from '@renovatebot/pep440';

/** The variables of PEP 508 with their values, `extra` excepted. */
export type MarkerEnvironment = Readonly<Record<string, string>>;

/** What a marker is judged by. */
export interface MarkerContext {
  readonly environment: MarkerEnvironment;
  /** The extras that are asked for; undefined where all count. */
  readonly extras: ReadonlySet<string> | undefined;
}

const TOKEN = /\s*(?:([()])|('[^']*'|"[^"]*")|(not\s+in\b|in\b|and\b|or\b|[<>]=?|[=!~]==?)|([A-Za-z_][\w.]*))/y;

/** Variables that are compared as versions (PEP 508); all others are compared as text. */
const VERSIONS: ReadonlySet<string> = new Set(['python_version', 'python_full_version', 'implementation_version']);

const MIRRORED: Readonly<Record<string, string>> = { '<': '>', '<=': '>=', '>': '<', '>=': '<=' };

/** Whether a marker holds (PEP 508); one that cannot be read holds. */
export function holds(marker: string, context: MarkerContext): boolean {
  const tokens = tokensOf(marker);
  if (tokens === undefined) return true;
  const reader = new Reader(tokens, context);
  const value = reader.either();
  return reader.isUnderstood ? value : true;
}

function tokensOf(marker: string): string[] | undefined {
  const tokens: string[] = [];
  const text = marker.trim();
  TOKEN.lastIndex = 0;
  for (let at = 0; at < text.length; at = TOKEN.lastIndex) {
    TOKEN.lastIndex = at;
    const found = TOKEN.exec(text);
    if (found === null) return undefined;
    tokens.push(found[0].trim().replace(/\s+/g, ' '));
  }
  return tokens;
}

/** Reads by the grammar of PEP 508: `or` of `and` of comparisons and parentheses. */
class Reader {
  readonly #tokens: readonly string[];
  readonly #context: MarkerContext;
  #at = 0;
  #isBroken = false;

  constructor(tokens: readonly string[], context: MarkerContext) {
    this.#tokens = tokens;
    this.#context = context;
  }

  get isUnderstood(): boolean {
    return !this.#isBroken && this.#at === this.#tokens.length;
  }

  either(): boolean {
    let value = this.#both();
    while (this.#takes('or')) value = this.#both() || value;
    return value;
  }

  #both(): boolean {
    let value = this.#one();
    while (this.#takes('and')) value = this.#one() && value;
    return value;
  }

  #one(): boolean {
    if (this.#takes('(')) {
      const value = this.either();
      if (!this.#takes(')')) this.#isBroken = true;
      return value;
    }
    const [left, operator, right] = [this.#next(), this.#next(), this.#next()];
    return compared(left, operator, right, this.#context);
  }

  #takes(token: string): boolean {
    if (this.#tokens[this.#at] !== token) return false;
    this.#at++;
    return true;
  }

  #next(): string {
    const token = this.#tokens[this.#at++];
    if (token === undefined) this.#isBroken = true;
    return token ?? '';
  }
}

function compared(left: string, operator: string, right: string, context: MarkerContext): boolean {
  const [variable, literal, asked] = isQuoted(left)
    ? [right, left, MIRRORED[operator] ?? operator]
    : [left, right, operator];
  const text = literal.slice(1, -1);
  if (variable === 'extra') return extraHolds(operator, text, context.extras);
  const value = Object.hasOwn(context.environment, variable) ? context.environment[variable]! : undefined;
  if (value === undefined || !isQuoted(literal)) return true;
  if (operator === 'in' || operator === 'not in') {
    const isIn = isQuoted(left) ? value.includes(text) : text.includes(value);
    return isIn === (operator === 'in');
  }
  if (VERSIONS.has(variable) && valid(value)) return satisfies(value, `${asked}${text}`, { prereleases: true });
  return textHolds(value, asked, text);
}

function extraHolds(operator: string, extra: string, extras: ReadonlySet<string> | undefined): boolean {
  if (extras === undefined || (operator !== '==' && operator !== '!=')) return true;
  return extras.has(normalExtra(extra)) === (operator === '==');
}

/** Names of extras are compared as names of projects are (PEP 685). */
export function normalExtra(extra: string): string {
  return extra.toLowerCase().replace(/[-_.]+/g, '-');
}

function textHolds(value: string, operator: string, text: string): boolean {
  switch (operator) {
    case '==':
    case '===':
      return value === text;
    case '!=':
      return value !== text;
    case '<':
      return value < text;
    case '<=':
      return value <= text;
    case '>':
      return value > text;
    case '>=':
      return value >= text;
    default:
      return true;
  }
}

function isQuoted(token: string): boolean {
  return /^['"]/.test(token);
}
