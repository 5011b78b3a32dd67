// Decides whether to ask a server that has been failing; when that is so is decided elsewhere (witnesses.ts, addresses.ts)
// and said by `trip`. Closed: ask. Open: do not, until the probe time. Then half-open:
// one request at a time is let through as the probe; its success closes the circuit, its failure doubles the wait.
// A server that asked us to stay away (Retry-After) is open for exactly as long. Pure but for the injected clock.

/** The clock in milliseconds since the epoch, the spread in [0, 1), and the times between probes in milliseconds. */
export interface BreakerOptions {
  readonly now: () => number;
  /** In [0, 1): spreads the probes of many processes by ±20 %. */
  readonly random: () => number;
  readonly firstProbeMs?: number;
  readonly lastProbeMs?: number;
}

/** Closed lets requests through, open lets none, half-open lets one probe. */
export type BreakerState = 'closed' | 'open' | 'half-open';

/** The right to ask once. Its holder reports exactly one of succeeded, failed, abandoned. */
export interface Permit {
  readonly probe: boolean;
}

const PERMIT: Permit = { probe: false };

/** A circuit breaker. It decides nothing about failures: its owner trips it. */
export class Breaker {
  readonly #now: () => number;
  readonly #random: () => number;
  readonly #firstProbeMs: number;
  /** From the start of one probe to the next at the latest: what is well again is noticed within half a minute. */
  readonly #lastProbeMs: number;
  /** Open until then; undefined while closed. */
  #probeAt: number | undefined;
  /** The wait before the next probe, should this one fail. */
  #waitMs: number;
  /** The probe under way, and when it counts as lost: a holder that never reports must not close the door for ever. */
  #probe: { readonly permit: Permit; readonly startedAt: number; readonly lostAt: number } | undefined;
  /** A pause that the server asked for lasts until then. */
  #pausedUntil = 0;
  #since: number;

  constructor(options: BreakerOptions) {
    this.#now = options.now;
    this.#random = options.random;
    this.#firstProbeMs = options.firstProbeMs ?? 5_000;
    this.#lastProbeMs = options.lastProbeMs ?? 25_000;
    this.#waitMs = this.#firstProbeMs;
    this.#since = options.now();
  }

  get state(): BreakerState {
    if (this.#probeAt === undefined) return 'closed';
    return this.#now() < this.#probeAt ? 'open' : 'half-open';
  }

  /** Since when the circuit is closed, or is not. */
  get since(): number {
    return this.#since;
  }

  /** Whether a probe is under way. */
  get isProbing(): boolean {
    return this.#probe !== undefined && this.#now() < this.#probe.lostAt;
  }

  /** When the next request would be let through; now or earlier means at once. */
  get nextTry(): number {
    if (this.#probeAt === undefined) return this.#now();
    return Math.max(this.#probeAt, this.#probe?.lostAt ?? 0);
  }

  /** A permit to ask, or undefined when the caller must not. */
  begin(): Permit | undefined {
    if (this.#probeAt === undefined) return PERMIT;
    const now = this.#now();
    if (now < this.nextTry) return undefined;
    const permit: Permit = { probe: true };
    this.#probe = { permit, startedAt: now, lostAt: now + this.#lastProbeMs };
    return permit;
  }

  /** A clean answer. Only the probe's closes the circuit: others may have been sent before it opened. */
  succeeded(permit: Permit): void {
    if (this.#probe?.permit === permit) this.#close();
  }

  /**
   * A clean answer to a request that had counted as failed because it took so long: the server is slow, and alive.
   * A pause that it asked for stands.
   */
  answeredLate(): void {
    if (this.#probeAt !== undefined && this.#now() >= this.#pausedUntil) this.#close();
  }

  /** A failure that speaks against the server: the probe's makes the next one wait longer, others open nothing. */
  failed(permit: Permit): void {
    if (this.#probe?.permit !== permit) return;
    const tookMs = Math.max(0, this.#now() - this.#probe.startedAt);
    this.#probe = undefined;
    this.#open(Math.min(this.#spread(this.#waitMs), Math.max(this.#firstProbeMs, this.#lastProbeMs - tookMs)));
  }

  /** The caller gave up before it knew: another request may probe at once. */
  abandoned(permit: Permit): void {
    if (this.#probe?.permit === permit) this.#probe = undefined;
  }

  /** Opens a closed circuit now. */
  trip(): void {
    if (this.#probeAt === undefined) this.#open(this.#spread(this.#waitMs));
  }

  /** The server asked us to stay away for that long. Never shortens a pause that is longer. */
  pause(milliseconds: number): void {
    this.#probe = undefined;
    const until = this.#now() + milliseconds;
    this.#pausedUntil = Math.max(this.#pausedUntil, until);
    if (this.#probeAt === undefined) this.#since = this.#now();
    this.#probeAt = Math.max(this.#probeAt ?? 0, until);
  }

  #close(): void {
    this.#probeAt = undefined;
    this.#probe = undefined;
    this.#waitMs = this.#firstProbeMs;
    this.#since = this.#now();
  }

  #open(waitMs: number): void {
    const now = this.#now();
    if (this.#probeAt === undefined) this.#since = now;
    this.#probeAt = now + waitMs;
    this.#waitMs = Math.min(this.#waitMs * 2, this.#lastProbeMs);
  }

  #spread(milliseconds: number): number {
    return Math.min(this.#lastProbeMs, milliseconds * (0.8 + 0.4 * this.#random()));
  }
}

// Whether Redis is worth asking: three failures in a row, and for five seconds nobody waits for it; then one probe at
// a time finds out, at nobody's expense.

const FAILURES = 3;
const OPEN_MS = 5000;

/** The breaker of Redis: three failures open it for five seconds. */
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
