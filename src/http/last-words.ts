// The last words on a connection on which no request could be made out, or none is taken: a status, then its end.

import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { cacheStatus } from '../http-semantics/cache-status.ts';
import type { Metrics } from '../observe/metrics.ts';

/** A client that is still sending when it is refused would lose the answer if the connection were closed at once. */
const LINGER_MS = 2_000;

/**
 * Of what was read already no request is made any more: in 64 KB there are 2,000 of them, which would cost 10 MB until the
 * connection is closed. With 2 for an answer to a head Node's parser takes it for the last one; Node's types do not know it.
 */
export function stopParsing(socket: Socket): void {
  const { parser } = socket as Socket & { readonly parser?: { onIncoming?: () => number } | null };
  if (parser != null) parser.onIncoming = () => 2;
}

/** What the parser refused: too large a head, a malformed line, a head that never came. */
export function refuse(error: NodeJS.ErrnoException, socket: Duplex, metrics: Metrics): void {
  const tooLarge = error.code === 'HPE_HEADER_OVERFLOW';
  const late = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
  const reason = tooLarge ? 'head-too-large' : late ? 'timeout' : 'malformed';
  metrics.meters.rejectedRequests.inc({ reason });
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const line = tooLarge ? '431 Request Header Fields Too Large' : late ? '408 Request Timeout' : '400 Bad Request';
  end(socket, line, reason);
}

/** Says its last word, and closes the connection even when the client does not; not before it can have read that. */
export function end(socket: Duplex, statusLine: string, detail: string, fields = '', lingerMs = LINGER_MS): void {
  socket.on('error', () => {});
  const own = `connection: close\r\ncontent-length: 0\r\ncache-status: ${cacheStatus({ detail })}\r\n`;
  socket.end(`HTTP/1.1 ${statusLine}\r\n${fields}${own}\r\n`, () => {
    setTimeout(() => socket.destroy(), lingerMs).unref();
  });
}
