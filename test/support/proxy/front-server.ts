// A server in front of proxies that come and go: it keeps its address, which lock files hold, and remembers what was
// asked for and what was refused, by the last part of the path.

import { once } from 'node:events';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export class FrontServer {
  /** Names of projects and files; core metadata and the file that has them are one. */
  readonly asked = new Set<string>();
  readonly refused = new Set<string>();
  /** The proxy behind it, without a final slash. */
  target = '';
  readonly #server: Server = createServer((asked, answer) => {
    const name = asked
      .url!.replace(/(?:\.metadata|\/)$/, '')
      .split('/')
      .at(-1)!;
    this.asked.add(name);
    const inner = request(`${this.target}${asked.url}`, { headers: asked.headers, method: asked.method }, (got) => {
      if (got.statusCode! >= 400) this.refused.add(name);
      answer.writeHead(got.statusCode!, got.rawHeaders);
      got.pipe(answer);
    });
    inner.on('error', () => answer.destroy());
    asked.pipe(inner);
  });

  static async start(): Promise<FrontServer> {
    const front = new FrontServer();
    front.#server.listen(0, '127.0.0.1');
    await once(front.#server, 'listening');
    return front;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  clear(): void {
    this.asked.clear();
    this.refused.clear();
  }

  close(): void {
    this.#server.close().closeAllConnections();
  }
}
