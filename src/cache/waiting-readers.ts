// Readers that wait for more of a growing body. A few are woken for every piece that comes, a crowd at intervals: then
// few large writes take the place of many small ones, and there is time for newcomers.

/** From so many on readers are a crowd. */
const CROWD = 8;
const INTERVAL_MS = 20;

export class WaitingReaders {
  #waiting: (() => void)[] = [];
  #timer: NodeJS.Timeout | undefined;
  #readers = 0;
  /** Milliseconds on the monotonic clock. */
  #calledAt = Number.NEGATIVE_INFINITY;

  /** One more reads. */
  joined(): void {
    this.#readers++;
  }

  left(): void {
    this.#readers--;
  }

  get isCrowd(): boolean {
    return this.#readers >= CROWD;
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
    const waitMs = this.isCrowd ? this.#calledAt + INTERVAL_MS - performance.now() : 0;
    if (waitMs <= 0) this.wake();
    else this.#timer = setTimeout(() => this.wake(), waitMs);
  }

  /** The body has ended: nobody is put off any more. */
  wake(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#calledAt = performance.now();
    const called = this.#waiting;
    this.#waiting = [];
    for (const resolve of called) resolve();
  }
}
