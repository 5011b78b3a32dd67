// Range and Content-Range: which part of a body is asked for, and which one an answer is (RFC 9110 14.1, 14.2, 14.4).

/** First and last byte, both included. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/** A part of a body of this size. */
export interface ContentRange extends ByteRange {
  readonly sizeBytes: number;
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

/** The part that an answer says it is; undefined when it does not say that, or not of how much. */
export function parseContentRange(field: string | undefined): ContentRange | undefined {
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(field ?? '');
  if (match === null) return undefined;
  return { first: Number(match[1]), last: Number(match[2]), sizeBytes: Number(match[3]) };
}
