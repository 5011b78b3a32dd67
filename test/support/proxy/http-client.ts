// A client for tests that reports what really arrived: nothing decoded, nothing followed, a cut body said to be cut.

import { createHash } from 'node:crypto';
import { type Agent, type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Fields, fieldsFromRaw, fieldValue } from '../../../src/core/http-message.ts';

export interface ClientOptions {
  readonly method?: string;
  readonly fields?: Readonly<Record<string, string>>;
  readonly body?: Buffer | string;
  /** Connections are used once unless an agent keeps them. */
  readonly agent?: Agent;
  /** Trusted authority in PEM, for https. */
  readonly ca?: string;
  /** Over https, believes whoever answers. */
  readonly anyCertificate?: boolean;
  readonly signal?: AbortSignal;
  /** Reads no faster than this: a slow client whose window fills up. */
  readonly bytesPerSecond?: number;
  /** Called when the body begins. */
  readonly onFirstByte?: () => void;
  /** Goes away once this many bytes of the body are here. */
  readonly abortAfterBytes?: number;
  /** False: the body is hashed and counted only, for a hundred large downloads at once. */
  readonly keepBody?: boolean;
}

export interface ClientResponse {
  readonly status: number;
  readonly reasonPhrase: string;
  readonly fields: Fields;
  /** What arrived, coded as it was sent. */
  readonly body: Buffer;
  readonly sizeBytes: number;
  /** Of what arrived; hexadecimal. */
  readonly sha256: string;
  /** Whether the framing says that this is all: false after a cut, whatever has arrived by then. */
  readonly complete: boolean;
  /** From sending the request to the first byte of the body (or to its end when it is empty), milliseconds. */
  readonly firstByteMs: number;
  readonly totalMs: number;
  /** The field `name` in lower case; several lines joined by a comma. */
  field(name: string): string | undefined;
  text(): string;
  json(): unknown;
}

export function get(url: string, fields: Readonly<Record<string, string>> = {}): Promise<ClientResponse> {
  return fetchAll(url, { fields });
}

/** Rejects only when no response head came; what happens to the body afterwards is told by `complete`. */
export async function fetchAll(url: string, options: ClientOptions = {}): Promise<ClientResponse> {
  const start = performance.now();
  const request = send(url, options);
  // There can be several, also while the body arrives, where they show as an incomplete message.
  request.on('error', () => {});
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve);
    request.once('error', reject);
  });
  const hash = createHash('sha256');
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  let firstByteMs: number | undefined;
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) {
      if (firstByteMs === undefined) options.onFirstByte?.();
      firstByteMs ??= performance.now() - start;
      hash.update(chunk);
      sizeBytes += chunk.length;
      if (options.keepBody !== false) chunks.push(chunk);
      if (sizeBytes >= (options.abortAfterBytes ?? Infinity)) request.destroy();
      if (options.bytesPerSecond !== undefined) await sleep((chunk.length / options.bytesPerSecond) * 1000);
    }
  } catch (error) {
    // A system or abort error is what a cut looks like from here; `complete` reports it.
    if (!(error instanceof Error && 'code' in error)) throw error;
  }
  const totalMs = performance.now() - start;
  const fields = fieldsFromRaw(response.rawHeaders);
  const body = Buffer.concat(chunks);
  return {
    status: response.statusCode ?? 0,
    reasonPhrase: response.statusMessage ?? '',
    fields,
    body,
    sizeBytes,
    sha256: hash.digest('hex'),
    complete: response.complete,
    firstByteMs: firstByteMs ?? totalMs,
    totalMs,
    field: (name) => fieldValue(fields, name),
    text: () => body.toString(),
    json: () => JSON.parse(body.toString()),
  };
}

/**
 * Sends these bytes over a connection of their own and returns all that comes back until the server closes it, or
 * until `quietMs` pass without a byte: for requests that no HTTP client would send.
 */
export async function sendRaw(url: string, bytes: string | Buffer, quietMs = 1000): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname.replace(/[[\]]/g, ''));
  socket.setTimeout(quietMs, () => socket.destroy());
  socket.write(bytes);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  await new Promise<void>((resolve, reject) => {
    socket.once('close', resolve);
    socket.once('error', (error: NodeJS.ErrnoException) => (error.code === 'ECONNRESET' ? resolve() : reject(error)));
  });
  return Buffer.concat(chunks).toString('latin1');
}

function send(url: string, options: ClientOptions): ClientRequest {
  const { method = 'GET', fields = {}, body, agent, ca, anyCertificate, signal } = options;
  const given = {
    method,
    headers: fields,
    agent: agent ?? false,
    ...(signal === undefined ? {} : { signal }),
    ...(ca === undefined ? {} : { ca }),
    ...(anyCertificate === true ? { rejectUnauthorized: false } : {}),
  };
  const request = url.startsWith('https:') ? httpsRequest(url, given) : httpRequest(url, given);
  return request.end(body);
}
