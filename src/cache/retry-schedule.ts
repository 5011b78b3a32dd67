// When a key whose refresh failed may be tried again: 5 s after the failure, doubling to 30 s, with jitter, so that
// an upstream in trouble is not asked by every request and nobody waits for it twice.

const FIRST_MS = 5_000;
const LONGEST_MS = 30_000;
/** Keys remembered; beyond it the oldest is forgotten, which costs one early try. */
const MAX_KEYS = 100_000;

interface Retry {
  readonly at: number;
  readonly delayMs: number;
  readonly cause: unknown;
}

export class RetrySchedule {
  readonly #retries = new Map<string, Retry>();
  readonly #now: () => number;
  readonly #random: () => number;

  constructor(options: { readonly now: () => number; readonly random: () => number }) {
    this.#now = options.now;
    this.#random = options.random;
  }

  /** Why the key is not to be tried now; undefined when it may be. */
  blocked(key: string): { readonly cause: unknown } | undefined {
    if (this.#retries.size === 0) return undefined;
    const retry = this.#retries.get(key);
    return retry !== undefined && this.#now() < retry.at ? retry : undefined;
  }

  /** Records a failure. `afterMs` fixes the wait instead of doubling it. */
  failed(key: string, cause: unknown, afterMs?: number): void {
    const last = this.#retries.get(key);
    const delayMs = afterMs ?? Math.min(LONGEST_MS, last === undefined ? FIRST_MS : last.delayMs * 2);
    this.#retries.delete(key);
    const jitter = afterMs === undefined ? 0.9 + 0.2 * this.#random() : 1;
    this.#retries.set(key, { at: this.#now() + delayMs * jitter, delayMs, cause });
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
