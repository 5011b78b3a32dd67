// Which of several stored responses answers a request (RFC 9111 4.1).

import { type Fields, fieldValue, type RequestHead, type ResponseHead } from '../core/http-message.ts';
import { originTime } from './age.ts';
import { listMembers } from './list-syntax.ts';
import { oncePer, oncePerText } from './memoize.ts';
import type { StoredHead } from './rules.ts';

/** The field names of Vary, lower case, each once; `*` when any member is. */
export const varyNames: (fields: Fields) => readonly string[] | '*' = oncePer((fields: Fields) => {
  const names = listMembers(fieldValue(fields, 'vary') ?? '').map((name) => name.toLowerCase());
  return names.includes('*') ? '*' : [...new Set(names)];
});

/** A pseudo-field that no request on the wire can have: who asks, where an answer may be for that client alone. */
const CLIENT = ':client';

/** The request as this client's, so that answers which set cookies are found again by no other one. */
export function askedBy(request: RequestHead, client: string): RequestHead {
  return { ...request, fields: [...request.fields, CLIENT, client] };
}

/**
 * What has to be equal for a stored response to answer a request. RFC 9111 lets an answer with Set-Cookie be stored and
 * used for everybody (7.3 warns of it); a session that is handed to the next client is worth no saved request, so it
 * answers the client that got it, with the cookies that it had, and nobody else.
 */
export const selectingNames: (fields: Fields) => readonly string[] | '*' = oncePer((fields: Fields) => {
  const names = varyNames(fields);
  if (names === '*') return names;
  const setsCookies = fieldValue(fields, 'set-cookie') ?? fieldValue(fields, 'set-cookie2');
  return setsCookies === undefined ? names : [...new Set([...names, 'cookie', CLIENT])];
});

/** The selecting fields of the original request, normalised, to be kept beside the stored response. */
export function varyingFields(request: RequestHead, response: ResponseHead): Fields {
  const names = selectingNames(response.fields);
  if (names === '*') return [];
  const kept: string[] = [];
  for (const name of names) {
    const value = selectingValue(request.fields, name);
    if (value !== undefined) kept.push(name, value);
  }
  return kept;
}

/** The stored response that matches the request; of several the one with the most recent Date. */
export function selectVariant<T extends StoredHead>(request: RequestHead, variants: readonly T[]): T | undefined {
  let selected: T | undefined;
  for (const variant of variants) {
    if (!matches(request, variant)) continue;
    // 4.1: of several matches the most recent by Date; of equals the one received last.
    if (selected === undefined || isNewer(variant, selected)) selected = variant;
  }
  return selected;
}

function isNewer(a: StoredHead, b: StoredHead): boolean {
  return originTime(a) > originTime(b) || (originTime(a) === originTime(b) && a.responseTime > b.responseTime);
}

function matches(request: RequestHead, stored: StoredHead): boolean {
  const names = selectingNames(stored.fields);
  if (names === '*') return false;
  // A field that is absent from one request matches only a request from which it is absent too.
  return names.every((name) => selectingValue(request.fields, name) === fieldValue(stored.varying, name));
}

// 4.1 lets values match that differ only in ways that are known to mean the same.

/** For any field: lines combined, and the whitespace around list separators removed. */
const asList = oncePerText((value) => listMembers(value).join(','));

/** For weighted lists, whose order carries no meaning beyond the weights: also sorted, and in one case where it is none. */
const asPreferences = oncePerText((value) => preferences(value, 'whole'));
const asMediaTypes = oncePerText((value) => preferences(value, 'type'));

const NEGOTIATION: ReadonlyMap<string, (value: string) => string> = new Map([
  ['accept', asMediaTypes],
  ['accept-charset', asPreferences],
  ['accept-encoding', asPreferences],
  ['accept-language', asPreferences],
]);

/** The value that has to be equal; undefined when the request has no such field. */
function selectingValue(fields: Fields, name: string): string | undefined {
  const value = fieldValue(fields, name);
  return value === undefined ? undefined : (NEGOTIATION.get(name) ?? asList)(value);
}

function preferences(value: string, caseless: 'whole' | 'type'): string {
  return listMembers(value)
    .map((member) => normalisedPreference(member, caseless))
    .sort()
    .join(',');
}

/** `EN ; Q=0.50` and `en;q=0.5` are one preference, and a weight of 1 is the same as none (RFC 9110 12.4.2). */
function normalisedPreference(member: string, caseless: 'whole' | 'type'): string {
  const [range = '', ...parameters] = member.split(';').map((part) => part.trim());
  const kept = parameters.map((parameter) => {
    const weight = /^q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/i.exec(parameter)?.[1];
    // The values of a media type's parameters may distinguish case.
    if (weight === undefined) return caseless === 'whole' ? parameter.toLowerCase() : parameter;
    return Number(weight) === 1 ? '' : `q=${Number(weight)}`;
  });
  return [range.toLowerCase(), ...kept.filter((parameter) => parameter !== '')].join(';');
}
