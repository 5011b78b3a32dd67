// Remembers what was computed from an immutable value: a hot stored response is parsed once, however often it is asked
// for, and so is the Accept that all clients of one version send.

/** `compute`, evaluated at most once per key object. */
export function oncePer<K extends object, V>(compute: (key: K) => V): (key: K) => V {
  const known = new WeakMap<K, { readonly value: V }>();
  return (key) => {
    let found = known.get(key);
    if (found === undefined) {
      found = { value: compute(key) };
      known.set(key, found);
    }
    return found.value;
  };
}

/** Longer texts are rare, and would let clients fill the memory. */
const LONGEST_REMEMBERED = 256;
const MOST_REMEMBERED = 512;

/** `compute`, remembered for short texts; forgets all when it knows too many. */
export function oncePerText<V extends NonNullable<unknown>>(compute: (text: string) => V): (text: string) => V {
  const known = new Map<string, V>();
  return (text) => {
    const found = known.get(text);
    if (found !== undefined) return found;
    const value = compute(text);
    if (text.length <= LONGEST_REMEMBERED) {
      if (known.size >= MOST_REMEMBERED) known.clear();
      known.set(text, value);
    }
    return value;
  };
}
