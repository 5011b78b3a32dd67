// Bodies are handed on a few pieces in a turn of the event loop: thousands of connections may be ready for their next
// piece at once, and a small request that comes meanwhile must not stand behind all of them. Newcomers come first, for
// libuv accepts one connection a turn: while hundreds come at once, turns have to be short.

/** A millisecond of copying. */
const BYTES_A_TURN = 2 * 1024 * 1024;
/** So many of those who wait are called in a turn, with up to 256 KB each. */
const CALLED_A_TURN = 8;
/** For newcomers those who have begun wait no longer than this. */
const LONGEST_WAIT_MS = 20;

export class LoopTurns {
  /** Bytes in this turn. */
  #handedOn = 0;
  #newcomer = false;
  #scheduled = false;
  readonly #now: () => number;
  #calledAt = Number.NEGATIVE_INFINITY;
  readonly #waiting: (() => void)[] = [];

  /** `now`: milliseconds on the monotonic clock. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Somebody new has come in this turn. */
  newcomer(): void {
    this.#newcomer = true;
  }

  /** Undefined when a piece may be handed on at once; else resolves in the turn in which it may be. */
  take(): Promise<void> | undefined {
    this.#schedule();
    if (!this.#newcomer && this.#waiting.length === 0 && this.#handedOn < BYTES_A_TURN) return undefined;
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** A piece of that many bytes was handed on. */
  handedOn(bytes: number): void {
    this.#handedOn += bytes;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#next());
  }

  #next(): void {
    this.#scheduled = false;
    const now = this.#now();
    const putOff = this.#newcomer && now - this.#calledAt < LONGEST_WAIT_MS;
    this.#newcomer = false;
    const called = putOff ? [] : this.#waiting.splice(0, CALLED_A_TURN);
    if (!putOff) this.#calledAt = now;
    this.#handedOn = 0;
    if (called.length > 0 || this.#waiting.length > 0) this.#schedule();
    for (const resolve of called) resolve();
  }
}

/** Of this process: it has one event loop. */
export const loopTurns = new LoopTurns();
