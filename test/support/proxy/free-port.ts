// A port for a server that cannot tell which one it took, or that is to be absent.

import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

/** A port that nobody used a moment ago; somebody else may take it before its user does. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
