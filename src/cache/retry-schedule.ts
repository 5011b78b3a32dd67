// When a key that failed may be tried again, with jitter, so that an upstream in trouble is not asked by every request
// and nobody waits for it twice: 5 s after the failure where a copy is served meanwhile; where nothing is held and a
// client waits, at once after the first failure and 2 s after the second. Both double to 25 s.

import { type FailureKind, Overloaded, UpstreamFailure } from '../core/errors.ts';

const FIRST_MS = 5_000;
/** What nobody holds is tried sooner: installers come back within seconds, and then give up. */
const FIRST_COLD_MS = 2_000;
/** What nobody has asked for since then begins anew. */
const PAST_MS = 60_000;
/** A client that insists (`no-cache`) does not wait longer than that. */
const INSIST_MS = 5_000;
/** From the start of one try to the next, so that what is well again is noticed within half a minute. */
const LONGEST_MS = 25_000;
/** Keys remembered; beyond it the oldest is forgotten, which costs one early try. */
const MAX_KEYS = 100_000;
/** Of what nobody holds there may be any number, and only people ask how it failed. */
const MAX_COLD_KEYS = 1_000;

/** How the last try of a key ended. */
export interface FailedTry {
  readonly cause: unknown;
  /** Whether it took longer than a client who has a copy should wait. */
  readonly slow: boolean;
}

interface Failure extends FailedTry {
  /** Whether there is a copy that could be refreshed. */
  readonly held: boolean;
  /** The name of who was asked, or was to be. */
  readonly upstream: string;
  readonly tookMs: number;
}

interface Retry extends FailedTry {
  readonly upstream: string;
  readonly failedAt: number;
  readonly at: number;
  /** Before jitter; undefined when the key itself was never asked. */
  readonly delayMs: number | undefined;
}

/**
 * When a key that failed may be asked for again: 5 s doubling to 30 s for held entries, 2 s doubling to 25 s for
 * others.
 */
export class RetrySchedule {
  readonly #held = new Map<string, Retry>();
  readonly #cold = new Map<string, Retry>();
  /** When each upstream last brought anything. */
  readonly #answered = new Map<string, number>();
  readonly #now: () => number;
  readonly #random: () => number;

  constructor(options: { readonly now: () => number; readonly random: () => number }) {
    this.#now = options.now;
    this.#random = options.random;
  }

  /** How the last try of the key failed; undefined when it did not. */
  lastFailure(key: string): FailedTry | undefined {
    return this.#held.get(key) ?? this.#cold.get(key);
  }

  /** Whether the key is not to be tried yet. */
  isWaiting(key: string): boolean {
    const retry = this.#held.get(key) ?? this.#cold.get(key);
    if (retry === undefined) return false;
    // It was not even asked, because its upstream had failed others; since then others were answered.
    if (wasNotAsked(retry.cause) && (this.#answered.get(retry.upstream) ?? 0) > retry.failedAt) return false;
    const now = this.#now();
    // A clock that was set back must not prolong the wait.
    return retry.failedAt <= now && now < retry.at;
  }

  /**
   * What to tell a client of a key that nobody holds, without asking: the failure of a moment ago, with the time that is
   * left as Retry-After. Undefined when upstream is to be asked: it is time, or the key itself was never asked.
   */
  refusal(key: string, insist: boolean): unknown {
    const retry = this.#held.get(key) ?? this.#cold.get(key);
    if (retry === undefined || !speaksOfTheKey(retry.cause) || !this.isWaiting(key)) return undefined;
    const now = this.#now();
    if (insist && now - retry.failedAt >= INSIST_MS) return undefined;
    const { cause } = retry;
    return cause instanceof UpstreamFailure ? remembered(cause, retry.at - now) : cause;
  }

  /** Records a failure. `afterMs` fixes the wait instead of doubling it. */
  failed(key: string, { cause, upstream, tookMs, slow, held }: Failure, afterMs?: number): void {
    const last = this.#held.get(key) ?? this.#cold.get(key);
    this.forget(key);
    const failedAt = this.#now();
    let next: Retry;
    if (wasNotAsked(cause)) {
      // Nothing was learned of the key: it is tried when its upstream is, and who was slow before is slow still.
      const waitMs = Math.min(LONGEST_MS, cause.pauseMs ?? FIRST_MS);
      const known = { delayMs: last?.delayMs, slow: last?.slow ?? slow };
      next = { cause, upstream, failedAt, at: failedAt + waitMs, ...known };
    } else {
      const isPast = !held && last !== undefined && failedAt - last.at > PAST_MS;
      const delayMs = afterMs ?? nextDelayMs(isPast ? undefined : last?.delayMs, held);
      const jitter = 0.9 + 0.2 * this.#random();
      const waitMs = afterMs ?? Math.min(delayMs * jitter, Math.max(FIRST_MS, LONGEST_MS - tookMs));
      next = { cause, upstream, slow, failedAt, at: failedAt + waitMs, delayMs };
    }
    const keys = held ? this.#held : this.#cold;
    keys.set(key, next);
    if (keys.size > (held ? MAX_KEYS : MAX_COLD_KEYS)) keys.delete(keys.keys().next().value!);
  }

  /** The upstream brought what was asked for. */
  succeeded(key: string, upstream: string): void {
    this.forget(key);
    this.#answered.set(upstream, this.#now());
  }

  forget(key: string): void {
    this.#held.delete(key);
    this.#cold.delete(key);
  }

  /** How many keys are waiting: the status page shows it. */
  get size(): number {
    return this.#held.size + this.#cold.size;
  }
}

function nextDelayMs(lastMs: number | undefined, held: boolean): number {
  if (!held && lastMs === undefined) return 0;
  return Math.min(LONGEST_MS, Math.max(held ? FIRST_MS : FIRST_COLD_MS, (lastMs ?? 0) * 2));
}

function wasNotAsked(cause: unknown): cause is UpstreamFailure {
  return cause instanceof UpstreamFailure && cause.kind === 'circuit-open';
}

/** Whether something was learned of the key itself: not when we gave up, or were too busy to ask. */
function speaksOfTheKey(cause: unknown): boolean {
  if (cause instanceof Overloaded || typeof cause === 'string') return false;
  return !(cause instanceof UpstreamFailure) || !NOT_ASKED.has(cause.kind);
}

const NOT_ASKED: ReadonlySet<FailureKind> = new Set(['circuit-open', 'crowded', 'aborted']);

/** The failure as it is told again, `leftMs` before the next try. */
function remembered({ kind, message, upstreamStatus, cause }: UpstreamFailure, leftMs: number): UpstreamFailure {
  return new UpstreamFailure(kind, message, {
    pauseMs: leftMs,
    cause,
    ...(upstreamStatus !== undefined && { upstreamStatus }),
  });
}
