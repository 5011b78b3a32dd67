// How old a stored response is and how long it is fresh: the expiration model (RFC 9111 4.2). All arithmetic is in whole
// seconds, as the fields are; a lifetime is a whole number too, so nothing is lost by it: an age below the lifetime stays
// below when its fraction is cut.

import { fieldLines, type ResponseHead } from '../core/http-message.ts';
import { deltaSeconds, MAX_DELTA_SECONDS } from './cache-control.ts';
import { parseHttpDate } from './http-date.ts';
import { oncePer } from './memoize.ts';
import type { CacheRules, StoredHead, TimedHead } from './rules.ts';
import { governingDirectives } from './targeted.ts';

/**
 * When the origin made the response, in ms since the epoch: its Date, or the time of receipt when it has no valid one
 * (RFC 9110 6.6.1).
 */
export const originTime: (head: TimedHead) => number = oncePer((head: TimedHead) => {
  const date = fieldLines(head.fields, 'date')[0];
  return (date === undefined ? undefined : parseHttpDate(date, head.responseTime)) ?? head.responseTime;
});

/** The received Age in seconds; 0 when absent or invalid, which is to be ignored (RFC 9111 5.1). */
export function receivedAgeSeconds(head: TimedHead): number {
  // 5.1: of several values the first counts. A parameter, as on a structured field's item, changes nothing.
  const first = fieldLines(head.fields, 'age')[0]?.split(',')[0]?.split(';')[0]?.trim();
  // Age has no quoted form.
  return first?.startsWith('"') ? 0 : (deltaSeconds(first) ?? 0);
}

const ageOnArrivalSeconds = oncePer((head: TimedHead) => {
  // apparent_age = max(0, response_time - date_value);
  const apparentAge = Math.max(0, wholeSeconds(head.responseTime - originTime(head)));
  // response_delay = response_time - request_time;
  const responseDelay = Math.max(0, wholeSeconds(head.responseTime - head.requestTime));
  // corrected_age_value = age_value + response_delay;
  const correctedAgeValue = receivedAgeSeconds(head) + responseDelay;
  // corrected_initial_age = max(apparent_age, corrected_age_value);
  return Math.max(apparentAge, correctedAgeValue);
});

/** The age in whole seconds at `now` (ms since the epoch), fit for the Age field; never negative. */
export function currentAgeSeconds(stored: StoredHead, now: number): number {
  // resident_time = now - response_time; not below 0, for the response may have been stored by another node whose
  // clock is ahead of ours.
  const residentTime = Math.max(0, wholeSeconds(now - stored.responseTime));
  // current_age = corrected_initial_age + resident_time;
  return Math.min(ageOnArrivalSeconds(stored) + residentTime, MAX_DELTA_SECONDS);
}

function wholeSeconds(milliseconds: number): number {
  return Math.floor(milliseconds / 1000);
}

/** RFC 9110 15.1: the statuses that are heuristically cacheable (206 among them; we do not store it). */
const HEURISTICALLY_CACHEABLE: ReadonlySet<number> = new Set([
  200, 203, 204, 206, 300, 301, 308, 404, 405, 410, 414, 501,
]);

/** Whether a lifetime may be guessed, and the response stored without an explicit one (RFC 9111 3, 4.2.2). */
export function heuristicallyCacheable(response: ResponseHead, rules: CacheRules): boolean {
  return HEURISTICALLY_CACHEABLE.has(response.status) || governingDirectives(response.fields, rules).public;
}

const lifetimeUnder = oncePer((rules: CacheRules) =>
  oncePer((head: TimedHead) => explicitLifetimeSeconds(head, rules) ?? heuristicLifetimeSeconds(head, rules)),
);

/** The freshness lifetime in whole seconds, 0 when there is none. */
export function freshnessLifetimeSeconds(stored: StoredHead, rules: CacheRules): number {
  return stored.outdated === true ? 0 : lifetimeUnder(rules)(stored);
}

/** Seconds of freshness left at `now` (ms); fresh while above 0, as RFC 9111 4.2 has it: lifetime > current age. */
export function remainingSeconds(stored: StoredHead, now: number, rules: CacheRules): number {
  return freshnessLifetimeSeconds(stored, rules) - currentAgeSeconds(stored, now);
}

/** The lifetime that the origin states, in seconds; undefined when it states none (RFC 9111 4.2.1, in its order). */
export function explicitLifetimeSeconds(head: TimedHead, rules: CacheRules): number | undefined {
  const directives = governingDirectives(head.fields, rules);
  // s-maxage, for we are a shared cache; or
  if (directives.sMaxage !== undefined) return directives.sMaxage;
  // max-age; or
  if (directives.maxAge !== undefined) return directives.maxAge;
  // RFC 9213 2.2: a targeted field silences Expires.
  if (directives.targeted) return undefined;
  // Expires minus Date, or minus the time of receipt without a Date. Of several lines the first one counts.
  const expires = fieldLines(head.fields, 'expires')[0];
  if (expires === undefined) return undefined;
  const expiryTime = parseHttpDate(expires, head.responseTime);
  // 5.3: an invalid date, such as 0, lies in the past.
  return expiryTime === undefined ? 0 : Math.max(0, Math.floor((expiryTime - originTime(head)) / 1000));
}

/** 4.2.2: typically a tenth of the time since the last modification. */
const HEURISTIC_FRACTION = 0.1;
/** A file that has rested for years is still asked for once a day. */
const LONGEST_HEURISTIC_SECONDS = 86_400;

function heuristicLifetimeSeconds(head: TimedHead, rules: CacheRules): number {
  if (!rules.heuristic || !heuristicallyCacheable(head, rules)) return 0;
  const lastModified = fieldLines(head.fields, 'last-modified')[0];
  const modificationTime = lastModified === undefined ? undefined : parseHttpDate(lastModified, head.responseTime);
  if (modificationTime === undefined) return 0;
  const restedSeconds = Math.max(0, (originTime(head) - modificationTime) / 1000);
  return Math.min(Math.floor(restedSeconds * HEURISTIC_FRACTION), LONGEST_HEURISTIC_SECONDS);
}
