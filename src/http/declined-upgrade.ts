// A request that offers to switch protocols (RFC 9110 7.8) is answered as if it did not. Node's parser stops behind its
// head, whatever its server says, and drops what came in the same packet: the body, or the next requests. So the request
// is given to the parser a second time, without the offer, and everything behind it with it.

import type { IncomingMessage, OutgoingMessage, Server } from 'node:http';
import type { Server as TlsServer } from 'node:https';
import type { Socket } from 'node:net';

/** What speaks of the offer alone; HTTP2-Settings belongs to `h2c` (RFC 7540 3.2.1). */
const OF_THE_OFFER: ReadonlySet<string> = new Set(['upgrade', 'http2-settings']);

/** Puts the request and `behind`, what was read after it, back before the server, in their turn on the connection. */
export function declineUpgrade(server: Server | TlsServer, request: IncomingMessage, behind: Buffer): void {
  const { socket } = request;
  // Node has let go of the connection, and an error of it would end the process.
  const ignore = () => {};
  socket.on('error', ignore);
  afterAnswers(socket, () => {
    if (socket.destroyed) return;
    socket.off('error', ignore);
    // Those of the parser that has let go; the next one sets its own.
    socket.removeAllListeners('timeout');
    socket.unshift(Buffer.concat([headWithoutOffer(request), behind]));
    server.emit('encrypted' in socket ? 'secureConnection' : 'connection', socket);
    socket.resume();
  });
}

/**
 * A: the client sends a request and, behind it, one that offers an upgrade. B: the server still answers the first.
 * 1. B's parser lets go of the connection at A's second request. 2. Were that one begun now, B's new parser would know
 * nothing of the answer under way, and would write its own into the middle of it. So it waits until no answer has the
 * connection; Node gives it to the next one as soon as one ends.
 */
function afterAnswers(socket: Socket, next: () => void): void {
  // Node's types do not know where it notes the answer that has the connection.
  const { _httpMessage: answer } = socket as Socket & { readonly _httpMessage?: OutgoingMessage | null };
  if (answer == null || socket.destroyed) next();
  else answer.once('close', () => afterAnswers(socket, next));
}

function headWithoutOffer({ method, url, httpVersion, rawHeaders }: IncomingMessage): Buffer {
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase();
    if (OF_THE_OFFER.has(name)) continue;
    const value = name === 'connection' ? optionsWithoutOffer(rawHeaders[i + 1]!) : rawHeaders[i + 1]!;
    lines.push(`${rawHeaders[i]}: ${value}`);
  }
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}

function optionsWithoutOffer(connection: string): string {
  const options = connection.split(',').map((option) => option.trim());
  return options.filter((option) => !OF_THE_OFFER.has(option.toLowerCase())).join(', ');
}
