// Field lines that say the same thing twice, where it may be said once only. Proxies that were put one behind the other write
// them. Equal lines have one meaning; lines that differ are left to whoever refuses them.

import type { Fields } from '../core/http-message.ts';

/** Fields of an answer that have one value (RFC 9110 5.5). */
const SINGLE: ReadonlySet<string> = new Set([
  'content-type',
  'content-length',
  'content-range',
  'etag',
  'last-modified',
  'location',
]);

/** The fields, names in lower case, without repeated equal lines of those that have one value. */
export function withoutEqualLines(fields: Fields): Fields {
  const seen = new Map<string, string>();
  const repeated = new Set<number>();
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i]!;
    if (!SINGLE.has(name)) continue;
    if (seen.get(name) === fields[i + 1]) repeated.add(i);
    else seen.set(name, fields[i + 1]!);
  }
  return repeated.size === 0 ? fields : fields.filter((_, i) => !repeated.has(i - (i % 2)));
}

const LENGTH_LINE = /^content-length:[ \t]*([^\r\n]*?)[ \t]*\r?\n/gim;

/**
 * The bytes of a head in which a length that is given several times, always the same, stands once (RFC 9110 8.6). The
 * parser refuses the others.
 */
export function withOneLength(head: Buffer): Buffer {
  const text = head.toString('latin1');
  const lengths = [...text.matchAll(LENGTH_LINE)].flatMap(([, value]) => value!.split(',').map((one) => one.trim()));
  const [length] = lengths;
  if (lengths.length < 2 || !/^\d+$/.test(length!) || lengths.some((one) => one !== length)) return head;
  let isFirst = true;
  const mended = text.replace(LENGTH_LINE, () => {
    const line = isFirst ? `content-length: ${length}\r\n` : '';
    isFirst = false;
    return line;
  });
  return Buffer.from(mended, 'latin1');
}
