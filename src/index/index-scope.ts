// The name under which the data of an index is kept. What is kept belongs to an index and not to the name that a
// configuration gives it: another index under the same name finds nothing of the first one, on disk and in Redis, and
// the first one finds everything again when it is configured again.

import { digestOf } from '../core/digest.ts';

/** 64 bits: nobody configures so many indexes that two of them meet. */
const FINGERPRINT_DIGITS = 16;

/**
 * The second part of every key of an index's data: its name and the fingerprint of its first base URL, as in
 * `default@0f3c…`. Further mirrors do not count, so adding or reordering them keeps what is stored; neither do
 * credentials, which are exchanged often. Holds no colon, which is what separates the parts of a key.
 */
export function indexScope(name: string, firstBase: string): string {
  return `${name}@${digestOf(normalBase(firstBase)).slice(0, FINGERPRINT_DIGITS)}`;
}

/** Spellings of one URL are one index: case and port of the origin, dot segments, the final slash, needless escapes. */
function normalBase(base: string): string {
  const url = new URL(base);
  const path = url.pathname.replace(/%[0-9a-f]{2}/gi, (escaped) => {
    // RFC 3986 6.2.2.2: an unreserved character means the same with and without its escape.
    const character = String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
    return /[A-Za-z0-9._~-]/.test(character) ? character : escaped.toUpperCase();
  });
  return `${url.protocol}//${url.host.replace(/\.(?=:|$)/, '')}${path.endsWith('/') ? path : `${path}/`}`;
}
