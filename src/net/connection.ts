// One connection to one address, and the one use of undici: its Client speaks HTTP/1.1 over a socket that we opened.
// Which socket, when to reuse it and when to try again are decided by us (connection-pool, upstream-client).

import { createRequire } from 'node:module';
import type { Socket } from 'node:net';
import type { Client, Dispatcher } from 'undici';
import { UpstreamFailure } from '../core/errors.ts';
import { type Fields, fieldValue, type ResponseHead } from '../core/http-message.ts';
import { ArrivingBody, type BodyLimits, tooLarge } from './arriving-body.ts';
import { toUpstreamFailure } from './failures.ts';
import { HeadLimit, MAX_FIELDS, PARSER_LIMIT_BYTES } from './head-limit.ts';
import { withoutEqualLines } from './repeated-lines.ts';

/** By its own path: the package's index loads fetch, WebSocket and mocks as well, 5 MB and a twelfth of a start. */
const UndiciClient: typeof Client = createRequire(import.meta.url)('undici/lib/dispatcher/client.js');

/** A socket that was idle longer is not reused: middle boxes forget connections, servers close them. */
export const IDLE_MS = 4_000;

/** One request as it goes over a connection. */
export interface Exchange {
  readonly method: string;
  /** Path and query, or the absolute URL for a proxy. */
  readonly path: string;
  readonly fields: Fields;
  readonly limits: BodyLimits;
  readonly onInformational: ((status: number, fields: Fields) => void) | undefined;
  /** Its reason is an UpstreamFailure. */
  readonly signal: AbortSignal;
}

/** The head of the answer, and its body to come. */
export interface Answer extends ResponseHead {
  readonly body: ArrivingBody;
}

/** One HTTP/1.1 connection; undici speaks over it. */
export class Connection {
  readonly source: string;
  /** True once an exchange was completed over it: the other side may have closed it since. */
  used = false;
  /** When it last became idle; milliseconds on the pool's clock. */
  idleSince = 0;
  readonly #client: Client;
  readonly #socket: Socket;
  readonly #headLimit: HeadLimit;

  constructor(origin: string, socket: Socket, source: string) {
    this.source = source;
    this.#socket = socket;
    // Until undici has the socket nobody else listens, and ours is destroyed with an error.
    socket.on('error', () => {});
    this.#headLimit = new HeadLimit(socket, () => {
      socket.destroy(
        new UpstreamFailure(
          'protocol',
          `${new URL(origin).host}: the head or the trailers of the answer are too large`,
        ),
      );
    });
    let fresh = true;
    this.#client = new UndiciClient(origin, {
      allowH2: false,
      pipelining: 1,
      // By undici's way of counting less than by ours: it is never reached.
      maxHeaderSize: PARSER_LIMIT_BYTES,
      // Deadlines are ours: undici's timers are coarse and stop while a body is paused.
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: IDLE_MS,
      keepAliveMaxTimeout: IDLE_MS,
      connect: (_options, callback) => {
        // A Client reconnects when its socket is gone; ours must not.
        if (!fresh) return callback(new Error('the connection was closed'), null);
        fresh = false;
        // Not at once: undici sends nothing when it is called back before it has returned.
        queueMicrotask(() => callback(null, socket));
      },
    });
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed && !this.#client.destroyed && !this.#socket.readableEnded;
  }

  onClosed(listener: () => void): void {
    if (this.#socket.closed) setImmediate(listener);
    else this.#socket.once('close', listener);
  }

  destroy(): void {
    // With an error: a socket that closes without one is to undici the end of a body that has no other end, even when
    // that body was given up, and it throws where nobody can catch it.
    this.#socket.destroy(new Error('the exchange was given up'));
    void this.#client.destroy();
  }

  /**
   * Sends one request. Resolves when the final head has arrived; `ended` is called when the answer is complete and the
   * connection may be used again. Throws UpstreamFailure; the connection is then closed.
   */
  exchange(exchange: Exchange, ended: () => void): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const { host } = exchange.limits;
    const socket = this.#socket;
    let body: ArrivingBody | undefined;
    let controller: Dispatcher.DispatchController | undefined;
    let closeDelimited = false;

    const cancel = (failure: UpstreamFailure): void => {
      controller?.abort(failure);
      this.destroy();
    };
    const fail = (failure: UpstreamFailure): void => {
      exchange.signal.removeEventListener('abort', onAbort);
      if (body === undefined) reject(failure);
      else body.destroy(failure);
      this.destroy();
    };
    const onAbort = (): void => {
      fail(exchange.signal.reason);
      controller?.abort(exchange.signal.reason);
    };

    exchange.signal.addEventListener('abort', onAbort);
    this.#headLimit.awaitHead();
    this.#client.dispatch(
      { method: exchange.method, path: exchange.path, headers: [...exchange.fields] },
      {
        onRequestStart: (started) => {
          controller = started;
        },
        onResponseStart: (started, status) => {
          const fields = fieldsFromBytes(started.rawHeaders as readonly Buffer[]);
          if (fields === undefined) return started.abort(tooManyFields(host));
          if (status < 200) return exchange.onInformational?.(status, fields);
          closeDelimited = hasNoFraming(exchange.method, status, fields);
          const length = Number(fieldValue(fields, 'content-length') ?? 0);
          if (exchange.method !== 'HEAD' && length > exchange.limits.maxBodyBytes) {
            return started.abort(tooLarge(exchange.limits));
          }
          body = new ArrivingBody(
            { pause: () => started.pause(), resume: () => started.resume(), cancel },
            exchange.limits,
          );
          resolve({ status, fields, body });
        },
        onResponseData: (_controller, chunk) => {
          this.#headLimit.bodyArrived();
          body?.accept(chunk);
        },
        onResponseEnd: () => {
          exchange.signal.removeEventListener('abort', onAbort);
          // undici takes a reset for the end of a body that only the connection's end delimits; it is a cut.
          if (closeDelimited && socket.errored) return fail(toUpstreamFailure(socket.errored, 'exchange', host));
          body?.complete();
          // One turn later undici has seen whether the connection stays open. The reader hears of the end after that,
          // so that its next request finds this connection.
          setImmediate(() => {
            this.used = true;
            if (this.isOpen) ended();
            body?.end();
          });
        },
        onResponseError: (_controller, error) => fail(toUpstreamFailure(error, 'exchange', host)),
      },
    );
    return promise;
  }
}

/** Names in lower case; undefined when there are too many lines. CR, LF and NUL the parser has refused already. */
function fieldsFromBytes(raw: readonly Buffer[]): Fields | undefined {
  if (raw.length > MAX_FIELDS * 2) return undefined;
  return withoutEqualLines(
    raw.map((bytes, i) => (i % 2 === 0 ? bytes.toString('latin1').toLowerCase() : bytes.toString('latin1'))),
  );
}

/** Whether only the end of the connection ends this body (RFC 9112 6.3, rule 8). */
function hasNoFraming(method: string, status: number, fields: Fields): boolean {
  if (method === 'HEAD' || status === 204 || status === 304) return false;
  return fieldValue(fields, 'content-length') === undefined && fieldValue(fields, 'transfer-encoding') === undefined;
}

function tooManyFields(host: string): UpstreamFailure {
  return new UpstreamFailure('protocol', `${host}: the head of the answer has too many lines`);
}
