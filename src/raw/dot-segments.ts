// Whether a path holds a dot segment in a spelling that an origin might still decode: escaped once or more often, with a
// backslash, behind parameters, in overlong UTF-8. Such a path has credentials of ours and may leave the base that they
// are for. Nobody names a file so; it is refused wherever it would lead. Pure.

/** Each round of a decoder that runs over its own result; more of them than any chain of servers has. */
const MOST_ROUNDS = 8;
/** Escapes of `.`, `/`, `\\` and `%`: of one byte, of two and three bytes where one would do, and those of IIS. */
const ESCAPES: readonly (readonly [RegExp, string])[] = [
  [/%(?:2e|c0%ae|c0%2e|e0%80%ae|u002e|uff0e)/gi, '.'],
  [/%(?:2f|c0%af|e0%80%af|u002f|u2215|uff0f)/gi, '/'],
  [/%(?:5c|c1%9c|e0%81%9c|u005c|u2216|uff3c)/gi, '\\'],
  [/%(?:3b|u003b)/gi, ';'],
  [/%(?:00|09|0a|0d|20|23|3f)/gi, ';'],
  [/%(?:25|u0025)/gi, '%'],
];
/** `..`, also with parameters (`..;a=b`), or before what ends a name for some servers: a space, NUL, `?` and `#`. */
const DOT_SEGMENT = /(?:^|[/\\])\.\.(?:[/\\;]|$)/;

/** `path` is that of a parsed URL, in which no plain dot segment is left. */
export function hidesDotSegment(path: string): boolean {
  let text = path;
  for (let round = 0; round < MOST_ROUNDS; round++) {
    if (DOT_SEGMENT.test(text)) return true;
    const decoded = ESCAPES.reduce((before, [pattern, character]) => before.replace(pattern, character), text);
    if (decoded === text) return false;
    text = decoded;
  }
  // It still is not at its end: nothing that somebody means.
  return true;
}
