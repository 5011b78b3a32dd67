// The body of a forwarded request between the client's socket and upstream's: bounded, and the handle on the exchange.

import type { ClientRequest } from 'node:http';
import { Transform, type TransformCallback } from 'node:stream';
import { ProxyError } from '../core/errors.ts';

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
