// An answer as it goes over the wire, made once and sent many times. Node's writeHead checks and joins the same fields
// again for every request and writes head and body as two pieces: together a sixth of what a hot page costs.

import type { ServerResponse } from 'node:http';

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
