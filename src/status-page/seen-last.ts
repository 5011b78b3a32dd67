// What the disk has to tell, without waiting for the disk: what was seen last, looked at again beside the answer.

/** How many are kept, and for how long in milliseconds. */
export interface SeenLastOptions<Value> {
  readonly look: () => Promise<Value>;
  readonly now: () => number;
}

const LOOK_AGAIN_MS = 10_000;

/** The latest values, one for each key. */
export class SeenLast<Value> {
  readonly #options: SeenLastOptions<Value>;
  #value: Value | undefined;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #looking = false;

  /** Looks for the first time. */
  constructor(options: SeenLastOptions<Value>) {
    this.#options = options;
    void this.#look();
  }

  /** As it was at most a few seconds before the last time somebody asked. Undefined when unknown. */
  get value(): Value | undefined {
    if (this.#options.now() - this.#lookedAt >= LOOK_AGAIN_MS) void this.#look();
    return this.#value;
  }

  /** One at a time: a disk that hangs holds one thread, not all of them. */
  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    this.#lookedAt = this.#options.now();
    try {
      this.#value = await this.#options.look();
    } catch {
      // A disk that does not answer is told of by those who need it; here the figure is missing.
      this.#value = undefined;
    } finally {
      this.#looking = false;
    }
  }
}
