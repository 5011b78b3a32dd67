// JSON that survives us unchanged. JSON.parse turns numbers into doubles and so loses digits (beyond 2^53) and spelling
// (1.0, 1e400, -0); here such numbers are kept as their source text (JSON.rawJSON), which JSON.stringify writes back.
// One scan beforehand finds whether a page has any, for keeping them costs several times a plain parse, and refuses
// nesting deep enough to hurt the recursive code that follows.

import { isUtf8 } from 'node:buffer';
import { InvalidPage } from './invalid-page.ts';

/** A JSON object whose numbers keep their digits. */
export type JsonObject = { readonly [key: string]: unknown };

/** The parts of ES2025 JSON that the type library of our target does not know yet. */
interface SourceTextJson {
  parse(
    text: string,
    reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown,
  ): unknown;
  rawJSON(text: string): unknown;
  isRawJSON(value: unknown): value is { readonly rawJSON: string };
}
const sourceTextJson = JSON as unknown as SourceTextJson;

const QUOTE = 0x22;
const COMMA = 0x2c;
const MINUS = 0x2d;
const DOT = 0x2e;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const UPPER_E = 0x45;
const LOWER_E = 0x65;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/**
 * Values of one text, objects and arrays included, counted before anything is built. A page of 40,000 files has about a
 * million, a list of 600,000 projects 1.8 million; 60 MB of `{},` have 20 million and take gigabytes.
 */
const MAX_VALUES = 4_000_000;
/** Where numbers are kept each value costs a call. */
const MAX_VALUES_KEEPING_NUMBERS = 2_000_000;

/** Every integer of this many digits is a safe one. */
const SAFE_DIGITS = 15;

/**
 * The value of a UTF-8 JSON text, with or without a byte order mark. Key order is kept but for keys that are array
 * indexes (`"7"`), which JavaScript moves to the front. Throws InvalidPage when the text is not JSON, is not UTF-8,
 * nests deeper than `maxDepth` or has more than MAX_VALUES values.
 */
export function parseExactJson(bytes: Buffer, maxDepth: number): unknown {
  const body = withoutByteOrderMark(bytes);
  if (!isUtf8(body)) throw new InvalidPage('the body is not UTF-8');
  const keepsNumbers = scan(body, maxDepth);
  const text = body.toString('utf8');
  try {
    return keepsNumbers ? sourceTextJson.parse(text, keepNumber) : JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new InvalidPage('the body is not JSON', { cause: error });
  }
}

/** True for a JSON object; false for arrays, null, primitives and kept numbers. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !sourceTextJson.isRawJSON(value);
}

/** The source text of a number that a double cannot hold unchanged; undefined for any other value. */
export function keptNumber(value: unknown): string | undefined {
  return sourceTextJson.isRawJSON(value) ? value.rawJSON : undefined;
}

/** The bytes behind a UTF-8 byte order mark, or all of them (RFC 8259 8.1). */
export function withoutByteOrderMark(bytes: Buffer): Buffer {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? bytes.subarray(3) : bytes;
}

function keepNumber(_key: string, value: unknown, { source }: { readonly source?: string }): unknown {
  return typeof value === 'number' && source !== undefined && source !== String(value)
    ? sourceTextJson.rawJSON(source)
    : value;
}

/** Whether a number may be there whose text differs from that of its double. One pass, linear. */
function scan(body: Buffer, maxDepth: number): boolean {
  let depth = 0;
  let digits = 0;
  let found = false;
  let values = 1;
  for (let i = 0; i < body.length; i++) {
    const byte = body[i]!;
    if (byte >= DIGIT_0 && byte <= DIGIT_9) {
      digits += 1;
      if (digits > SAFE_DIGITS) found = true;
      continue;
    }
    if (byte === COMMA) {
      values += 1;
    } else if (byte === QUOTE) {
      for (i += 1; i < body.length && body[i] !== QUOTE; i++) if (body[i] === BACKSLASH) i += 1;
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      depth += 1;
      values += 1;
      if (depth > maxDepth) throw new InvalidPage(`the JSON nests deeper than ${maxDepth} levels`);
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      depth -= 1;
    } else if (byte === DOT || byte === MINUS || ((byte === LOWER_E || byte === UPPER_E) && digits > 0)) {
      found = true;
    }
    digits = 0;
  }
  const most = found ? MAX_VALUES_KEEPING_NUMBERS : MAX_VALUES;
  if (values > most) throw new InvalidPage(`the JSON has more than ${most} values`);
  return found;
}
