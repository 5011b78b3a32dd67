// Sends on an interim answer (1xx) of upstream's. Node offers methods for three statuses and no others, and for one of
// them takes no fields as they came.

import { STATUS_CODES } from 'node:http';
import type { Fields } from '../core/http-message.ts';
import type { Exchange } from './exchange.ts';
import { responseFields } from './forwarded-fields.ts';

/** Interim answers are dropped beyond this many bytes that the client has not read: they are hints, and have no end. */
const MAX_UNREAD_BYTES = 64 * 1024;

/** Does nothing once the final answer has begun, or while an earlier answer has the connection. */
export function sendInformational({ request, response }: Exchange, status: number, fields: Fields): void {
  // RFC 9110 15.2: HTTP/1.0 knows no 1xx. 101 would hand over the connection, which nobody has asked for.
  if (request.httpVersion === '1.0' || status === 101 || response.headersSent) return;
  const { socket } = response;
  // A pipelined request whose turn has not come has no connection yet (RFC 9112 9.3.2).
  if (socket === null || socket.destroyed || socket.writableLength > MAX_UNREAD_BYTES) return;
  if (status === 100) {
    response.writeContinue();
    return;
  }
  const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`];
  const sent = responseFields(fields, 'raw');
  for (let i = 0; i < sent.length; i += 2) lines.push(`${sent[i]}: ${sent[i + 1]}`);
  socket.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}
