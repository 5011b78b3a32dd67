// What may be shown: no secrets and no control characters. Everything logged or recorded passes here.

const MOST_CHARACTERS = 2000;
/** Looked at beyond what is shown, so that a secret is recognised even where the cut goes through it. */
const MOST_READ = 4 * MOST_CHARACTERS;

/**
 * `text` without the user information and query of any URL or path in it (a query may be a signature), and
 * without credentials after a known word.
 */
export function redactUrl(text: string): string {
  return (
    text
      .replace(/:\/\/[^\s/?#]*@/g, '://***@')
      .replace(/(?<=:\/\/[^\s?#"'<>]*)\?[^\s"'<>]*/g, '?***')
      // A request target, or a link without its origin.
      .replace(/(?<=(?:^|[\s"'(<=,:])\/[^\s?#"'<>]*)\?[^\s"'<>]+/g, '?***')
      .replace(
        /\b((?:x-(?:amz|goog|oss|ms|cos)-[a-z-]+|signature|sig|awsaccesskeyid|googleaccessid)=)[^\s"'<>&;]+/gi,
        '$1***',
      )
      .replace(/\b(basic|bearer|token)\s+[\w+/=.~-]{6,}/gi, '$1 ***')
      .replace(
        /\b((?:proxy-)?authorization|password|secret|token|api[-_]?key)(["']?\s*[:=]\s*["']?)[^\s"',;&]+/gi,
        '$1$2***',
      )
  );
}

/**
 * `text` with every character that could forge a line or steer a terminal written as `\uXXXX`: the control
 * characters C0 and C1, the line separators, those that turn the reading direction, and those that are not seen at all.
 */
export function escapeControls(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g, escaped);
}

/** What begins a command anywhere in a line, of GitHub Actions (`##[`), Azure Pipelines (`##vso[`) and TeamCity. */
const CI_COMMAND = /##+(?=\[|[a-z]+\[)/gi;

/**
 * One line of others' text as a terminal or the log of a CI system may have it: `escapeControls`, and what those systems
 * would take for an order to them is written as `\uXXXX`, too, so that JSON stays the same JSON.
 */
export function harmlessLine(line: string): string {
  return (
    escapeControls(line)
      .replace(CI_COMMAND, (run) => [...run].map(escaped).join(''))
      // GitHub's other form counts at the beginning of a line alone, spaces aside.
      .replace(/^\s*:(?=:)/, (start) => start.slice(0, -1) + escaped(':'))
  );
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** Free text from anywhere, made fit for a log line or an event: redacted, escaped, at most 2,000 characters. */
export function presentable(text: string): string {
  // No secret can be told from other text without one of the characters that are missing here.
  if (text.length <= MOST_CHARACTERS && /^[\w./-]*$/.test(text)) return text;
  return harmlessLine(redactUrl(text.slice(0, MOST_READ)).slice(0, MOST_CHARACTERS));
}
