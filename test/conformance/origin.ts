// The suite's origin server on loopback: its own handlers behind a listener of ours, because its own listener takes
// every address of the machine. Run as a process of its own; prints its port.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

type Handler = (segments: readonly string[], request: IncomingMessage, response: ServerResponse) => void;

const handlers = new Map<string, Handler>();
for (const name of ['config', 'state', 'test']) {
  // Not written out: the suite has no types.
  const module = `http-cache-tests/server/handle-${name}.mjs`;
  handlers.set(name, ((await import(module)) as { readonly default: Handler }).default);
}

const server = createServer((request, response) => {
  const [, first = '', ...rest] = new URL(request.url ?? '', 'http://origin.example').pathname.split('/');
  const handler = handlers.get(first);
  if (handler === undefined) response.writeHead(404).end();
  else handler(rest, request, response);
});
server.listen(0, '127.0.0.1', () => process.send!((server.address() as AddressInfo).port));
// Its warnings go to the console, which the runner does not show.
process.on('disconnect', () => process.exit());
