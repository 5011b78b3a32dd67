// The one use of http-proxy: forwards what we do not understand or must not store (uploads, XML-RPC, the unsafe
// methods of raw mounts). Of http-proxy we keep the exchange itself; heads are built here from the raw header lines,
// because it joins and reorders them, collapses slashes in paths, leaks aborted exchanges and leaves a client hanging
// when upstream breaks off.

import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http';
import { Transform, type TransformCallback } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import httpProxy from 'http-proxy';
import { BadRequest, ProxyError, UpstreamFailure } from '../core/errors.ts';
import { type Fields, fieldsFromRaw } from '../core/http-message.ts';
import { requestContext } from '../core/request-context.ts';
import { toUpstreamFailure } from '../net/failures.ts';
import type { Way } from '../net/passthrough-agents.ts';
import { requestFields, responseFields } from './forwarded-fields.ts';
import { PassthroughPlaces } from './passthrough-places.ts';

/** Limits of what is passed through, in bytes and milliseconds. */
export interface PassthroughOptions {
  readonly maxBodyBytes: number;
  /** To get a connection, including the wait for a free one. */
  readonly connectTimeoutMs: number;
  /** Longest silence of upstream, and of the client while it sends. */
  readonly idleTimeoutMs: number;
  /** How many exchanges with one origin one client may have at a time, while nobody else wants any. */
  readonly exchangesPerOrigin: number;
  /** Opens the connections; its UpstreamFailure reaches the caller as it is. */
  readonly wayTo: (url: URL) => Way;
  /** How we name ourselves in `Via` (RFC 9110 7.6.3), as in `1.1 wheelkeep`. */
  readonly via: string;
}

/** Where a request goes, and what is added to it. */
export interface PassthroughTarget {
  /** The full URL, fixed by the route; its path and query go out verbatim. */
  readonly url: string;
  /** `raw` forwards every end-to-end field (RFC 9110 7.6.1); `passthrough` drops cookies and forwarding fields. */
  readonly kind: 'raw' | 'passthrough';
  /**
   * The value of Authorization to send. The client's own is never copied: a route for which it is meant says
   * `credentials: request.headers.authorization`.
   */
  readonly credentials?: string | undefined;
  /** Called with each piece of the request's body that passes. */
  readonly onBytes?: (chunk: Buffer) => void;
  /** Called with the final head, and waited for, before it is sent on. */
  readonly onResponse?: (status: number, fields: Fields) => void | Promise<void>;
  /**
   * Called for each 1xx. With it `Expect: 100-continue` is forwarded, and the caller answers 100 by
   * `response.writeContinue()`; without it the expectation counts as met by our server and is not forwarded.
   */
  readonly onInformational?: (status: number, fields: Fields) => void;
  /** Makes of upstream's fields those that the client gets. */
  readonly adapt?: (fields: Fields) => Fields;
}

/** Methods whose body Node's client frames only when its length is known (it would send the bytes as a next request). */
const SIZED_BODY_ONLY: ReadonlySet<string> = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT']);

/** More interim answers (1xx) to one request end the exchange: each restarts the idle timeout, so they could go on for ever. */
const MAX_INTERIM_ANSWERS = 1_000;

/** All that one request's way through here needs. */
interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly target: PassthroughTarget;
  readonly url: URL;
  /** Path and query, verbatim. */
  readonly path: string;
  readonly way: Way;
  readonly body: ForwardedBody;
}

/** Forwards requests, one exchange each. */
export class Passthrough {
  readonly #options: PassthroughOptions;
  readonly #places: PassthroughPlaces;
  readonly #proxy: httpProxy;

  constructor(options: PassthroughOptions) {
    this.#options = options;
    this.#places = new PassthroughPlaces(options.exchangesPerOrigin);
    this.#proxy = httpProxy.createProxyServer({
      secure: true,
      xfwd: false,
      ws: false,
      followRedirects: false,
      changeOrigin: true,
      toProxy: true,
      prependPath: false,
      selfHandleResponse: true,
      proxyTimeout: options.idleTimeoutMs,
      // Longer than upstream's, so that a silent upstream is told to the client instead of cutting it off.
      timeout: options.idleTimeoutMs + options.connectTimeoutMs,
    });
    // Without a listener http-proxy throws; failures of an exchange reach its own callback instead.
    this.#proxy.on('error', () => {});
  }

  /**
   * Forwards the request and its answer. Settles when the answer is sent or its connection is gone.
   * Throws BadRequest, ContentTooLarge or UpstreamFailure while nothing has been sent; later failures of upstream
   * destroy the client's connection, which is how HTTP/1.1 says that a body is incomplete (RFC 9112 8).
   */
  async forward(request: IncomingMessage, response: ServerResponse, target: PassthroughTarget): Promise<void> {
    this.#refuse(request);
    const url = new URL(target.url);
    const leave = await this.#places.take(url, requestContext(), this.#options.connectTimeoutMs);
    try {
      await this.#exchange(request, response, target, url);
    } finally {
      leave();
    }
  }

  async #exchange(
    request: IncomingMessage,
    response: ServerResponse,
    target: PassthroughTarget,
    url: URL,
  ): Promise<void> {
    const way = this.#options.wayTo(url);
    const body = new ForwardedBody(this.#options.maxBodyBytes, target.onBytes);
    const exchange: Exchange = { request, response, target, url, path: pathOf(target.url), way, body };
    let answer: IncomingMessage | undefined;
    // What is done for this client alone ends with it: who sends nothing more may be waiting, and has mostly gone.
    const { socket } = request;
    const gone = () => socket.destroy();
    socket.once('end', gone);
    try {
      answer = await this.#ask(exchange);
      if (answer !== undefined) await this.#deliver(answer, response, target);
    } finally {
      socket.off('end', gone);
      // What the client still sends is read and dropped: only then it reads our answer, and its connection lives on.
      request.unpipe(body);
      request.resume();
      body.abandon(answer?.complete === true);
    }
  }

  /** Ends a request whose body we could not frame or will not carry, before any of it is read. */
  #refuse(request: IncomingMessage): void {
    const { method = '', headers } = request;
    if (headers['transfer-encoding'] !== undefined && SIZED_BODY_ONLY.has(method)) {
      throw new BadRequest(`${method} with a body of unknown length is not forwarded`);
    }
    const length = Number(headers['content-length'] ?? 0);
    if (length > this.#options.maxBodyBytes) throw new ContentTooLarge(this.#options.maxBodyBytes);
  }

  /** Sends the request; gives upstream's answer, or undefined when the client left before there was one. */
  #ask(exchange: Exchange): Promise<IncomingMessage | undefined> {
    const { request, response, target, url, way, body } = exchange;
    return new Promise((resolve, reject) => {
      const { expect } = request.headers;
      let timedOut = false;
      let interim = 0;
      const failureOf = (error: Error) => {
        if (error instanceof ProxyError) return error;
        if (timedOut) return new UpstreamFailure('timeout', `${url.host}: no answer in time`, { cause: error });
        return toUpstreamFailure(error, 'exchange', url.host);
      };
      // When the client has left there is nobody to tell.
      const fail = (error: Error) => (request.socket.destroyed ? resolve(undefined) : reject(failureOf(error)));
      body.onDestination = (outgoing) => {
        this.#writeHead(outgoing, exchange);
        if (expect !== undefined && target.onInformational !== undefined) {
          outgoing.setHeader('Expect', expect);
          outgoing.flushHeaders();
        }
        const connecting = setTimeout(() => {
          timedOut = true;
          // A request that still waits for a socket says nothing when it is destroyed.
          fail(new Error('no connection in time'));
          outgoing.destroy();
        }, this.#options.connectTimeoutMs);
        outgoing.once('socket', () => clearTimeout(connecting));
        outgoing.once('timeout', () => {
          timedOut = true;
        });
        outgoing.on('information', ({ statusCode, rawHeaders }) => {
          interim += 1;
          if (interim > MAX_INTERIM_ANSWERS) {
            fail(
              new UpstreamFailure('protocol', `${url.host}: more than ${MAX_INTERIM_ANSWERS} interim answers (1xx)`),
            );
            outgoing.destroy();
            return;
          }
          target.onInformational?.(statusCode, fieldsFromRaw(rawHeaders));
        });
        outgoing.once('response', resolve);
        outgoing.once('close', () => {
          clearTimeout(connecting);
          fail(new Error('the exchange ended without an answer'));
        });
        // http-proxy waits for an event that Node no longer sends, and would never free an exchange whose client left.
        response.once('close', () => resolve(undefined));
        if (response.destroyed) outgoing.destroy();
      };
      body.once('error', fail);
      request.pipe(body);
      const address = { protocol: url.protocol, host: url.host, hostname: bareHost(url), port: url.port, path: '/' };
      // With this field among the headers Node would write the head before we have replaced it.
      delete request.headers.expect;
      this.#proxy.web(request, response, { target: address, agent: way.agent, buffer: body }, fail);
      if (expect !== undefined) request.headers.expect = expect;
    });
  }

  /**
   * Replaces the head that http-proxy made. It hands us the request, unsent, by piping the body into it; its own
   * event for this comes too late (a request that waits for a socket has its head written by then).
   */
  #writeHead(outgoing: ClientRequest, { request, target, url, path, way: { absoluteForm } }: Exchange): void {
    // Node remembers the removal of these two and would then frame the body by the end of the connection.
    outgoing.setHeader('Connection', 'keep-alive');
    for (const name of outgoing.getHeaderNames()) {
      if (name !== 'connection' && name !== 'transfer-encoding') outgoing.removeHeader(name);
    }
    outgoing.path = absoluteForm === undefined ? path : url.origin + path;
    outgoing.setHeader('Host', url.host);
    if (absoluteForm?.proxyAuthorization !== undefined) {
      outgoing.setHeader('Proxy-Authorization', absoluteForm.proxyAuthorization);
    }
    const fields = requestFields(request.rawHeaders, target.kind, this.#options.via);
    for (let i = 0; i < fields.length; i += 2) outgoing.appendHeader(fields[i]!, fields[i + 1]!);
    if (target.credentials !== undefined) outgoing.setHeader('Authorization', target.credentials);
  }

  async #deliver(answer: IncomingMessage, response: ServerResponse, target: PassthroughTarget): Promise<void> {
    const received = responseFields(answer.rawHeaders, target.kind);
    const fields = target.adapt?.(received) ?? received;
    const status = answer.statusCode!;
    await target.onResponse?.(status, fieldsFromRaw(received));
    try {
      // Node refuses control characters in the reason and in values: nobody can split a response through us.
      response.writeHead(status, answer.statusMessage, fields as string[]);
    } catch (error) {
      response.statusMessage = '';
      throw new UpstreamFailure('protocol', 'upstream sent a head that cannot be passed on', { cause: error });
    }
    try {
      await pipeline(answer, response);
    } catch {
      // Upstream broke off or the client left: the head is out, so an end of the connection says it.
      response.destroy();
    }
  }
}

/** Path and query as they stand in the URL: `URL` would change some characters, and http-proxy others. */
function pathOf(url: string): string {
  const afterAuthority = url.slice(url.indexOf('://') + 3);
  const start = afterAuthority.search(/[/?#]/);
  const path = start < 0 ? '' : afterAuthority.slice(start).replace(/#.*$/, '');
  // Node checks only the paths it is given at the start, and a line break here would begin a second request.
  if (/[^\x21-\x7e\x80-\xff]/.test(path)) throw new BadRequest('the path has a character that no URL has');
  return path.startsWith('/') ? path : `/${path}`;
}

/** The host as sockets want it: an IPv6 literal without its brackets. */
function bareHost(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}

// The body of a forwarded request between the client's socket and upstream's: bounded, and the handle on the exchange.

/** The body is larger than we forward; the connection ends with the answer, for the rest of the body is not read. */
export class ContentTooLarge extends ProxyError {
  override readonly status = 413;
  override readonly code = 'content-too-large';
  constructor(maxBytes: number) {
    super(`the body is larger than ${maxBytes} bytes`);
  }
}

/** The request's body on its way: counts bytes, and learns of the outgoing request before anything is sent. */
export class ForwardedBody extends Transform {
  /** Called with the outgoing request when http-proxy pipes us into it: unsent, unconnected, to be changed at will. */
  onDestination: ((outgoing: ClientRequest) => void) | undefined;
  #outgoing: ClientRequest | undefined;
  readonly #maxBytes: number;
  readonly #onBytes: ((chunk: Buffer) => void) | undefined;
  #bytes = 0;

  /** `onBytes` looks at what passes, and changes nothing. */
  constructor(maxBytes: number, onBytes?: (chunk: Buffer) => void) {
    super();
    this.#maxBytes = maxBytes;
    this.#onBytes = onBytes;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#bytes += chunk.length;
    if (this.#bytes > this.#maxBytes) {
      done(new ContentTooLarge(this.#maxBytes));
      return;
    }
    this.#onBytes?.(chunk);
    done(null, chunk);
  }

  override pipe<T extends NodeJS.WritableStream>(destination: T, options?: { end?: boolean }): T {
    this.#outgoing = destination as unknown as ClientRequest;
    this.onDestination?.(this.#outgoing);
    return super.pipe(destination, options);
  }

  /** Ends the exchange. Its connection is used again only if both messages went through whole. */
  abandon(answered: boolean): void {
    if (!answered || this.#outgoing?.writableFinished !== true) this.#outgoing?.destroy();
    this.destroy();
  }
}
