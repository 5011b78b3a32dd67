// The body of an upstream answer while it arrives: bytes as sent, bounded in size, watched for a minimum rate, and an
// error, never a clean end, when bytes are missing.

import { Readable } from 'node:stream';
import { UpstreamFailure } from '../core/errors.ts';

/** Enough for the disk to be written in large pieces, little enough for many bodies at once. */
const BUFFER_BYTES = 512 * 1024;

/** The connection's side of a body. */
export interface BodySource {
  pause(): void;
  resume(): void;
  /** The body is given up: the connection ends with it. */
  cancel(failure: UpstreamFailure): void;
}

/** Limits of a body: bytes, and its rate. */
export interface BodyLimits {
  /** Named in failures. */
  readonly host: string;
  readonly maxBodyBytes: number;
  readonly minimumRate: MinimumRate;
}

/** A response body that errors when it is too large, too slow or cut. */
export class ArrivingBody extends Readable {
  readonly #source: BodySource;
  readonly #limits: BodyLimits;
  readonly #meter: RateMeter;
  readonly #watch: NodeJS.Timeout;
  #received = 0;
  #complete = false;

  constructor(source: BodySource, limits: BodyLimits) {
    super({ highWaterMark: BUFFER_BYTES });
    this.#source = source;
    this.#limits = limits;
    const { minimumRate } = limits;
    this.#meter = new RateMeter(minimumRate, performance.now());
    this.#watch = setInterval(
      () => this.#check(),
      Math.max(1, (minimumRate.silenceMs ?? minimumRate.windowMs) / 10),
    ).unref();
    // A body that nobody reads any more may still fail; that must not end the process. Readers see the error as usual.
    this.on('error', () => {});
  }

  /** Bytes from the connection. */
  accept(chunk: Buffer): void {
    if (this.destroyed) return;
    this.#received += chunk.length;
    if (this.#received > this.#limits.maxBodyBytes) {
      this.destroy(tooLarge(this.#limits));
      return;
    }
    this.#meter.received(chunk.length);
    if (!this.push(chunk)) {
      this.#meter.pause();
      this.#source.pause();
    }
  }

  /** The framing says that this was all: whoever gives the body up from now on costs nobody the connection. */
  complete(): void {
    this.#complete = true;
    clearInterval(this.#watch);
  }

  /** After the last byte the reader is told the end. */
  end(): void {
    if (!this.destroyed) this.push(null);
  }

  override _read(): void {
    this.#meter.resume(performance.now());
    this.#source.resume();
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    clearInterval(this.#watch);
    if (!this.#complete) {
      const given = error instanceof UpstreamFailure ? error : undefined;
      this.#source.cancel(given ?? new UpstreamFailure('aborted', `${this.#limits.host}: the body was given up`));
    }
    callback(error);
  }

  #check(): void {
    if (!this.#meter.isTooSlow(performance.now())) return;
    const { host, minimumRate } = this.#limits;
    const { bytesPerSecond, windowMs, silenceMs = windowMs } = minimumRate;
    const rule = `${bytesPerSecond} bytes/s over ${windowMs / 1000} s, or nothing for ${silenceMs / 1000} s`;
    this.destroy(new UpstreamFailure('too-slow', `${host}: the body arrived slower than ${rule}`));
  }
}

/** The failure of a body beyond its limit. */
export function tooLarge({ host, maxBodyBytes }: BodyLimits): UpstreamFailure {
  return new UpstreamFailure('too-large', `${host}: the body is larger than ${maxBodyBytes} bytes`);
}

// Notices a body that arrives too slowly: fewer bytes than the minimum within a sliding window, or none at all for a
// shorter time. Idle timeouts do not see a drip of one byte a second. Pure but for the time it is given.

/** How slow a body may be: bytes a second over a window, and the longest silence; milliseconds. */
export interface MinimumRate {
  readonly bytesPerSecond: number;
  /** Wide enough for a virus scanner, which lets single bytes through until it has seen the whole body. */
  readonly windowMs: number;
  /** Without a single byte the body is given up sooner; as long as the window unless given. */
  readonly silenceMs?: number;
}

/** The window moves in tenths: a verdict is at most that late. */
const SLOTS = 10;

/** Measures whether a body keeps its minimum rate. */
export class RateMeter {
  readonly #minimumBytes: number;
  readonly #silenceMs: number;
  readonly #slotMs: number;
  readonly #slots: number[] = new Array<number>(SLOTS).fill(0);
  #slot = 0;
  #slotStart: number;
  /** Full slots seen since the start or since the reader last held us up. */
  #observed = 0;
  #paused = false;
  /** Whether anything came since it was last asked about, and when that was noticed. */
  #heard = false;
  #heardAt: number;

  constructor(rate: MinimumRate, now: number) {
    this.#minimumBytes = (rate.bytesPerSecond * rate.windowMs) / 1000;
    this.#silenceMs = rate.silenceMs ?? rate.windowMs;
    this.#slotMs = rate.windowMs / SLOTS;
    this.#slotStart = now;
    this.#heardAt = now;
  }

  received(bytes: number): void {
    this.#slots[this.#slot]! += bytes;
    if (bytes > 0) this.#heard = true;
  }

  /** The reader cannot take more: what does not arrive from now on is not upstream's fault. */
  pause(): void {
    this.#paused = true;
  }

  /** The reader goes on: a new window begins. */
  resume(now: number): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#slots.fill(0);
    this.#observed = 0;
    this.#slotStart = now;
    this.#heardAt = now;
  }

  /** To be asked about once a slot. True once a whole window brought less than the minimum, or nothing came for long. */
  isTooSlow(now: number): boolean {
    if (this.#paused) return false;
    if (this.#heard) this.#heardAt = now;
    this.#heard = false;
    if (now - this.#heardAt >= this.#silenceMs) return true;
    while (now - this.#slotStart >= this.#slotMs) {
      this.#observed += 1;
      if (this.#observed >= SLOTS && this.#sum() < this.#minimumBytes) return true;
      this.#slotStart += this.#slotMs;
      this.#slot = (this.#slot + 1) % SLOTS;
      this.#slots[this.#slot] = 0;
    }
    return false;
  }

  #sum(): number {
    return this.#slots.reduce((sum, bytes) => sum + bytes, 0);
  }
}
