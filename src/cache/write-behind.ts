// Writes that nobody waits for: in order for each key, the newest value only, a few at a time, bounded in number and in
// bytes, so a slow receiver costs neither time nor memory.

export interface WriteBehindOptions {
  /** Sends one value, or removes the key when it is undefined. Resolves, never rejects, once nothing of it is held. */
  readonly send: (key: string, value: Buffer | undefined) => Promise<void>;
  readonly onDropped: () => void;
}

const MAX_WRITES = 1000;
const MAX_BYTES = 64 * 1024 * 1024;
/** Few, so that the time a write takes tells of the receiver and not of the queue before it. */
const MAX_SENDING = 16;

interface Write {
  readonly value: Buffer | undefined;
}

export class WriteBehind {
  readonly #options: WriteBehindOptions;
  /** The newest write of each key that waits, oldest key first. */
  readonly #waiting = new Map<string, Write>();
  readonly #sending = new Set<string>();
  readonly #onDrained: (() => void)[] = [];
  #writes = 0;
  #bytes = 0;

  constructor(options: WriteBehindOptions) {
    this.#options = options;
  }

  /** Never waits. Beyond the bounds the write is dropped, and with it an older one of the same key. */
  put(key: string, value: Buffer | undefined): void {
    this.#takeWaiting(key);
    const write = { value };
    if (this.#writes >= MAX_WRITES || this.#bytes + sizeOf(write) > MAX_BYTES) {
      this.#options.onDropped();
      return;
    }
    this.#waiting.set(key, write);
    this.#account(write, 1);
    this.#sendNext();
  }

  /** Resolves when nothing waits and nothing is being sent. */
  drained(): Promise<void> {
    return this.#writes === 0 ? Promise.resolve() : new Promise((resolve) => this.#onDrained.push(resolve));
  }

  #sendNext(): void {
    for (const key of this.#waiting.keys()) {
      if (this.#sending.size >= MAX_SENDING) return;
      // A key that is being sent waits for its turn, so that the older value cannot arrive last.
      if (!this.#sending.has(key)) void this.#send(key, this.#waiting.get(key)!);
    }
  }

  async #send(key: string, write: Write): Promise<void> {
    this.#waiting.delete(key);
    this.#sending.add(key);
    await this.#options.send(key, write.value);
    this.#sending.delete(key);
    this.#account(write, -1);
    this.#sendNext();
    if (this.#writes === 0) for (const resolve of this.#onDrained.splice(0)) resolve();
  }

  #takeWaiting(key: string): void {
    const write = this.#waiting.get(key);
    if (write === undefined) return;
    this.#waiting.delete(key);
    this.#account(write, -1);
  }

  #account(write: Write, sign: 1 | -1): void {
    this.#writes += sign;
    this.#bytes += sign * sizeOf(write);
  }
}

function sizeOf(write: Write): number {
  return write.value?.length ?? 0;
}
