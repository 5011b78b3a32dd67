// The shape of HTTP messages inside Wheelkeep, shared by the cache, the upstream client and the listener.
// Header fields travel as Node and undici carry them on the wire: a flat list that keeps order and repetition.

import type { Readable } from 'node:stream';

/** Header fields as name, value, name, value, …; names in lower case, order and repeated lines kept. */
export type Fields = readonly string[];

/** What was asked: method, absolute URL or request target, header fields. */
export interface RequestHead {
  readonly method: string;
  readonly url: string;
  readonly fields: Fields;
}

/** What was answered, without its body. */
export interface ResponseHead {
  readonly status: number;
  readonly fields: Fields;
}

/** A response whose body is still arriving. Times are milliseconds since the epoch (RFC 9111 4.2.3). */
export interface IncomingResponse extends ResponseHead {
  /** The URL that answered, after redirects: relative links resolve against it. */
  readonly url: string;
  /** The upstream that was asked, where several may be asked for the same thing (a mirror's base URL, a file's URL). */
  readonly base?: string;
  /** Which upstream and address answered, for health, logs and events; never sent to clients. */
  readonly source: string;
  readonly requestTime: number;
  readonly responseTime: number;
  /** The body as sent (no content coding removed). It errors when the framing says that bytes are missing. */
  readonly body: Readable;
}

/** Every line of the field `name` (lower case), in order. */
export function fieldLines(fields: Fields, name: string): string[] {
  const lines: string[] = [];
  for (let i = 0; i < fields.length; i += 2) if (fields[i] === name) lines.push(fields[i + 1]!);
  return lines;
}

/** The value of the field `name` (lower case); several lines are joined by a comma (RFC 9110 5.3). */
export function fieldValue(fields: Fields, name: string): string | undefined {
  let value: string | undefined;
  for (let i = 0; i < fields.length; i += 2) {
    if (fields[i] === name) value = value === undefined ? fields[i + 1]! : `${value}, ${fields[i + 1]!}`;
  }
  return value;
}

/** What storages and careless servers write into Content-Encoding although the bytes are as they always were. */
const PLAIN_LABELS: ReadonlySet<string> = new Set(['', 'identity', 'aws-chunked', 'none', 'binary', 'utf-8', 'utf8']);

/** The content codings of the body as it was sent (RFC 9110 8.4), in lower case; undefined when there are none. */
export function contentCoding(fields: Fields): string | undefined {
  const labels = fieldValue(fields, 'content-encoding')?.toLowerCase().split(',') ?? [];
  const codings = labels.map((label) => label.trim()).filter((label) => !PLAIN_LABELS.has(label));
  return codings.length === 0 ? undefined : codings.join(', ');
}

/** The fields without those that are named (lower case). */
export function withoutFields(fields: Fields, names: ReadonlySet<string>): Fields {
  const kept: string[] = [];
  for (let i = 0; i < fields.length; i += 2) if (!names.has(fields[i]!)) kept.push(fields[i]!, fields[i + 1]!);
  return kept;
}

/** The fields with `name` (lower case) set once, to `value`. */
export function withField(fields: Fields, name: string, value: string): Fields {
  return [...withoutFields(fields, new Set([name])), name, value];
}

/** Node's `rawHeaders` with the names in lower case. */
export function fieldsFromRaw(raw: readonly string[]): Fields {
  return raw.map((text, i) => (i % 2 === 0 ? text.toLowerCase() : text));
}
