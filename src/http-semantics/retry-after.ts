// How long a server asked us to stay away (RFC 9110 10.2.3, RFC 6585 4).

import { fieldLines, type ResponseHead } from '../core/http-message.ts';

/** A pause is obeyed up to this: a server that says "tomorrow" must not take an index away for a day. */
const LONGEST_PAUSE_MS = 600_000;

/** What a 429 without Retry-After means, before jitter. */
const DEFAULT_PAUSE_MS = 30_000;

/** RFC 9110 5.6.7, but for the form of asctime, which names no zone; Date.parse alone makes a date of almost anything. */
const HTTP_DATE =
  /^(?:[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4}|[A-Z][a-z]{2,5}day, \d\d-[A-Z][a-z]{2}-\d\d) \d\d:\d\d:\d\d GMT$/;

/** The value of Retry-After in milliseconds from `now`: whole seconds or an HTTP date; undefined when it is neither. */
export function parseRetryAfter(value: string, now: number): number | undefined {
  const text = value.trim();
  const delay = /^\d{1,15}$/.test(text) ? Number(text) * 1000 : HTTP_DATE.test(text) ? Date.parse(text) - now : NaN;
  return Number.isNaN(delay) ? undefined : Math.min(LONGEST_PAUSE_MS, Math.max(0, delay));
}

/**
 * The pause that an answer asks for: 429 always does, 503 when it carries Retry-After; undefined otherwise.
 * `random` in [0, 1) shortens the default by up to a fifth.
 */
export function requestedPause(answer: ResponseHead, now: number, random: number): number | undefined {
  if (answer.status !== 429 && answer.status !== 503) return undefined;
  const [value] = fieldLines(answer.fields, 'retry-after');
  const asked = value === undefined ? undefined : parseRetryAfter(value, now);
  if (asked !== undefined) return asked;
  return answer.status === 429 ? DEFAULT_PAUSE_MS * (1 - 0.2 * random) : undefined;
}
