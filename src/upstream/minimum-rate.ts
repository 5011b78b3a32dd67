// Notices a body that arrives too slowly: fewer bytes than the minimum within a sliding window, or none at all for a
// shorter time. Idle timeouts do not see a drip of one byte a second. Pure but for the time it is given.

export interface MinimumRate {
  readonly bytesPerSecond: number;
  /** Wide enough for a virus scanner, which lets single bytes through until it has seen the whole body. */
  readonly windowMs: number;
  /** Without a single byte the body is given up sooner; as long as the window unless given. */
  readonly silenceMs?: number;
}

/** The window moves in tenths: a verdict is at most that late. */
const SLOTS = 10;

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
