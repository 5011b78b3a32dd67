// Remembers what was computed from an immutable object for as long as the object lives: a hot stored response is
// parsed once, however often it is asked for.

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
