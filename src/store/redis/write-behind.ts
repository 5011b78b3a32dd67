// Writes that nobody waits for: in order for each key, the newest value only, a few at a time, bounded in number and in
// bytes, so a slow receiver costs neither time nor memory. Removals go out together, for a purge brings thousands.

/** Bounds of the queue, in entries and bytes. */
export interface WriteBehindOptions {
  /** Sends one value. Resolves, never rejects, once nothing of it is held. */
  readonly send: (key: string, value: Buffer) => Promise<void>;
  /** Removes the keys. Resolves, never rejects. */
  readonly remove: (keys: readonly string[]) => Promise<void>;
  readonly onDropped: () => void;
}

const MAX_WRITES = 1000;
/** They hold nothing but their keys, and one that is dropped leaves something behind. */
const MAX_REMOVALS = 20_000;
const REMOVED_TOGETHER = 250;
const MAX_BYTES = 64 * 1024 * 1024;
/** Few, so that the time a write takes tells of the receiver and not of the queue before it. */
const MAX_SENDING = 16;

/** Without a value the key is removed. */
interface Write {
  readonly value: Buffer | undefined;
}

/** Writes to Redis later, in order, bounded; what is too much is dropped. */
export class WriteBehind {
  readonly #options: WriteBehindOptions;
  /** The newest write of each key that waits, oldest key first. */
  readonly #waiting = new Map<string, Write>();
  readonly #sending = new Map<string, Write>();
  readonly #onDrained: (() => void)[] = [];
  #writes = 0;
  #removals = 0;
  #bytes = 0;
  /** Calls of the receiver that are under way. */
  #underWayAtOnce = 0;

  constructor(options: WriteBehindOptions) {
    this.#options = options;
  }

  /** Never waits. Beyond the bounds the write is dropped, and with it an older one of the same key. */
  put(key: string, value: Buffer | undefined): void {
    this.#takeWaiting(key);
    const write = { value };
    const isTooMuch =
      value === undefined
        ? this.#removals >= MAX_REMOVALS
        : this.#writes >= MAX_WRITES || this.#bytes + sizeOf(write) > MAX_BYTES;
    if (isTooMuch) {
      this.#options.onDropped();
      return;
    }
    this.#waiting.set(key, write);
    this.#account(write, 1);
    this.#sendNext();
  }

  /**
   * Whether the last that is under way of the key removes it. A reader that asked the receiver meanwhile would find what
   * was before:
   *   1. a purge removes the key here, and the removal waits;
   *   2. a reader finds nothing here, and finds the old value at the receiver;
   *   3. the removal is sent, and the old value is here again.
   */
  isRemoving(key: string): boolean {
    const last = this.#waiting.get(key) ?? this.#sending.get(key);
    return last !== undefined && last.value === undefined;
  }

  /** Resolves when nothing waits and nothing is being sent. */
  drained(): Promise<void> {
    return this.#isEmpty ? Promise.resolve() : new Promise((resolve) => this.#onDrained.push(resolve));
  }

  get #isEmpty(): boolean {
    return this.#writes === 0 && this.#removals === 0;
  }

  #sendNext(): void {
    const removals: string[] = [];
    for (const [key, { value }] of this.#waiting) {
      if (this.#underWayAtOnce >= MAX_SENDING || removals.length >= REMOVED_TOGETHER) break;
      // A key that is being sent waits for its turn, so that the older value cannot arrive last.
      if (this.#sending.has(key)) continue;
      if (value === undefined) removals.push(key);
      else void this.#send([key], () => this.#options.send(key, value));
    }
    if (removals.length > 0) void this.#send(removals, () => this.#options.remove(removals));
  }

  async #send(keys: readonly string[], send: () => Promise<void>): Promise<void> {
    for (const key of keys) {
      this.#sending.set(key, this.#waiting.get(key)!);
      this.#waiting.delete(key);
    }
    this.#underWayAtOnce++;
    await send();
    this.#underWayAtOnce--;
    for (const key of keys) {
      this.#account(this.#sending.get(key)!, -1);
      this.#sending.delete(key);
    }
    this.#sendNext();
    if (this.#isEmpty) for (const resolve of this.#onDrained.splice(0)) resolve();
  }

  #takeWaiting(key: string): void {
    const write = this.#waiting.get(key);
    if (write === undefined) return;
    this.#waiting.delete(key);
    this.#account(write, -1);
  }

  #account(write: Write, sign: 1 | -1): void {
    if (write.value === undefined) this.#removals += sign;
    else this.#writes += sign;
    this.#bytes += sign * sizeOf(write);
  }
}

function sizeOf(write: Write): number {
  return write.value?.length ?? 0;
}
