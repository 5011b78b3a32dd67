// A real HTTP/1.1 server on loopback whose answers are a function of the request and whose behaviour on the wire can
// be spoiled at run time. It knows nothing of indexes; fake-index.ts gives it content.

import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import {
  type Fields,
  fieldsFromRaw,
  fieldValue,
  type RequestHead,
  type ResponseHead,
} from '../../../src/core/http-message.ts';
import { type Fault, FaultPlan, type FaultScope } from './fault-plan.ts';
import { type PathPattern, RequestLog } from './request-log.ts';

/** A whole answer; Content-Length is added when it is sent, unless the fields bring their own framing. */
export interface Answer extends ResponseHead {
  readonly body: Buffer;
}

/** One request and all that a fault needs to spoil its answer. */
export interface Exchange {
  readonly request: RequestHead;
  /** What a healthy server answers. */
  readonly answer: Answer;
  /** The connection, for faults that write their own bytes. */
  readonly socket: Socket;
  /** 1 for the first request of a connection. */
  readonly requestOnConnection: number;
  /** Sends `answer` correctly framed; resolves when it is out or the client has left. */
  send(answer: Answer): Promise<void>;
  /** Cuts the connection at once, with a reset unless TLS hides the socket or an end was sent already. */
  reset(): void;
}

/** Key and certificate chain in PEM, see certificates.ts. */
export interface Identity {
  readonly key: string;
  readonly cert: string;
}

export interface FakeServerOptions {
  readonly respond: (request: RequestHead) => Answer;
  /** One identity, or one by address: a certificate that is wrong on one address only is a real fault. */
  readonly tls?: Identity | ((address: string) => Identity);
  /** Loopback addresses, all on one port; the first names the origin. 127.0.0.1 unless given. */
  readonly addresses?: readonly string[];
  /** Servers that belong together share their plan and log. */
  readonly plan?: FaultPlan;
  readonly log?: RequestLog;
}

export class FakeServer {
  readonly log: RequestLog;
  readonly #options: FakeServerOptions;
  readonly #plan: FaultPlan;
  readonly #servers = new Map<string, Server>();
  readonly #sockets = new Set<Socket>();
  #connections = 0;
  #port = 0;

  private constructor(options: FakeServerOptions) {
    this.#options = options;
    this.#plan = options.plan ?? new FaultPlan();
    this.log = options.log ?? new RequestLog();
  }

  static async start(options: FakeServerOptions): Promise<FakeServer> {
    const server = new FakeServer(options);
    for (const address of options.addresses ?? ['127.0.0.1']) server.#servers.set(address, server.#create(address));
    await server.up();
    return server;
  }

  get port(): number {
    return this.#port;
  }

  /** Scheme, first address and port, without a final slash. */
  get origin(): string {
    const [address = ''] = this.#servers.keys();
    const host = address.includes(':') ? `[${address}]` : address;
    return `${this.#options.tls === undefined ? 'http' : 'https'}://${host}:${this.#port}`;
  }

  /** Whether connections are accepted: `up` and not `down`. */
  get isListening(): boolean {
    return [...this.#servers.values()].some((server) => server.listening);
  }

  get openConnections(): number {
    return this.#sockets.size;
  }

  /** See FaultPlan.set. */
  fault(pattern: PathPattern, fault: Fault, scope?: FaultScope): () => void {
    return this.#plan.set(pattern, fault, scope);
  }

  clearFaults(): void {
    this.#plan.clear();
  }

  /** Refuses connections from now on and cuts those that are open. */
  async down(): Promise<void> {
    const closing = [...this.#servers.values()].filter((server) => server.listening).map(closed);
    this.cutConnections();
    await Promise.all(closing);
    await this.log.waitFor(() => this.openConnections === 0);
  }

  /** Listens again, on the same port. */
  async up(): Promise<void> {
    for (const [address, server] of this.#servers) {
      if (server.listening) continue;
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      server.once('error', reject);
      server.listen(this.#port, address, resolve);
      await promise;
      server.off('error', reject);
      this.#port = (server.address() as AddressInfo).port;
    }
  }

  /** Cuts every open connection, idle or not; new ones are welcome. */
  cutConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    await this.down();
  }

  #create(address: string): Server {
    const { tls } = this.#options;
    // Idle connections stay open for the whole test: a client must notice the faults we play, not a timer of Node's.
    const settings = { keepAliveTimeout: 600_000 };
    const server =
      tls === undefined
        ? createServer(settings)
        : createTlsServer({ ...settings, ...(typeof tls === 'function' ? tls(address) : tls) });
    const requests = new WeakMap<Socket, { readonly connection: number; count: number }>();
    server.on('connection', (socket) => {
      this.#sockets.add(socket);
      this.log.changed();
      socket.on('close', () => {
        this.#sockets.delete(socket);
        this.log.changed();
      });
      // Faults cut connections on purpose; what the client does to them is its business.
      socket.on('error', () => {});
    });
    server.on('request', (request, response) => {
      const { socket } = request;
      let seen = requests.get(socket);
      if (seen === undefined) {
        seen = { connection: ++this.#connections, count: 0 };
        requests.set(socket, seen);
        // Over TLS this is another socket than the one above.
        socket.on('error', () => {});
      }
      seen.count += 1;
      this.#exchange(address, seen.connection, seen.count, request, response).catch((error: Error) => {
        // A fault or a page builder with a bug must not look like an upstream fault that was asked for.
        process.exitCode = 1;
        console.error('the fake server failed:', error);
        socket.destroy();
      });
    });
    return server;
  }

  async #exchange(
    address: string,
    connection: number,
    requestOnConnection: number,
    incoming: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const { socket, method = '', url: path = '' } = incoming;
    const fields = fieldsFromRaw(incoming.rawHeaders);
    this.log.add({ method, path, fields, time: Date.now(), address, connection });
    const request: RequestHead = { method, url: path, fields };
    const exchange: Exchange = {
      request,
      answer: this.#options.respond(request),
      socket,
      requestOnConnection,
      send: async (answer) => {
        const done = new Promise<void>((resolve) => {
          response.once('close', resolve);
        });
        response.writeHead(answer.status, framed(answer));
        response.end(hasBody(method, answer.status) ? answer.body : undefined);
        await done;
      },
      reset: () => {
        if (this.#options.tls === undefined && !socket.writableEnded) socket.resetAndDestroy();
        else socket.destroy();
      },
    };
    const fault = this.#plan.take(method, path, address);
    await (fault === undefined ? exchange.send(exchange.answer) : fault(exchange));
    this.log.changed();
  }
}

/** The status line and header section as bytes, with exactly these fields: for faults that lie about their framing. */
export function headBytes({ status, fields }: ResponseHead): string {
  const lines = [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`, `date: ${new Date().toUTCString()}`];
  for (let i = 0; i < fields.length; i += 2) lines.push(`${fields[i]}: ${fields[i + 1]}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}

function framed({ status, fields, body }: Answer): string[] {
  const bare = status === 304 || status === 204;
  const own = fieldValue(fields, 'content-length') ?? fieldValue(fields, 'transfer-encoding');
  const length: Fields = bare || own !== undefined ? [] : ['content-length', String(body.length)];
  return [...fields, ...length];
}

function hasBody(method: string, status: number): boolean {
  return method !== 'HEAD' && status !== 304 && status !== 204;
}

function closed(server: Server): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.close((error) => (error === undefined ? resolve() : reject(error)));
  return promise;
}
