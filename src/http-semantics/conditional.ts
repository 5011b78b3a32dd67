// The conditional and range requests of clients, answered from a stored 200 (RFC 9110 13, 14; RFC 9111 4.3.2).

import { type Fields, fieldLines, fieldValue, type RequestHead, withoutFields } from '../core/http-message.ts';
import { originTime } from './age.ts';
import { parseHttpDate } from './http-date.ts';
import { listMembers } from './list-syntax.ts';
import type { TimedHead } from './rules.ts';

/** Send the stored response, send 304 in its place, or leave the decision to the origin. */
export type Precondition = 'send' | 'not-modified' | 'forward';

/** Evaluates the request's preconditions against a stored response that may be used, in RFC 9110 13.2.2's order. */
export function evaluatePreconditions(request: RequestHead, stored: TimedHead): Precondition {
  // RFC 9111 4.3.2: a cache MUST NOT evaluate the conditions that only apply to an origin.
  for (const name of ['if-match', 'if-unmodified-since']) {
    if (fieldValue(request.fields, name) !== undefined) return 'forward';
  }
  // RFC 9110 13.2.1: conditions have no effect where the answer without them would not be a success.
  if (stored.status < 200 || stored.status > 299) return 'send';
  if (request.method !== 'GET' && request.method !== 'HEAD') return 'send';

  // 13.2.2, step 3: If-None-Match decides alone when present.
  const ifNoneMatch = fieldValue(request.fields, 'if-none-match');
  if (ifNoneMatch !== undefined) return matchesAny(ifNoneMatch, stored) ? 'not-modified' : 'send';

  // Step 4: If-Modified-Since, ignored when it is no valid date (13.1.3).
  const ifModifiedSince = fieldLines(request.fields, 'if-modified-since')[0];
  const since = ifModifiedSince === undefined ? undefined : parseHttpDate(ifModifiedSince, stored.responseTime);
  if (since === undefined) return 'send';
  // RFC 9111 4.3.2: compared is Last-Modified, without it Date, without both the time of receipt.
  return (lastModifiedTime(stored) ?? originTime(stored)) <= since ? 'not-modified' : 'send';
}

/** RFC 9110 13.1.2: `*` matches any current representation; entity tags are compared weakly. */
function matchesAny(ifNoneMatch: string, stored: TimedHead): boolean {
  if (ifNoneMatch.trim() === '*') return true;
  const etag = fieldLines(stored.fields, 'etag')[0];
  return etag !== undefined && listMembers(ifNoneMatch).some((tag) => weakMatch(tag, etag));
}

/**
 * Whether the request's Range is to be applied to the stored response, once its preconditions say `send`
 * (RFC 9110 13.2.2, step 5; 14.2). If not, the whole response is the answer.
 */
export function rangeApplies(request: RequestHead, stored: TimedHead): boolean {
  // 14.2: Range is defined for GET alone, and applies where the result without it would be a 200.
  if (request.method !== 'GET' || stored.status !== 200) return false;
  if (fieldValue(request.fields, 'range') === undefined) return false;
  const ifRange = fieldLines(request.fields, 'if-range')[0]?.trim();
  if (ifRange === undefined) return true;
  const date = parseHttpDate(ifRange, stored.responseTime);
  if (date === undefined) {
    // 13.1.5: an entity tag needs a strong match: parts of equivalent bodies cannot be joined.
    const etag = fieldLines(stored.fields, 'etag')[0];
    return etag !== undefined && strongMatch(ifRange, etag);
  }
  // 13.1.5: a date must equal Last-Modified, and be a strong validator: 8.8.2.2, the origin made the response at least
  // a second later, so the file was not changed twice within the second that the date names.
  return date === lastModifiedTime(stored) && originTime(stored) - date >= 1000;
}

function lastModifiedTime(stored: TimedHead): number | undefined {
  const lastModified = fieldLines(stored.fields, 'last-modified')[0];
  return lastModified === undefined ? undefined : parseHttpDate(lastModified, stored.responseTime);
}

/** Fields of a stored 200 that describe its content, which a 304 does not carry (RFC 9110 15.4.5). */
const ONLY_WITH_CONTENT: ReadonlySet<string> = new Set([
  'accept-ranges',
  'content-digest',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-length',
  'content-md5',
  'content-range',
  'content-type',
  'digest',
  'repr-digest',
]);

/**
 * The fields of a 304 made from stored fields (RFC 9110 15.4.5): Content-Location, Date, ETag, Vary, Cache-Control and
 * Expires must be among them. All that does not describe the content goes along, because a cache behind us updates its
 * copy with them (RFC 9111 3.2). Age is the reply's to set.
 */
export function notModifiedFields(stored: Fields): Fields {
  // 15.4.5: Last-Modified only serves a client that has no entity tag.
  const hasEtag = fieldValue(stored, 'etag') !== undefined;
  return withoutFields(stored, hasEtag ? new Set([...ONLY_WITH_CONTENT, 'last-modified']) : ONLY_WITH_CONTENT);
}

// Comparing entity tags (RFC 9110 8.8.3.2). Tags are compared as written: a malformed one equals only itself.

const WEAK_PREFIX = 'W/';

/** Whether the tag promises equal bytes, not just an equivalent meaning. */
export function isStrong(tag: string): boolean {
  return !tag.startsWith(WEAK_PREFIX);
}

/** Strong comparison: both strong and the same. */
export function strongMatch(a: string, b: string): boolean {
  return isStrong(a) && a === b;
}

/** Weak comparison: the same opaque tag, strong or not. */
export function weakMatch(a: string, b: string): boolean {
  return opaque(a) === opaque(b);
}

function opaque(tag: string): string {
  return isStrong(tag) ? tag : tag.slice(WEAK_PREFIX.length);
}
