// Cache-Control (RFC 9111 5.2) as closed records of what we act on. Unknown directives are ignored (5.2.3); what is
// malformed never makes a response more reusable than it was meant to be. No input makes these functions throw.

import { listMembers, unquoted } from './list-syntax.ts';

/** One directive: its name in lower case and its argument as written (still quoted), or undefined without one. */
export interface Directive {
  readonly name: string;
  readonly argument: string | undefined;
}

/** What a response's directives say. Seconds; a lifetime that is present but invalid is 0 (RFC 9111 4.2.1). */
export interface ResponseDirectives {
  readonly noStore: boolean;
  /** The unqualified form; the qualified one only names fields, as does `private`. */
  readonly noCache: boolean;
  readonly private: boolean;
  /** Fields named by `no-cache="..."` and `private="..."`, lower case: not to be stored (RFC 9111 3.1). */
  readonly withheldFields: readonly string[];
  readonly public: boolean;
  readonly mustRevalidate: boolean;
  readonly proxyRevalidate: boolean;
  readonly mustUnderstand: boolean;
  readonly immutable: boolean;
  readonly maxAge: number | undefined;
  readonly sMaxage: number | undefined;
  /** 0 when absent or invalid (RFC 5861 3 and 4). */
  readonly staleWhileRevalidate: number;
  readonly staleIfError: number;
}

/** What a request's directives say. Seconds. */
export interface RequestDirectives {
  readonly noStore: boolean;
  readonly noCache: boolean;
  readonly onlyIfCached: boolean;
  readonly maxAge: number | undefined;
  readonly minFresh: number;
  /** Infinity when the client takes any staleness; undefined when it takes none. */
  readonly maxStale: number | undefined;
}

/** RFC 9111 1.2.2: a value too large to represent, or any overflow, counts as 2^31. */
export const MAX_DELTA_SECONDS = 2 ** 31;

/** A non-negative decimal integer of seconds, bare or quoted (RFC 9111 5.2: recipients accept both), or undefined. */
export function deltaSeconds(argument: string | undefined): number | undefined {
  if (argument === undefined) return undefined;
  const digits = unquoted(argument);
  return /^\d+$/.test(digits) ? Math.min(Number(digits), MAX_DELTA_SECONDS) : undefined;
}

/** The directives of a field value, in order (RFC 9111 5.2: `#cache-directive`). */
export function parseDirectives(fieldValue: string): Directive[] {
  return listMembers(fieldValue).map((member) => {
    const equals = member.indexOf('=');
    if (equals === -1) return { name: member.toLowerCase(), argument: undefined };
    const name = member.slice(0, equals);
    // No whitespace may stand around "=". The name still counts, so that `private ="x"` restricts, but its argument
    // becomes one that is valid nowhere, so that `max-age =3600` grants nothing.
    const malformed = name.trimEnd() !== name;
    return { name: name.trimEnd().toLowerCase(), argument: malformed ? '' : member.slice(equals + 1) };
  });
}

/** Reads the directives of a response. */
export function readResponseDirectives(directives: readonly Directive[]): ResponseDirectives {
  const withheldFields = new Set<string>();
  const has = (name: string) => directives.some((directive) => directive.name === name);
  // 4.2.1: of a directive that is given twice the first occurrence counts.
  const first = (name: string) => directives.find((directive) => directive.name === name);
  // 4.2.1: with invalid freshness information the response is taken for stale.
  const lifetime = (name: string) => {
    const directive = first(name);
    return directive === undefined ? undefined : (deltaSeconds(directive.argument) ?? 0);
  };
  // 5.2.2.4, 5.2.2.7: with field names the directive concerns those fields alone, without them the whole response.
  const unqualified = (name: string) => {
    let whole = false;
    for (const directive of directives) {
      if (directive.name !== name) continue;
      const names = fieldNames(directive.argument);
      if (names === undefined) whole = true;
      else for (const field of names) withheldFields.add(field);
    }
    return whole;
  };
  return {
    noStore: has('no-store'),
    noCache: unqualified('no-cache'),
    private: unqualified('private'),
    withheldFields: [...withheldFields],
    public: has('public'),
    mustRevalidate: has('must-revalidate'),
    proxyRevalidate: has('proxy-revalidate'),
    mustUnderstand: has('must-understand'),
    immutable: has('immutable'),
    maxAge: lifetime('max-age'),
    sMaxage: lifetime('s-maxage'),
    staleWhileRevalidate: deltaSeconds(first('stale-while-revalidate')?.argument) ?? 0,
    staleIfError: deltaSeconds(first('stale-if-error')?.argument) ?? 0,
  };
}

/** The field names in an argument, lower case; undefined when it is not a list of tokens and so qualifies nothing. */
function fieldNames(argument: string | undefined): string[] | undefined {
  if (argument === undefined) return undefined;
  const names = unquoted(argument)
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '');
  return names.length > 0 && names.every((name) => /^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(name)) ? names : undefined;
}

/** Reads the directives of a request. */
export function readRequestDirectives(directives: readonly Directive[]): RequestDirectives {
  const has = (name: string) => directives.some((directive) => directive.name === name);
  const first = (name: string) => directives.find((directive) => directive.name === name);
  const maxAge = first('max-age');
  return {
    noStore: has('no-store'),
    noCache: has('no-cache'),
    onlyIfCached: has('only-if-cached'),
    // An invalid limit is the strictest one.
    maxAge: maxAge === undefined ? undefined : (deltaSeconds(maxAge.argument) ?? 0),
    minFresh: deltaSeconds(first('min-fresh')?.argument) ?? 0,
    maxStale: acceptedStaleness(first('max-stale')),
  };
}

/** 5.2.1.2: without an argument the client takes a stale response of any age; an invalid argument takes none. */
function acceptedStaleness(maxStale: Directive | undefined): number | undefined {
  if (maxStale === undefined) return undefined;
  return maxStale.argument === undefined ? Infinity : deltaSeconds(maxStale.argument);
}
