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
/** Buffers of either size kept for the next download. */
const MAX_SPARE = 24;
const MAX_SPARE_SMALL = 256;
/**
 * Large buffers lent at a time, to all together: 16 MB. The system takes the first megabytes at once even for a client
 * that will never read them, so nearly everybody looks fast at first, and a thousand of them must not have three each.
 */
const MAX_LENT = 64;

const spare: Buffer[] = [];
const spareSmall: Buffer[] = [];
let lentLarge = 0;

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
  } catch (error) {
    connection.giveBackLent();
    throw error;
  }
}

class Outgoing {
  readonly #exchange: Exchange;
  #large = false;
  #inFlight = 0;
  #gone = false;
  #lent: Buffer | undefined;
  /** Large buffers that are lent to this connection. */
  #borrowed = 0;
  #wake: (() => void) | undefined;
  readonly #onClose = () => {
    this.#gone = true;
    // Of what a closed connection still held nobody may ever tell.
    lentLarge -= this.#borrowed;
    this.#borrowed = 0;
    this.#wake?.();
  };

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
    this.#gone = exchange.response.destroyed;
    exchange.response.on('close', this.#onClose);
  }

  /** Resolves when more may be written. Rejects with ClientGone. */
  async ready(): Promise<void> {
    while (!this.#gone && this.#inFlight >= (this.#mayBorrow ? BUFFERS : 1)) await this.#woken();
    if (this.#gone) throw new ClientGone();
  }

  /** A buffer for the next write; it is the connection's again once that is done. */
  readonly lend = (): Buffer => {
    this.#lent ??= this.#mayBorrow ? this.#borrow() : (spareSmall.pop() ?? Buffer.allocUnsafeSlow(SMALL_BYTES));
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
      this.#giveBack(lent);
      this.#wake?.();
    });
  }

  end(): void {
    this.giveBackLent();
    if (this.#gone) throw new ClientGone();
    this.#exchange.response.end();
  }

  /** The buffer that was lent and not written. */
  giveBackLent(): void {
    this.#giveBack(this.#lent);
    this.#lent = undefined;
  }

  get #mayBorrow(): boolean {
    return this.#large && lentLarge < MAX_LENT;
  }

  #borrow(): Buffer {
    lentLarge++;
    this.#borrowed++;
    return spare.pop() ?? Buffer.allocUnsafeSlow(LARGE_BYTES);
  }

  #giveBack(buffer: Buffer | undefined): void {
    if (buffer?.length === SMALL_BYTES && !this.#gone && spareSmall.length < MAX_SPARE_SMALL) spareSmall.push(buffer);
    if (buffer?.length !== LARGE_BYTES || this.#borrowed === 0) return;
    lentLarge--;
    this.#borrowed--;
    if (spare.length < MAX_SPARE) spare.push(buffer);
  }

  async #woken(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
  }
}
