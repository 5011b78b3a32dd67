// When a key whose refresh failed may be tried again: 5 s after the failure, doubling to 30 s, with jitter, so that
// an upstream in trouble is not asked by every request and nobody waits for it twice.

const FIRST_MS = 5_000;
const LONGEST_MS = 30_000;
/** Keys remembered; beyond it the oldest is forgotten, which costs one early try. */
const MAX_KEYS = 100_000;

/** How the last try of a key ended. */
export interface FailedTry {
  readonly cause: unknown;
  /** Whether it took longer than a client who has a copy should wait. */
  readonly slow: boolean;
}

interface Retry extends FailedTry {
  readonly failedAt: number;
  readonly at: number;
  readonly delayMs: number;
}

export class RetrySchedule {
  readonly #retries = new Map<string, Retry>();
  readonly #now: () => number;
  readonly #random: () => number;

  constructor(options: { readonly now: () => number; readonly random: () => number }) {
    this.#now = options.now;
    this.#random = options.random;
  }

  /** How the last try of the key failed; undefined when it did not. */
  lastFailure(key: string): FailedTry | undefined {
    return this.#retries.get(key);
  }

  /** Whether the key is not to be tried yet. */
  isWaiting(key: string): boolean {
    const retry = this.#retries.get(key);
    if (retry === undefined) return false;
    const now = this.#now();
    // A clock that was set back must not prolong the wait.
    return retry.failedAt <= now && now < retry.at;
  }

  /** Records a failure. `afterMs` fixes the wait instead of doubling it. */
  failed(key: string, failure: FailedTry, afterMs?: number): void {
    const last = this.#retries.get(key);
    const delayMs = afterMs ?? Math.min(LONGEST_MS, last === undefined ? FIRST_MS : last.delayMs * 2);
    this.#retries.delete(key);
    const jitter = afterMs === undefined ? 0.9 + 0.2 * this.#random() : 1;
    const failedAt = this.#now();
    this.#retries.set(key, { ...failure, failedAt, at: failedAt + delayMs * jitter, delayMs });
    if (this.#retries.size > MAX_KEYS) this.#retries.delete(this.#retries.keys().next().value!);
  }

  succeeded(key: string): void {
    this.#retries.delete(key);
  }

  /** How many keys are waiting: the status page shows it. */
  get size(): number {
    return this.#retries.size;
  }
}
