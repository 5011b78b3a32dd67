// What the conditions and the range of a request for something stored come to (RFC 9110 13, 14).

import { type ByteRange, parseRange } from '../http-semantics/byte-range.ts';
import { parseHttpDate } from '../http-semantics/http-date.ts';
import type { Exchange } from './exchange.ts';

/** RFC 9110 13.1.2: weak comparison; our tags are strong and quoted, so W/ in front of one changes nothing. */
export function isKnown({ request: { headers } }: Exchange, etag: string): boolean {
  const known = headers['if-none-match'];
  return known !== undefined && (known.includes(etag) || known.trim() === '*');
}

/** RFC 9110 13.2.2: If-None-Match decides alone; If-Modified-Since only without it. */
export function notModified(exchange: Exchange, etag: string, lastModified: string | undefined): boolean {
  const { headers } = exchange.request;
  if (headers['if-none-match'] !== undefined) return isKnown(exchange, etag);
  const since = headers['if-modified-since'];
  if (since === undefined || lastModified === undefined) return false;
  // RFC 9110 13.1.3: what is no HTTP date is no condition.
  const [modifiedAt, sinceAt] = [lastModified, since].map((date) => parseHttpDate(date, Date.now()));
  return modifiedAt !== undefined && sinceAt !== undefined && modifiedAt <= sinceAt;
}

/** The range of a request without conditions: with one it is to be joined to bytes that were verified. */
export function plainRange({ request: { headers }, isHead }: Exchange): string | undefined {
  const isConditional = headers['if-range'] !== undefined || headers['if-none-match'] !== undefined;
  return isHead || isConditional ? undefined : headers.range;
}

/** RFC 9110 14.2, 13.1.5: a range counts for GET, and with If-Range only while the tag is the very same. */
export function requestedRange(
  exchange: Exchange,
  sizeBytes: number,
  etag: string,
): ByteRange | 'unsatisfiable' | undefined {
  const { range, 'if-range': ifRange } = exchange.request.headers;
  if (range === undefined || exchange.isHead) return undefined;
  if (ifRange !== undefined && ifRange !== etag) return undefined;
  const parsed = parseRange(range, sizeBytes);
  return parsed === 'whole' ? undefined : parsed;
}

/** Whether a part of a file that is still arriving may become the answer; If-Range with another tag wants it whole. */
export function wantsPart(exchange: Exchange, etag: string | undefined): boolean {
  const { range, 'if-range': ifRange } = exchange.request.headers;
  return range !== undefined && !exchange.isHead && (ifRange === undefined || ifRange === etag);
}
