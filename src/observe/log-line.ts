// One log line for people: `2026-11-22T19:32:29.000Z WARN  message key=value`. Lines for programs are JSON.

type Value = string | number | boolean | null;

/** `value` as it stands in a text line: quoted when it would not read as one word. Values have no control characters. */
function word(value: Value): string {
  return typeof value === 'string' && !/^[^\s"=]+$/.test(value) ? JSON.stringify(value) : String(value);
}

/** A text line with its newline, from what the JSON line would hold. */
export function textLine(line: { readonly time: string; readonly level: string; readonly message: string }): string {
  const { time, level, message, ...fields } = line;
  const pairs = Object.entries<Value>(fields).map(([name, value]) => ` ${name}=${word(value)}`);
  return `${time} ${level.toUpperCase().padEnd(5)} ${message}${pairs.join('')}\n`;
}
