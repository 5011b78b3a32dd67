// Sends stored and growing bodies in few large writes: up to three buffers in turn, each refilled only when the
// connection has taken it. A slow client gets one small buffer, so that memory is not lent to those who do not drink.

import type { Exchange } from './exchange.ts';

/**
 * The next bytes; undefined at the end. They may be shared with others, or lie in the buffer that `lend` gives, which
 * is asked for at most once.
 */
export type NextBytes = (lend: () => Buffer) => Promise<Buffer | undefined>;

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
 * Sends what `next` gives and ends the response. Rejects with ClientGone when the connection closes first, and as
 * `next` does; the caller then breaks the connection.
 */
export async function sendBody(exchange: Exchange, next: NextBytes): Promise<void> {
  const connection = new Outgoing(exchange);
  try {
    for (;;) {
      await connection.ready();
      const bytes = await next(connection.lend);
      if (bytes === undefined) break;
      connection.write(bytes);
    }
    connection.end();
  } finally {
    connection.detach();
  }
}

class Outgoing {
  readonly #exchange: Exchange;
  #large = false;
  #inFlight = 0;
  #gone = false;
  #lent: Buffer | undefined;
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

  /** Resolves when more may be written. Rejects with ClientGone. */
  async ready(): Promise<void> {
    while (!this.#gone && this.#inFlight >= (this.#large ? BUFFERS : 1)) await this.#woken();
    if (this.#gone) throw new ClientGone();
  }

  /** A buffer for the next write; it is the connection's again once that is done. */
  readonly lend = (): Buffer => {
    this.#lent ??= this.#large
      ? (spare.pop() ?? Buffer.allocUnsafeSlow(LARGE_BYTES))
      : Buffer.allocUnsafeSlow(SMALL_BYTES);
    return this.#lent;
  };

  write(bytes: Buffer): void {
    const writtenAt = performance.now();
    const lent = this.#lent;
    this.#lent = undefined;
    this.#inFlight++;
    this.#exchange.bytes += bytes.length;
    this.#exchange.response.write(bytes, () => {
      this.#inFlight--;
      this.#large = performance.now() - writtenAt < FAST_MS;
      giveBack(lent);
      this.#wake?.();
    });
  }

  end(): void {
    giveBack(this.#lent);
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

function giveBack(buffer: Buffer | undefined): void {
  if (buffer?.length === LARGE_BYTES && spare.length < MAX_SPARE) spare.push(buffer);
}
