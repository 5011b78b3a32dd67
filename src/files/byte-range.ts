// The Range field of a request against a body of known size (RFC 9110 14.1, 14.2).

/** First and last byte, both included. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/**
 * The one range that is asked for; `unsatisfiable` when it lies outside the body (416); `whole` when the field asks
 * for nothing we answer in parts: malformed, another unit, or several ranges (RFC 9110 14.2 lets a server ignore it).
 */
export function parseRange(field: string, sizeBytes: number): ByteRange | 'unsatisfiable' | 'whole' {
  const match = /^bytes=[ \t]*(\d*)-(\d*)[ \t]*$/i.exec(field);
  if (match === null) return 'whole';
  const [, first = '', last = ''] = match;
  if (first === '' && last === '') return 'whole';
  if (first === '') {
    const length = Number(last);
    if (length === 0 || sizeBytes === 0) return 'unsatisfiable';
    return { first: Math.max(0, sizeBytes - length), last: sizeBytes - 1 };
  }
  const start = Number(first);
  const end = last === '' ? Number.POSITIVE_INFINITY : Number(last);
  if (end < start) return 'whole';
  if (start >= sizeBytes) return 'unsatisfiable';
  return { first: start, last: Math.min(end, sizeBytes - 1) };
}
