// One of the equivalent servers of an index: its health, and what the status page says of it.

import { Breaker, type BreakerState, type Permit } from '../core/breaker.ts';
import { type FailureKind, UpstreamFailure } from '../core/errors.ts';
import { isUnhealthy } from '../net/failures.ts';
import { type Candidate, REMEASURE_MS } from './mirror-order.ts';
import { Witnesses } from './witnesses.ts';

/** Projects whose pages are left alone because their answer asked for it; beyond it the oldest is forgotten. */
const MAX_PAUSED = 1_000;

/** A mirror that lost against a hedge is asked after the others for that long. */
const DEMOTED_MS = 30_000;

/** The share of the newest latency in the average; all of it when the one before is too old to say anything. */
const LATENCY_WEIGHT = 0.2;

/** A mirror whose page was refused is asked after the others for that long. */
const SET_ASIDE_MS = 300_000;

/** Why a mirror's page was refused: older than ours, another hash, files or the whole project gone, a serial beyond belief. */
export const REFUSALS = ['lagging', 'changed-hash', 'files-left', 'missing', 'serial-jump'] as const;
/** A probe's answer is waited for so long before one looks again, at nobody's expense. */
const PROBE_ANSWERS_MS = 1_000;

/** A request that takes longer speaks against the mirror: by then a client without a copy is told to come back. */
const SILENT_MS = 9_200;
/** How long it is remembered that a mirror answers later than that. */
const KNOWN_SLOW_MS = 600_000;

/** Why a mirror's page was refused. */
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

/** What the status page says of a mirror; times in milliseconds since the epoch. */
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

/** The base URL, the clock and the spread in [0, 1). */
export interface MirrorOptions {
  /** The base of its simple API, with the final slash. */
  readonly url: string;
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
  readonly #subject: string;
  readonly #onFailed: () => void;
  #sentAt: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #hasFailed = false;

  /** `subject`: whose page is asked for. `onFailed` is told of each failure that counted against the mirror. */
  constructor(mirror: Mirror, permit: Permit, subject: string, onFailed: () => void) {
    this.#mirror = mirror;
    this.#permit = permit;
    this.#subject = subject;
    this.#onFailed = onFailed;
  }

  /** It went out now; what it waited for in our own queue is not the mirror's fault. */
  sent(host: string): void {
    if (this.#sentAt !== undefined) return;
    this.#sentAt = performance.now();
    const { silentMs } = this.#mirror;
    this.#timer = setTimeout(() => {
      this.#count(new UpstreamFailure('timeout', `${host}: no answer within ${silentMs} ms`));
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
    if (!this.#hasFailed || failure.pauseMs !== undefined) this.#count(failure);
  }

  #count(failure: UpstreamFailure): void {
    this.#mirror.failed(this.#permit, failure, this.#subject);
    this.#onFailed();
  }

  /** Nobody wants its answer any more. */
  abandoned(): void {
    clearTimeout(this.#timer);
    if (!this.#hasFailed) this.#mirror.abandoned(this.#permit);
  }
}

/** One mirror: its circuit, latency and last failure. */
export class Mirror implements Candidate {
  readonly url: string;
  readonly #now: () => number;
  readonly #onEvent: ((event: MirrorEvent) => void) | undefined;
  readonly #breaker: Breaker;
  readonly #witnesses = new Witnesses();
  /** Until when a subject is left alone, by its own wish; milliseconds since the epoch. */
  readonly #paused = new Map<string, number>();
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
    this.#now = options.now;
    this.#onEvent = options.onEvent;
    this.#breaker = new Breaker(options);
  }

  /** The right to ask it once about that subject; undefined while its circuit is open or the subject is left alone. */
  begin(subject: string): Permit | undefined {
    if ((this.#paused.get(subject) ?? 0) > this.#now()) return undefined;
    return this.#begin();
  }

  /** The right to probe it with something neutral; undefined when it is not time for a probe. */
  beginProbe(): Permit | undefined {
    return this.#breaker.state === 'half-open' ? this.#begin() : undefined;
  }

  #begin(): Permit | undefined {
    const permit = this.#breaker.begin();
    if (permit !== undefined) this.#lastAsked = this.#now();
    return permit;
  }

  /**
   * When it may be asked about the subject. While a probe is under way that is soon: its answer decides, and not the
   * time when it would count as lost.
   */
  nextTry(subject: string): number {
    const breaker = this.#breaker.isProbing ? this.#now() + PROBE_ANSWERS_MS : this.#breaker.nextTry;
    return Math.max(breaker, this.#paused.get(subject) ?? 0);
  }

  /** Whether a probe is due and this subject would be a bad one, for it failed itself. */
  needsNeutralProbe(subject: string): boolean {
    return this.#breaker.state === 'half-open' && !this.#breaker.isProbing && this.#witnesses.isAgainst(subject);
  }

  /** Whether so many distinct subjects failed that the server itself may be what fails. */
  get isSuspect(): boolean {
    return this.#breaker.state === 'closed' && this.#witnesses.isSuspect(this.#now());
  }

  /** Paths that were well lately. */
  get neutralPaths(): string[] {
    return this.#witnesses.neutral;
  }

  /** Nothing neutral is well either: the server is what fails. It may have asked to be left alone for `pauseMs`. */
  trip(pauseMs: number): void {
    this.#watchOpening(this.#lastFailure?.kind ?? 'status', () => {
      this.#breaker.trip();
      if (pauseMs > 0) this.#breaker.pause(pauseMs);
    });
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

  /** The answer came whole. Whether a body is what was asked for, `valid` or `invalid` says later. */
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
    this.#witnesses.answered();
  }

  /** What was asked for at that path is here, and right: the server works. */
  valid(subject: string, path: string): void {
    this.#witnesses.good(subject, path);
  }

  /** It said that there is nothing, or something else that only a working server says. */
  answeredForItself(): void {
    this.#witnesses.answered();
  }

  /**
   * Any failure: what it means for the circuit follows from its kind. 429 is about us and pauses everything of this kind;
   * a 503 that asks for a pause may be one project's trouble, and pauses that, unless a neutral probe got it (`subject` is
   * undefined then). A client error is a sign of life.
   */
  failed(permit: Permit, failure: UpstreamFailure, subject: string | undefined): void {
    // It was not reached, for reasons of our own.
    if (failure.kind === 'aborted' || failure.kind === 'crowded') {
      this.#breaker.abandoned(permit);
      return;
    }
    this.#lastFailure = { kind: failure.kind, time: this.#now() };
    if (failure.pauseMs !== undefined && (failure.upstreamStatus === 429 || subject === undefined)) {
      const { kind, pauseMs } = failure;
      const isNews = this.#breaker.state !== 'open';
      this.#breaker.pause(pauseMs);
      if (isNews) this.#onEvent?.({ kind: 'paused', mirror: this.url, reason: kind, pauseMs });
    } else if (isUnhealthy(failure) || failure.kind === 'invalid-body') {
      this.#breaker.failed(permit);
      if (subject === undefined) return;
      this.#witnesses.bad(subject, this.#now());
      if (failure.pauseMs !== undefined) this.#pause(subject, failure.pauseMs);
    } else {
      this.#breaker.succeeded(permit);
      this.#witnesses.answered();
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

  /** What it sent for this subject was not what was asked for. */
  invalid(subject: string): void {
    const time = this.#now();
    this.#lastFailure = { kind: 'invalid-body', time };
    this.#witnesses.bad(subject, time);
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

  #pause(subject: string, pauseMs: number): void {
    this.#paused.delete(subject);
    this.#paused.set(subject, this.#now() + pauseMs);
    if (this.#paused.size > MAX_PAUSED) this.#paused.delete(this.#paused.keys().next().value!);
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
