// The listener: accepts requests within limits, gives each to its route, turns errors into answers, and keeps count.

import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { AllowedHosts } from '../access/allowed-hosts.ts';
import type { BrowserOrigins } from '../access/browser-origins.ts';
import { ConnectionShares } from '../access/connection-shares.ts';
import { doubtAbout } from '../access/request-checks.ts';
import type { TlsIdentity } from '../access/tls-identity.ts';
import { BadRequest, ProxyError } from '../core/errors.ts';
import { asClient } from '../core/request-context.ts';
import { cacheStatus } from '../http-semantics/cache-status.ts';
import type { Log } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import { isOutOfDescriptors } from '../store/blobs/open-files.ts';
import { declineUpgrade } from './declined-upgrade.ts';
import { Exchange, KEEP_ALIVE_SECONDS } from './exchange.ts';
import type { Ledger } from './ledger.ts';
import { sendProblem } from './problem.ts';
import type { ReadyAnswers } from './ready-answers.ts';
import { targetBelow } from './routes.ts';
import { ClientGone } from './send-body.ts';

/** Limits, and who answers. */
export interface HttpServerOptions {
  readonly metrics: Metrics;
  readonly log: Log;
  readonly ledger: Ledger;
  /** The hot path: what was answered a moment ago. Raw mounts have none. */
  readonly ready?: ReadyAnswers;
  /** Answers the exchange, or rejects with what sendProblem shall say. */
  readonly handle: (exchange: Exchange) => Promise<void>;
  /** The name or the address of who asks: what has to be fetched is fetched in turn, by client. */
  readonly clientOf: (exchange: Exchange) => string;
  /** How this process names itself in Via: a request that carries it has come back to us. */
  readonly via: string;
  /** Lets the exchange in, or throws or rejects; a promise where that takes a moment. Without it everybody is. */
  readonly admit?: ((exchange: Exchange) => Promise<void> | undefined) | undefined;
  /** Whether clients have to prove who they are: no answer is then for others. */
  readonly isGuarded: boolean;
  /** Present: nothing is served under another name. */
  readonly hosts?: AllowedHosts | undefined;
  /** Present: pages in browsers may read what installers read. */
  readonly browsers?: BrowserOrigins | undefined;
  /** Nothing is served that is not below it. */
  readonly basePath?: string | undefined;
  /** Present: TLS is spoken, and nothing else. */
  readonly tls?: { readonly identity: TlsIdentity; readonly minVersion: 'TLSv1.2' | 'TLSv1.3' } | undefined;
}

/** Installers send one request after the other: who sends so many without reading an answer is none. */
const MAX_PIPELINED = 100;
/** How often room is made by closing idle connections. */
const MAKE_ROOM_MS = 1_000;
const MAX_HEAD_BYTES = 32 * 1024;
const HEAD_TIMEOUT_MS = 20_000;
/** How often Node looks for connections whose head is late. */
const HEAD_CHECK_MS = 5_000;
/** A client hears of bytes or of an error within 10 s, whatever has to be asked for it. */
const FIRST_BYTE_MS = 9_500;
/**
 * Connections that wait to be accepted, one a turn of the event loop; Linux allows 4096. Who finds no room tries again
 * after 1, 3 and 7 s: with 1,024 a small request beside a thousand newcomers waited for seven seconds.
 */
const BACKLOG = 4_096;
/** A client that takes nothing for so long is cut off. */
const STALLED_CLIENT_MS = 120_000;

/** One listener: accepts requests within limits and turns errors into answers. */
export class HttpServer {
  readonly #options: HttpServerOptions;
  readonly #server: Server | TlsServer;
  /** Connections that have not proved yet that they speak TLS; without it there are none. */
  readonly #handshaking = new Set<Socket>();
  /** Connections on which a request had a doubtful end: what follows on them is no request. */
  readonly #refused = new WeakSet<Socket>();
  readonly #admitted = new WeakSet<Socket>();
  readonly #shares = new ConnectionShares();
  /** Requests that stand behind another one of their connection. */
  readonly #pipelined = new WeakMap<Socket, number>();
  #madeRoomAt = 0;
  #draining = false;
  #closing = false;

  constructor(options: HttpServerOptions) {
    this.#options = options;
    const limits = {
      maxHeaderSize: MAX_HEAD_BYTES,
      headersTimeout: HEAD_TIMEOUT_MS,
      connectionsCheckingInterval: HEAD_CHECK_MS,
      // Uploads may take long; the head may not.
      requestTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_SECONDS * 1000,
      // A lenient parser is how requests are smuggled.
      insecureHTTPParser: false,
      noDelay: true,
    };
    const serve = (request: IncomingMessage, response: ServerResponse) => this.#serve(request, response);
    this.#server =
      options.tls === undefined ? createServer(limits, serve) : this.#createTlsServer(limits, serve, options.tls);
    this.#server.maxConnections = this.#shares.limit;
    // Who says that he sends nothing more may still wait for his answer (nc does). Whether he has gone instead is told by
    // the first byte that we send him. Node's types do not know this property of its servers.
    Object.assign(this.#server, { httpAllowHalfOpen: true });
    this.#server.setTimeout(STALLED_CLIENT_MS);
    this.#server.on('clientError', (error, socket) => {
      // Its one answer is on its way, and closes the connection.
      if (!this.#refused.has(socket as Socket)) refuse(error as NodeJS.ErrnoException, socket, options.metrics);
    });
    this.#server.on('connection', (socket: Socket) => this.#admit(socket));
    this.#server.on('drop', () => {
      options.metrics.meters.rejectedRequests.inc({ reason: 'overloaded' });
      this.#makeRoom();
    });
    this.#server.on('upgrade', (request, _socket, behind: Buffer) => declineUpgrade(this.#server, request, behind));
    // A tunnel is refused.
    this.#server.on('connect', (_request, socket) =>
      end(socket, '405 Method Not Allowed', 'method-not-allowed', 'allow: GET, HEAD\r\n'),
    );
    this.#server.on('checkContinue', (request, response) => this.#serve(request, response));
  }

  /** New connections are shown this identity; those that are open go on with theirs. */
  renew(identity: TlsIdentity): void {
    const { minVersion } = this.#options.tls!;
    (this.#server as TlsServer).setSecureContext({ ...identity, minVersion });
  }

  /** Resolves when it listens; rejects with the system's error. */
  listen(host: string, port: number): Promise<AddressInfo> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host, port, backlog: BACKLOG }, () => {
        this.#server.off('error', reject);
        // Running out of descriptors pauses accepting; it must not end the process.
        this.#server.on('error', (error) => this.#options.log.error('listener', { error }));
        resolve(this.#server.address() as AddressInfo);
      });
    });
  }

  get connections(): Promise<number> {
    return new Promise((resolve) => this.#server.getConnections((_error, count) => resolve(count ?? 0)));
  }

  /** From now on every answer closes its connection; requests are still taken. */
  beginDrain(): void {
    this.#draining = true;
  }

  /** Takes no more connections; resolves when the running requests have ended or after `graceMs`. */
  async close(graceMs: number): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#closing = true;
    this.#server.closeIdleConnections();
    for (const socket of this.#handshaking) socket.destroy();
    const timer = setTimeout(() => this.#server.closeAllConnections(), graceMs);
    await closed;
    clearTimeout(timer);
  }

  #createTlsServer(
    limits: ServerOptions,
    serve: (request: IncomingMessage, response: ServerResponse) => void,
    { identity, minVersion }: NonNullable<HttpServerOptions['tls']>,
  ): TlsServer {
    // No callbacks of ours run during the handshake: what they threw would end the process (CVE-2026-21637).
    const server = createTlsServer({ ...limits, ...identity, minVersion, handshakeTimeout: HEAD_TIMEOUT_MS }, serve);
    server.on('connection', (socket: Socket) => {
      this.#handshaking.add(socket);
      socket.once('close', () => this.#handshaking.delete(socket));
    });
    server.on('secureConnection', (socket) => this.#handshaking.delete(socket));
    server.on('tlsClientError', (error: NodeJS.ErrnoException) => {
      // Who only looks whether the port is open has done no wrong.
      if (error.code !== 'ECONNRESET') this.#options.metrics.meters.rejectedRequests.inc({ reason: 'tls' });
    });
    return server;
  }

  #admit(socket: Socket): void {
    // It comes again behind an offer to switch protocols.
    if (this.#admitted.has(socket)) return;
    this.#admitted.add(socket);
    const admitted = this.#shares.admit(socket);
    if (!admitted || this.#shares.isCrowded) this.#makeRoom();
    if (admitted) return;
    this.#options.metrics.meters.rejectedRequests.inc({ reason: 'overloaded' });
    this.#refused.add(socket);
    if (this.#options.tls === undefined) end(socket, '503 Service Unavailable', 'overloaded', 'retry-after: 1\r\n', 0);
    else socket.destroy();
  }

  #makeRoom(): void {
    const now = performance.now();
    if (now - this.#madeRoomAt < MAKE_ROOM_MS) return;
    this.#madeRoomAt = now;
    this.#server.closeIdleConnections();
  }

  /** Counts a request that stands behind another one; false when there are too many. */
  #mayWait({ socket }: IncomingMessage, response: ServerResponse): boolean {
    const waiting = (this.#pipelined.get(socket) ?? 0) + 1;
    this.#pipelined.set(socket, waiting);
    response.once('close', () => this.#pipelined.set(socket, this.#pipelined.get(socket)! - 1));
    return waiting <= MAX_PIPELINED;
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    if (this.#refused.has(socket)) return;
    // Node gives the connection to one answer at a time.
    if (response.socket === null && !this.#mayWait(request, response)) {
      this.#options.metrics.meters.rejectedRequests.inc({ reason: 'overloaded' });
      this.#refused.add(socket);
      stopParsing(socket);
      socket.destroy();
      return;
    }
    const exchange = new Exchange(request, response, this.#options.isGuarded);
    if (this.#draining) response.shouldKeepAlive = false;
    response.on('close', () => this.#done(exchange));
    // A broken connection is told by 'close'; without a listener the error would end the process.
    response.on('error', () => {});
    const doubt = doubtAbout(request);
    if (doubt !== undefined) {
      this.#refused.add(request.socket);
      this.#fail(exchange, new BadRequest(doubt));
      return;
    }
    try {
      const { basePath, admit, hosts, browsers } = this.#options;
      hosts?.require(request);
      if (basePath !== undefined) request.url = targetBelow(basePath, exchange.target);
      if (browsers?.admit(exchange) === true) return;
      const admission = admit?.(exchange);
      if (admission === undefined) this.#answerAdmitted(exchange);
      else admission.then(() => this.#answerAdmitted(exchange)).catch((error) => this.#fail(exchange, error));
    } catch (error) {
      this.#fail(exchange, error);
    }
  }

  #answerAdmitted(exchange: Exchange): void {
    if (this.#options.ready?.repeat(exchange) === true) return;
    if (exchange.user !== undefined) exchange.dropCredential();
    this.#answer(exchange).catch((error) => this.#fail(exchange, error));
  }

  async #answer(exchange: Exchange): Promise<void> {
    const { request } = exchange;
    if (request.headers.via?.includes(this.#options.via) === true) {
      this.#options.metrics.meters.rejectedRequests.inc({ reason: 'loop' });
      throw new LoopDetected('This request has passed through this Wheelkeep already: its upstream leads back to it.');
    }
    const client = { name: this.#options.clientOf(exchange), firstByteBy: exchange.startedAt + FIRST_BYTE_MS };
    await asClient(client, () => this.#options.handle(exchange));
  }

  #fail(exchange: Exchange, error: unknown): void {
    if (error instanceof ClientGone) return;
    if (isOutOfDescriptors(error)) {
      this.#options.metrics.meters.rejectedRequests.inc({ reason: 'overloaded' });
    } else if (!(error instanceof ProxyError)) {
      this.#options.metrics.meters.unhandledErrors.inc({});
      this.#options.log.error('request failed', { path: exchange.request.url, error: error as Error });
    } else if (error.status >= 500) {
      this.#options.log.warn('request failed', { path: exchange.request.url, error });
    }
    try {
      sendProblem(exchange, error);
    } catch (second) {
      this.#options.log.error('answer failed', { error: second as Error });
      exchange.response.destroy();
    }
  }

  #done(exchange: Exchange): void {
    // A connection whose answer began before the drain was not told to close: it is idle from now on.
    if (this.#closing) setImmediate(() => this.#server.closeIdleConnections());
    this.#options.ledger.note(exchange);
  }
}

/**
 * Our own upstream is ourselves, by a chain of proxies or a wrong setting. Only a proxy ever sees this answer, and one
 * of ours asks no second time after a 508 (RFC 5842 7.2); its client gets 502.
 */
class LoopDetected extends ProxyError {
  override readonly status = 508;
  override readonly code = 'loop';
}

// The last words on a connection on which no request could be made out, or none is taken: a status, then its end.

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
