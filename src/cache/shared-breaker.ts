// Whether Redis is worth asking: three failures in a row, and for five seconds nobody waits for it; then one probe at
// a time finds out, at nobody's expense.

const FAILURES = 3;
const OPEN_MS = 5000;

export class SharedBreaker {
  readonly #now: () => number;
  #failures = 0;
  #openedAt: number | undefined;
  #probing = false;

  constructor(now: () => number) {
    this.#now = now;
  }

  get open(): boolean {
    return this.#openedAt !== undefined;
  }

  /** An answer, also one that came late: while open only a probe's answer counts. */
  succeeded(): void {
    this.#failures = 0;
  }

  failed(): void {
    this.#failures += 1;
    if (this.#failures >= FAILURES && this.#openedAt === undefined) this.#openedAt = this.#now();
  }

  /** True when the caller is to probe now, and to report by `probed`; while open, at most one at a time. */
  claimProbe(): boolean {
    if (this.#openedAt === undefined || this.#probing) return false;
    const openMs = this.#now() - this.#openedAt;
    // A clock that was set back must not keep us away for hours.
    if (openMs >= 0 && openMs < OPEN_MS) return false;
    this.#probing = true;
    return true;
  }

  probed(answered: boolean): void {
    this.#probing = false;
    this.#failures = 0;
    this.#openedAt = answered ? undefined : this.#now();
  }

  /** Something changed (a new connection): the next probe need not wait. */
  makeProbeDue(): void {
    if (this.#openedAt !== undefined) this.#openedAt = Number.NEGATIVE_INFINITY;
  }
}
