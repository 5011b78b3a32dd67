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
