// Sends stored and growing bodies with few large reads: up to three buffers in turn, each refilled only when the
// connection has taken it. A slow client gets one small buffer, so that memory is not lent to those who do not drink.

import type { Exchange } from './exchange.ts';

/** Fills the buffer with the next bytes; 0 at the end. */
export type ReadNext = (target: Buffer) => Promise<number>;

const SMALL_BYTES = 64 * 1024;
const LARGE_BYTES = 256 * 1024;
const BUFFERS = 3;
/** A connection that takes a buffer within this time is fast. */
const FAST_MS = 50;
/** Large buffers kept for the next download. */
const MAX_SPARE = 24;

const spare: Buffer[] = [];

/** The client went away, or was cut off. */
export class ClientGone extends Error {
  override readonly name = 'ClientGone';
}

/**
 * Sends what `readNext` gives and ends the response. Rejects with ClientGone when the connection closes first, and as
 * `readNext` does; the caller then breaks the connection.
 */
export async function sendBody(exchange: Exchange, readNext: ReadNext): Promise<void> {
  const { response } = exchange;
  const connection = new Outgoing(exchange);
  try {
    for (;;) {
      const buffer = await connection.buffer();
      const count = await readNext(buffer);
      if (count === 0) break;
      connection.write(buffer, count);
    }
    await connection.end();
  } finally {
    connection.detach();
  }
  if (!response.writableFinished && response.destroyed) throw new ClientGone();
}

class Outgoing {
  readonly #exchange: Exchange;
  #large = false;
  #inFlight = 0;
  #gone = false;
  #wake: (() => void) | undefined;
  readonly #onClose = () => {
    this.#gone = true;
    this.#wake?.();
  };

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
    exchange.response.on('close', this.#onClose);
    this.#gone = exchange.response.destroyed;
  }

  detach(): void {
    this.#exchange.response.off('close', this.#onClose);
  }

  /** A buffer that may be filled; waits while the connection has not taken enough. */
  async buffer(): Promise<Buffer> {
    while (!this.#gone && this.#inFlight >= (this.#large ? BUFFERS : 1)) await this.#woken();
    if (this.#gone) throw new ClientGone();
    if (!this.#large) return Buffer.allocUnsafeSlow(SMALL_BYTES);
    return spare.pop() ?? Buffer.allocUnsafeSlow(LARGE_BYTES);
  }

  write(buffer: Buffer, count: number): void {
    const writtenAt = performance.now();
    this.#inFlight++;
    this.#exchange.bytes += count;
    this.#exchange.response.write(count === buffer.length ? buffer : buffer.subarray(0, count), () => {
      this.#inFlight--;
      this.#large = performance.now() - writtenAt < FAST_MS;
      if (buffer.length === LARGE_BYTES && spare.length < MAX_SPARE) spare.push(buffer);
      this.#wake?.();
    });
  }

  async end(): Promise<void> {
    if (this.#gone) throw new ClientGone();
    this.#exchange.response.end();
  }

  async #woken(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }
}
