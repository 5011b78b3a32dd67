// What may be shown: no secrets (S16) and no control characters (S35). Everything logged or recorded passes here.

const MOST_CHARACTERS = 2000;
/** Looked at beyond what is shown, so that a secret is recognised even where the cut goes through it. */
const MOST_READ = 4 * MOST_CHARACTERS;

/** `text` without the user information and query of any URL in it, and without credentials after a known word. */
export function redactUrl(text: string): string {
  return text
    .replace(/:\/\/[^\s/?#]*@/g, '://***@')
    .replace(/(?<=:\/\/[^\s?#"'<>]*)\?[^\s"'<>]*/g, '?***')
    .replace(/\b(basic|bearer|token)\s+[\w+/=.~-]{6,}/gi, '$1 ***')
    .replace(
      /\b((?:proxy-)?authorization|password|secret|token|api[-_]?key)(["']?\s*[:=]\s*["']?)[^\s"',;&]+/gi,
      '$1$2***',
    );
}

/**
 * `text` with every character that could forge a line or steer a terminal written as `\uXXXX`: the control
 * characters C0 and C1, the line separators, and those that turn the reading direction.
 */
export function escapeControls(text: string): string {
  return text.replace(
    /[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Free text from anywhere, made fit for a log line or an event: redacted, escaped, at most 2,000 characters. */
export function presentable(text: string): string {
  // No secret can be told from other text without one of the characters that are missing here.
  if (text.length <= MOST_CHARACTERS && /^[\w./-]*$/.test(text)) return text;
  return escapeControls(redactUrl(text.slice(0, MOST_READ)).slice(0, MOST_CHARACTERS));
}
