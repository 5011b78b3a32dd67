// One of the equivalent servers of an index: its health, and what the status page says of it.

import { type FailureKind, UpstreamFailure } from '../errors.ts';
import { Breaker, type BreakerState, type Permit } from './breaker.ts';
import type { Credentials } from './credentials.ts';
import { isUnhealthy } from './failures.ts';
import { type Candidate, REMEASURE_MS } from './mirror-order.ts';

/** A body that is no page is one project's trouble, until that many projects show it within the window. */
const INVALID_PROJECTS = 5;
const INVALID_WINDOW_MS = 60_000;

/** A mirror that lost against a hedge is asked after the others for that long. */
const DEMOTED_MS = 30_000;

/** The share of the newest latency in the average; all of it when the one before is too old to say anything. */
const LATENCY_WEIGHT = 0.2;

/** A mirror whose page was refused is asked after the others for that long. */
const SET_ASIDE_MS = 300_000;

/** A request that takes longer speaks against the mirror: by then a client without a copy is told to come back. */
const SILENT_MS = 9_200;
/** How long it is remembered that a mirror answers later than that. */
const KNOWN_SLOW_MS = 600_000;

/** Why a mirror's page was refused: older than ours, another hash, files or the whole project gone. */
export const REFUSALS = ['lagging', 'changed-hash', 'files-left', 'missing'] as const;
export type Refusal = (typeof REFUSALS)[number];

/** What happened to a mirror's circuit; for the log and the list of events. */
export interface MirrorEvent {
  readonly kind: 'opened' | 'closed' | 'paused' | 'set-aside';
  readonly mirror: string;
  /** Why it opened. */
  readonly reason?: FailureKind;
  readonly pauseMs?: number;
  /** Why it was set aside. */
  readonly refusal?: Refusal;
}

export interface MirrorStatus {
  readonly url: string;
  readonly state: BreakerState;
  /** Milliseconds since the epoch, as all times here. */
  readonly since: number;
  /** When it will be asked again; in the past when it is being asked. */
  readonly nextTry: number;
  readonly lastSuccess: number | undefined;
  readonly lastFailure: { readonly kind: FailureKind; readonly time: number } | undefined;
  /** The last page of it that was refused, and why. */
  readonly lastRefusal: { readonly reason: Refusal; readonly time: number } | undefined;
  /** Moving average of the time from a request to the head of its answer, in milliseconds. */
  readonly latencyMs: number | undefined;
  /** Whether it is the one that is asked first while its circuit allows that. */
  readonly leads: boolean;
}

export interface MirrorOptions {
  /** The base of its simple API, with the final slash. */
  readonly url: string;
  readonly credentials?: Credentials;
  readonly now: () => number;
  readonly random: () => number;
  readonly onEvent?: ((event: MirrorEvent) => void) | undefined;
}

/**
 * One request to a mirror. It speaks against the mirror as soon as it takes longer than a client waits, and goes on all the
 * same: when it ends well after that, the mirror is slow, and no longer taken for dead.
 */
export class WatchedRequest {
  readonly #mirror: Mirror;
  readonly #permit: Permit;
  #sentAt: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #hasFailed = false;

  constructor(mirror: Mirror, permit: Permit) {
    this.#mirror = mirror;
    this.#permit = permit;
  }

  /** It went out now; what it waited for in our own queue is not the mirror's fault. */
  sent(host: string): void {
    if (this.#sentAt !== undefined) return;
    this.#sentAt = performance.now();
    const { silentMs } = this.#mirror;
    this.#timer = setTimeout(() => {
      this.#mirror.failed(this.#permit, new UpstreamFailure('timeout', `${host}: no answer within ${silentMs} ms`));
      this.#hasFailed = true;
    }, silentMs).unref();
  }

  /** The whole answer is here. */
  succeeded(): void {
    clearTimeout(this.#timer);
    if (this.#hasFailed) this.#mirror.answeredLate(performance.now() - this.#sentAt!);
    else this.#mirror.succeeded(this.#permit);
  }

  failed(failure: UpstreamFailure): void {
    clearTimeout(this.#timer);
    // The same request counts once; a wish to be left alone is heard at any time.
    if (!this.#hasFailed || failure.pauseMs !== undefined) this.#mirror.failed(this.#permit, failure);
  }

  /** Nobody wants its answer any more. */
  abandoned(): void {
    clearTimeout(this.#timer);
    if (!this.#hasFailed) this.#mirror.abandoned(this.#permit);
  }
}

export class Mirror implements Candidate {
  readonly url: string;
  readonly credentials: Credentials | undefined;
  readonly #now: () => number;
  readonly #onEvent: ((event: MirrorEvent) => void) | undefined;
  readonly #breaker: Breaker;
  readonly #invalid = new Map<string, number>();
  #demotedUntil = 0;
  /** How long the last answer took that came too late for its client, and when that was. */
  #lateMs = 0;
  #lateAt = Number.NEGATIVE_INFINITY;
  #lastSuccess: number | undefined;
  #lastFailure: MirrorStatus['lastFailure'];
  #lastRefusal: MirrorStatus['lastRefusal'];
  #latencyMs: number | undefined;
  #lastMeasured = Number.NEGATIVE_INFINITY;
  #lastAsked: number | undefined;

  constructor(options: MirrorOptions) {
    this.url = options.url;
    this.credentials = options.credentials;
    this.#now = options.now;
    this.#onEvent = options.onEvent;
    this.#breaker = new Breaker(options);
  }

  /** The right to ask it once; undefined while its circuit is open. */
  begin(): Permit | undefined {
    const permit = this.#breaker.begin();
    if (permit !== undefined) this.#lastAsked = this.#now();
    return permit;
  }

  get nextTry(): number {
    return this.#breaker.nextTry;
  }

  get isDemoted(): boolean {
    return this.#now() < this.#demotedUntil;
  }

  get latencyMs(): number | undefined {
    return this.#latencyMs;
  }

  get lastAsked(): number | undefined {
    return this.#lastAsked;
  }

  /**
   * The head of an answer came that long after its request; opening the connection does not count, for a mirror that is
   * asked rarely would look slow because of it.
   */
  answered(latencyMs: number): void {
    const now = this.#now();
    const before = this.#latencyMs ?? latencyMs;
    const weight = now - this.#lastMeasured >= REMEASURE_MS ? 1 : LATENCY_WEIGHT;
    this.#latencyMs = before + weight * (latencyMs - before);
    this.#lastMeasured = now;
  }

  succeeded(permit: Permit): void {
    this.#watchClosing(() => this.#breaker.succeeded(permit));
  }

  /** How long a request may take before it speaks against the mirror, in milliseconds. */
  get silentMs(): number {
    return this.#now() - this.#lateAt < KNOWN_SLOW_MS ? Math.max(SILENT_MS, 1.5 * this.#lateMs) : SILENT_MS;
  }

  /** A whole answer came that many milliseconds after its request, which had been given up for lost. */
  answeredLate(tookMs: number): void {
    this.#lateMs = tookMs;
    this.#lateAt = this.#now();
    this.#watchClosing(() => this.#breaker.answeredLate());
  }

  /** Any failure: what it means for the circuit follows from its kind. A client error is a sign of life. */
  failed(permit: Permit, failure: UpstreamFailure): void {
    // It was not reached, for reasons of our own.
    if (failure.kind === 'aborted' || failure.kind === 'crowded') {
      this.#breaker.abandoned(permit);
      return;
    }
    this.#lastFailure = { kind: failure.kind, time: this.#now() };
    if (failure.pauseMs !== undefined) {
      const { kind, pauseMs } = failure;
      const isNews = this.#breaker.state !== 'open';
      this.#breaker.pause(pauseMs);
      if (isNews) this.#onEvent?.({ kind: 'paused', mirror: this.url, reason: kind, pauseMs });
    } else if (isUnhealthy(failure)) {
      this.#watchOpening(failure.kind, () => this.#breaker.failed(permit));
    } else {
      this.#breaker.succeeded(permit);
    }
  }

  abandoned(permit: Permit): void {
    this.#breaker.abandoned(permit);
  }

  /** Another mirror that was asked seconds later answered first; this one has kept silent for `silentMs`. */
  overtaken(silentMs: number): void {
    this.answered(silentMs);
    this.#demotedUntil = Math.max(this.#demotedUntil, this.#now() + DEMOTED_MS);
  }

  /** Its page cannot be accepted. */
  setAside(reason: Refusal): void {
    const time = this.#now();
    this.#demotedUntil = time + SET_ASIDE_MS;
    this.#lastRefusal = { reason, time };
    this.#onEvent?.({ kind: 'set-aside', mirror: this.url, refusal: reason });
  }

  /** What it sent was a page: it is no portal, and those that were none are faults of single projects. */
  validPage(): void {
    this.#invalid.clear();
  }

  /** What it sent for this project was no page. */
  invalidPage(project: string): void {
    const now = this.#now();
    this.#invalid.delete(project);
    this.#invalid.set(project, now);
    for (const [name, time] of this.#invalid) if (now - time >= INVALID_WINDOW_MS) this.#invalid.delete(name);
    if (this.#invalid.size < INVALID_PROJECTS) return;
    this.#invalid.clear();
    this.#lastFailure = { kind: 'invalid-body', time: now };
    this.#watchOpening('invalid-body', () => this.#breaker.trip());
  }

  status(leads: boolean): MirrorStatus {
    return {
      url: this.url,
      state: this.#breaker.state,
      since: this.#breaker.since,
      nextTry: this.#breaker.nextTry,
      lastSuccess: this.#lastSuccess,
      lastFailure: this.#lastFailure,
      lastRefusal: this.#lastRefusal,
      latencyMs: this.#latencyMs,
      leads,
    };
  }

  #watchClosing(change: () => void): void {
    this.#lastSuccess = this.#now();
    const before = this.#breaker.state;
    change();
    if (before !== 'closed' && this.#breaker.state === 'closed') this.#onEvent?.({ kind: 'closed', mirror: this.url });
  }

  #watchOpening(reason: FailureKind, change: () => void): void {
    const wasClosed = this.#breaker.state === 'closed';
    change();
    if (wasClosed && this.#breaker.state !== 'closed') this.#onEvent?.({ kind: 'opened', mirror: this.url, reason });
  }
}
