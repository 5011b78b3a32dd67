// Short ways to write requests and stored responses in the freshness tests.

import type { Fields, RequestHead } from '../../src/core/http-message.ts';
import { STRICT_RULES, type StoredHead } from '../../src/http-semantics/rules.ts';
import { varyingFields } from '../../src/http-semantics/vary.ts';

/** Noon of a Monday, on a full second; ms since the epoch. */
export const NOON = Date.UTC(2026, 0, 5, 12, 0, 0);
export const NOON_DATE = 'Mon, 05 Jan 2026 12:00:00 GMT';

/** Rules without the suites' specialities: no heuristics, nothing stale, no targeted field, requests obeyed. */
export const PLAIN = { ...STRICT_RULES, heuristic: false, staleIfErrorSeconds: 0, targeted: [] };

/** The instant `seconds` after noon, as an HTTP date. */
export function httpDate(seconds: number): string {
  return new Date(NOON + seconds * 1000).toUTCString();
}

/** A GET with these fields. */
export function get(fields: Fields = [], method = 'GET'): RequestHead {
  return { method, url: 'https://files.example/a/file', fields };
}

/** A 200 made, asked for and received at noon, by a request with `requestFields`. */
export function stored(fields: Fields, changes: Partial<StoredHead> = {}, requestFields: Fields = []): StoredHead {
  const all = fields.includes('date') ? fields : ['date', NOON_DATE, ...fields];
  const head = { status: 200, fields: all, requestTime: NOON, responseTime: NOON, ...changes };
  return { ...head, varying: varyingFields(get(requestFields), head), ...changes };
}
