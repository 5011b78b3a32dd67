// One request on its way through: what was asked, and what is noted for the access log and the metrics.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Fields, fieldValue } from '../core/http-message.ts';
import type { Kind, Outcome } from '../observe/metric-table.ts';
import { privateFields } from './private-fields.ts';

/** Whether a cache in front may give the answer to others. */
export type Sharing = 'public' | 'private';

/** One request with its answer, and what is noted of it. */
export class Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The request target as it came; `request.url` is what is left of it below the base path. */
  readonly target: string;
  /** Milliseconds on the monotonic clock. */
  readonly startedAt: number;
  /** The name of the client, where clients have to prove who they are; see ClientGate. */
  user: string | undefined;
  /** What every answer to this exchange has beside its own fields; a flat list. */
  addedFields: readonly string[] = [];
  kind: Kind = 'other';
  outcome: Outcome = 'hit';
  /** Bytes of the body handed to the connection. */
  bytes = 0;
  /** Milliseconds on the monotonic clock; 0 while nothing was sent. */
  firstByteAt = 0;

  /** Whether clients have to prove who they are: then no answer is for others, whatever it is. */
  readonly #isGuarded: boolean;

  constructor(request: IncomingMessage, response: ServerResponse, isGuarded = false) {
    this.request = request;
    this.response = response;
    this.#isGuarded = isGuarded;
    this.target = request.url ?? '';
    this.startedAt = performance.now();
  }

  /** Takes the credential of a known client out of the request: it was for us, and nobody behind us shall see it. */
  dropCredential(): void {
    const { headers, rawHeaders } = this.request;
    delete headers.authorization;
    for (let i = rawHeaders.length - 2; i >= 0; i -= 2) {
      if (rawHeaders[i]!.toLowerCase() === 'authorization') rawHeaders.splice(i, 2);
    }
  }

  /** Whether a cache in front may give the answer to others: not while clients have to prove who they are. */
  get sharing(): Sharing {
    return this.#isGuarded ? 'private' : 'public';
  }

  /** One of our Cache-Control values, for this client. */
  cacheControl(control: string): string {
    return control.replace('public', this.sharing);
  }

  get isHead(): boolean {
    return this.request.method === 'HEAD';
  }

  /** The fields of an answer as this client gets them: `private` on every one while clients prove who they are. */
  fieldsForClient(fields: Fields): Fields {
    if (!this.#isGuarded) return fields;
    // What strangers get, such as the 401 itself, is theirs to forget.
    const isForNobody = this.user === undefined && fieldValue(fields, 'cache-control') === 'no-store';
    return isForNobody ? fields : privateFields(fields);
  }

  /** Sends the head. `fields` is a flat list. */
  head(status: number, fields: readonly string[]): void {
    this.firstByteAt = performance.now();
    // Node takes a flat list as it is; its type only allows a mutable one.
    const complete = this.addedFields.length === 0 ? fields : fields.concat(this.addedFields);
    this.response.writeHead(status, this.fieldsForClient(complete) as string[]);
  }

  /** Sends a whole answer; a HEAD gets the head alone. */
  send(status: number, fields: readonly string[], body?: Buffer): void {
    this.head(status, fields);
    if (body === undefined || this.isHead) this.response.end();
    else {
      this.bytes = body.length;
      this.response.end(body);
    }
  }

  /** Sends an answer that was made before; `bytes` is the length of its body. */
  sendReady(message: ReadyMessage, bytes: number): void {
    this.firstByteAt = performance.now();
    this.bytes = bytes;
    sendReady(this.response, message);
  }
}

// An answer as it goes over the wire, made once and sent many times. Node's writeHead checks and joins the same fields
// again for every request and writes head and body as two pieces: together a sixth of what a hot page costs.

/** A whole answer as it goes over the wire. */
export interface ReadyMessage {
  readonly status: number;
  /** The head, and behind it a small body; each character is a byte. */
  readonly text: string;
  /** A body that is not in the text. */
  readonly body: Buffer | undefined;
}

/** Node writes a text of up to 16 KB at once and from its stack; a larger body goes as it lies in memory. */
export const MOST_JOINED_BYTES = 12 * 1024;
/** What Node says on a connection that stays open: the server's keepAliveTimeout. */
export const KEEP_ALIVE_SECONDS = 65;

const REASONS = { 200: 'OK', 304: 'Not Modified' } as const;

/** `fields` is a flat list without Date and Connection; `at` is the time of Date, in milliseconds since the epoch. */
export function readyMessage(
  status: keyof typeof REASONS,
  fields: readonly string[],
  body: Buffer | undefined,
  at: number,
): ReadyMessage {
  let text = `HTTP/1.1 ${status} ${REASONS[status]}\r\n`;
  for (let i = 0; i < fields.length; i += 2) text += `${fields[i]}: ${fields[i + 1]}\r\n`;
  text += `Date: ${new Date(at).toUTCString()}\r\n`;
  text += `Connection: keep-alive\r\nKeep-Alive: timeout=${KEEP_ALIVE_SECONDS}\r\n\r\n`;
  if (body === undefined || body.length > MOST_JOINED_BYTES) return { status, text, body };
  return { status, text: text + body.toString('latin1'), body: undefined };
}

/** Whether a ready message is right here: for HTTP/1.1, on a connection that stays open. */
export function takesReady(response: ServerResponse): boolean {
  return response.shouldKeepAlive;
}

/** Ends the response with the message. */
export function sendReady(response: ServerResponse, { status, text, body }: ReadyMessage): void {
  response.statusCode = status;
  // Where writeHead leaves the head that it made: Node sends it with what comes first, so that order on the
  // connection, waiting for a slow client and timeouts are as ever.
  (response as ServerResponse & { _header: string })._header = text;
  response.end(body);
}
