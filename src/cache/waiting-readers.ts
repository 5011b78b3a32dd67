// Readers that wait for more of a growing body. A few are woken for every piece that comes. A crowd is woken at
// intervals, some of it a turn of the event loop, and put off while it gathers: libuv accepts one connection a turn,
// and after turns in which hundreds are sent something the last newcomer would have waited for seconds.

/** From so many on readers are a crowd. */
const CROWD = 8;
const INTERVAL_MS = 20;
/** Readers are put off for an interval after each newcomer, but not for longer than this. */
const LONGEST_INTERVAL_MS = 500;
/** Readers of a crowd that are woken in one turn. */
const PER_TURN = 4;

/** Readers that wait for bytes of a growing body. */
export class WaitingReaders {
  #waiting: (() => void)[] = [];
  /** Those of the crowd whose turn is to come. */
  #called: (() => void)[] = [];
  #timer: NodeJS.Timeout | undefined;
  #readers = 0;
  /** Milliseconds on the monotonic clock. */
  #calledAt = Number.NEGATIVE_INFINITY;
  #joinedAt = 0;

  /** One more reads. */
  joined(): void {
    this.#readers++;
    this.#joinedAt = performance.now();
  }

  left(): void {
    this.#readers--;
  }

  /** Whether newcomers come first: who has begun had better wait, even for what is here. */
  get gathering(): boolean {
    return this.#readers >= CROWD && performance.now() < this.#nextCall(this.#joinedAt);
  }

  /** Resolves when the caller may look again. */
  wait(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }

  /** There is something for those who wait. */
  wakeSoon(): void {
    if (this.#timer !== undefined || this.#waiting.length === 0) return;
    const at = this.#readers < CROWD ? 0 : this.#nextCall(Math.max(this.#joinedAt, this.#calledAt));
    const waitMs = at - performance.now();
    if (waitMs <= 0) this.wake();
    else {
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.wakeSoon();
      }, waitMs);
    }
  }

  /** The body has ended: nobody is put off any more. */
  wake(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#calledAt = performance.now();
    const atWork = this.#called.length > 0;
    this.#called = this.#called.concat(this.#waiting);
    this.#waiting = [];
    if (!atWork) this.#wakeSome();
  }

  #nextCall(lastEvent: number): number {
    return Math.min(lastEvent + INTERVAL_MS, this.#calledAt + LONGEST_INTERVAL_MS);
  }

  #wakeSome(): void {
    for (const resolve of this.#called.splice(0, PER_TURN)) resolve();
    if (this.#called.length > 0) setImmediate(() => this.#wakeSome());
  }
}
