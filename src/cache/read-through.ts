// The one flow by which everything stored is read: look up, decide (RFC 9111 4), and where the copy does not do, one
// flight upstream for all who wait. A failed flight never changes what is stored.

import { GatewayTimeout, UpstreamFailure } from '../errors.ts';
import type { IncomingResponse } from '../http-message.ts';
import type { Answer, Forward, Outcome, StaleReason } from './answer.ts';
import type { Blob } from './blob-store.ts';
import type { Entry, EntryRecord } from './entry.ts';
import type { FlightTools, Landing } from './flight.ts';
import { drop, Flights, type Joined, landsWithin } from './flights.ts';
import { currentAgeSeconds, remainingSeconds } from './freshness/age.ts';
import type { TimedHead } from './freshness/rules.ts';
import { needsUpstream, staleAllowed, type UpstreamTrouble } from './freshness/stale.ts';
import { storedFields } from './freshness/storable.ts';
import { selectVariant } from './freshness/vary.ts';
import type { Resource } from './profile.ts';
import { RefreshAhead } from './refresh-ahead.ts';
import { RetrySchedule } from './retry-schedule.ts';
import { StoredByOthers } from './stored-by-others.ts';
import { StoredCopies } from './stored-copies.ts';
import type { TurnsOptions } from './turns.ts';
import { decide } from './verdict-on-copies.ts';

export interface ReadOptions {
  /** The client insists on a validated answer: at most once in five seconds per key, else ignored. */
  readonly insist?: boolean;
  /** Overrides the profile's patience; Infinity waits for the flight. */
  readonly patienceMs?: number;
  /** The request is its sender's alone (it carries credentials, or forbids storing): no flight is shared. */
  readonly alone?: boolean;
}

/** How often a client may force a revalidation of one key. */
const INSIST_INTERVAL_MS = 5_000;
/** A reader without a copy waits at most this long for a body that is read whole; its flight goes on (design: 10 s). */
const LONGEST_WAIT_MS = 9_800;

export class ReadThrough {
  readonly #tools: FlightTools;
  readonly #copies: StoredCopies;
  readonly #flights: Flights;
  readonly #retries: RetrySchedule;
  readonly #ahead: RefreshAhead;

  constructor(
    tools: FlightTools & {
      readonly random: () => number;
      readonly onCollapsed: (resource: Resource) => void;
      /** Where turns to ask upstream are given out, beyond this process. */
      readonly leases?: TurnsOptions;
    },
  ) {
    this.#tools = tools;
    const others = new StoredByOthers(tools);
    this.#copies = new StoredCopies(tools, others);
    this.#retries = new RetrySchedule(tools);
    this.#ahead = new RefreshAhead({
      now: tools.now,
      random: tools.random,
      refresh: (resource) => void this.#refreshAhead(resource).catch(() => {}),
    });
    this.#flights = new Flights({
      tools,
      others,
      retries: this.#retries,
      ahead: this.#ahead,
      onCollapsed: tools.onCollapsed,
      leases: tools.leases ?? {},
    });
  }

  /** The answer when memory holds a fresh copy: no I/O and no waiting, for the hot path. */
  peek(resource: Resource): Answer | undefined {
    const record = this.#tools.entries.peek(resource.key);
    if (record === undefined) return undefined;
    const now = this.#tools.now();
    const decided = decide(resource, record.variants, now);
    return decided.kind === 'fresh' ? this.#hit(resource, decided.entry, now) : undefined;
  }

  /**
   * Reads the resource. Rejects with an UpstreamFailure when upstream is needed and fails and no copy may be served,
   * with GatewayTimeout when the request forbids asking upstream (only-if-cached) or the copy forbids being stale.
   */
  async read(resource: Resource, options: ReadOptions = {}): Promise<Answer> {
    const { record, decided, now } = await this.#consult(resource);
    switch (decided.kind) {
      case 'fresh':
        return options.insist === true && this.#mayInsist(decided.entry, now)
          ? this.#revalidate(resource, record, decided.entry, 'request', options)
          : this.#hit(resource, decided.entry, now);
      case 'stale-while-revalidate':
        return this.#whileRefreshing(resource, record, decided.entry);
      case 'revalidate':
        return this.#revalidate(resource, record, decided.entry, decided.forward, options);
      case 'miss': {
        const joined = this.#flights.join(resource, record, undefined, options.alone);
        return this.#take(resource, record, undefined, joined, decided.forward);
      }
      case 'unavailable':
        throw new NoUsableCopy();
    }
  }

  /** The answer from what is stored, where the rules allow it without upstream; undefined otherwise. */
  async readStored(resource: Resource): Promise<Answer | undefined> {
    const { record, decided, now } = await this.#consult(resource);
    switch (decided.kind) {
      case 'fresh':
        return this.#hit(resource, decided.entry, now);
      case 'stale-while-revalidate':
        return this.#whileRefreshing(resource, record, decided.entry);
      case 'revalidate':
      case 'miss':
        return undefined;
      case 'unavailable':
        throw new NoUsableCopy();
    }
  }

  /** The held copy in place of what upstream failed to give; undefined where that is not allowed. */
  standIn(resource: Resource, held: Entry, trouble: UpstreamTrouble, cause?: unknown): Answer | undefined {
    return this.#mayServe(resource, held, trouble) ? this.#stale(resource, held, 'failure', cause) : undefined;
  }

  /** What is stored for the request, usable or not; asks nobody. */
  held(resource: Resource): Promise<Entry | undefined> {
    return this.#copies.held(resource);
  }

  /** The body of a stored entry; undefined when it is lost or damaged, and then `heal` gets it again. */
  open(resource: Resource, entry: Entry): Promise<Blob | undefined> {
    return this.#copies.open(resource, entry);
  }

  /** Forgets an entry whose body is gone and reads the resource anew. */
  async heal(resource: Resource, entry: Entry): Promise<Answer> {
    await this.#copies.dropLost(resource, entry);
    return this.read(resource);
  }

  /** RFC 9111 4.3.5: what a 200 to HEAD says of the response that is held for GET updates it, or drops it. */
  learnFromHead(resource: Resource, held: Entry, head: TimedHead): Promise<void> {
    return this.#copies.learnFromHead(resource, held, head);
  }

  /** Forgets everything under the key: by an operator's order, or because it was written to (RFC 9111 4.4). */
  async purge(key: string): Promise<void> {
    // Who asks from now on gets an answer of after the change.
    this.#flights.overtake(key);
    this.#ahead.forget(key);
    this.#retries.succeeded(key);
    await this.#copies.forget(key);
  }

  /** How the last try of a key failed and whether it is too early for the next; undefined when it did not fail. */
  trouble(key: string): { readonly cause: unknown; readonly waiting: boolean } | undefined {
    const failure = this.#retries.lastFailure(key);
    return failure === undefined ? undefined : { cause: failure.cause, waiting: this.#retries.isWaiting(key) };
  }

  /** Upstream requests under way. */
  get flights(): number {
    return this.#flights.count;
  }

  close(): void {
    this.#ahead.close();
    this.#flights.close();
  }

  /** Looks up what is stored and asks the rules what it is good for. */
  async #consult(resource: Resource) {
    await this.#flights.inPlace(resource.key);
    const record = await this.#copies.lookUp(resource);
    const now = this.#tools.now();
    return { record, decided: decide(resource, record?.variants ?? [], now), now };
  }

  #whileRefreshing(resource: Resource, record: EntryRecord | undefined, entry: Entry): Answer {
    this.#refresh(resource, record, entry);
    return this.#stale(resource, entry, 'refreshing');
  }

  #mayInsist(entry: Entry, now: number): boolean {
    return now - entry.responseTime >= INSIST_INTERVAL_MS;
  }

  #hit(resource: Resource, entry: Entry, now: number): Answer {
    const remaining = remainingSeconds(entry, now, resource.profile.rules);
    if (resource.profile.refreshAhead) this.#ahead.asked(resource, remaining * 1000);
    return { outcome: 'hit', entry, ageSeconds: currentAgeSeconds(entry, now), remainingSeconds: remaining };
  }

  /** Asks whether the copy still holds; serves it when upstream is slow or failing and the rules allow that. */
  async #revalidate(
    resource: Resource,
    record: EntryRecord | undefined,
    entry: Entry,
    forward: Forward['reason'],
    options: ReadOptions,
  ): Promise<Answer> {
    const failure = this.#retries.lastFailure(resource.key);
    if (failure !== undefined && this.#retries.isWaiting(resource.key)) {
      if (this.#mayServe(resource, entry, troubleOf(failure.cause))) {
        return this.#stale(resource, entry, backOffReason(failure.cause), failure.cause);
      }
      // Asked again only because the client insists: not before its time.
      const fresh = remainingSeconds(entry, this.#tools.now(), resource.profile.rules) > 0;
      if (fresh && forward === 'request') throw failure.cause;
    }
    const joined = this.#flights.join(resource, record, entry, options.alone);
    const patienceMs = options.patienceMs ?? resource.profile.patienceMs;
    if (!Number.isFinite(patienceMs)) return this.#take(resource, record, entry, joined, forward);
    if (this.#mayServe(resource, entry, { kind: 'slow' })) {
      // Nobody waits twice: not for a flight that others have waited for, not for an upstream that was slow in vain
      // before, and not for a refresh that stands in the queue.
      const known = failure?.slow === true || this.#ahead.pending(resource.key);
      const waitMs = known ? 0 : patienceMs - (performance.now() - joined.startedAt);
      if (!(await landsWithin(joined.landing, waitMs))) {
        if (!joined.collapsed) joined.landing.then(drop, () => {});
        return this.#stale(resource, entry, known ? 'refreshing' : 'patience');
      }
    } else if (failure?.cause instanceof UpstreamFailure && !(await landsWithin(joined.landing, patienceMs))) {
      // A stored "there is none" may not stand in for upstream, but neither is known trouble waited out for it.
      if (!joined.collapsed) joined.landing.then(drop, () => {});
      throw this.#nothingInStead(resource, entry, failure.cause);
    }
    return this.#take(resource, record, entry, joined, forward);
  }

  #refresh(resource: Resource, record: EntryRecord | undefined, entry: Entry): void {
    if (this.#retries.isWaiting(resource.key)) return;
    const joined = this.#flights.join(resource, record, entry);
    if (!joined.collapsed) joined.landing.then(drop, () => {});
  }

  async #refreshAhead(resource: Resource): Promise<void> {
    const record = await this.#copies.lookUp(resource);
    const entry = selectVariant(resource.request, record?.variants ?? []);
    if (entry === undefined) return;
    const now = this.#tools.now();
    const remaining = remainingSeconds(entry, now, resource.profile.rules);
    // Another process or node has validated it meanwhile.
    if (remaining > currentAgeSeconds(entry, now)) this.#ahead.validated(resource, remaining * 1000);
    else this.#refresh(resource, record, entry);
  }

  /** Turns the landing into this reader's answer, or into the held copy when the flight failed and that is allowed. */
  async #take(
    resource: Resource,
    record: EntryRecord | undefined,
    held: Entry | undefined,
    joined: Joined,
    reason: Forward['reason'],
  ): Promise<Answer> {
    let landing: Landing;
    try {
      if (resource.profile.body.kind === 'whole' && !(await landsWithin(joined.landing, LONGEST_WAIT_MS))) {
        throw new UpstreamFailure('timeout', 'Upstream is slow: what was asked for is still on its way. Ask again.');
      }
      landing = await joined.landing;
    } catch (error) {
      if (held !== undefined && this.#mayServe(resource, held, troubleOf(error))) {
        return this.#stale(resource, held, 'failure', error);
      }
      throw held === undefined ? error : this.#nothingInStead(resource, held, error);
    }
    return this.#answer(resource, record, landing, { reason, collapsed: joined.collapsed });
  }

  #answer(
    resource: Resource,
    record: EntryRecord | undefined,
    landing: Landing,
    how: { readonly reason: Forward['reason']; readonly collapsed: boolean },
  ): Answer | Promise<Answer> {
    const now = this.#tools.now();
    // What answers another request of the same key may not answer this one (RFC 9111 4.1).
    if (how.collapsed && 'entry' in landing && selectVariant(resource.request, [landing.entry]) === undefined) {
      return this.#fetchAlone(resource, record, 'vary-miss');
    }
    switch (landing.kind) {
      case 'stored':
        return {
          ...this.#state(resource, landing.entry, landing.outcome, now),
          ...(how.collapsed || landing.received === undefined ? {} : { received: landing.received }),
          forward: { ...how, stored: true, status: landing.outcome === 'revalidated' ? 304 : landing.entry.status },
        };
      case 'kept':
        return this.#stale(resource, landing.entry, 'unconfirmed', landing.reason);
      case 'growing': {
        if (!landing.body.joinable) return this.#fetchAlone(resource, record, how.reason);
        const arriving = { reader: landing.body.reader(), tag: landing.tag, arrived: landing.arrived };
        return {
          ...this.#state(resource, landing.entry, landing.outcome, now),
          arriving,
          ...(how.collapsed ? {} : { received: landing.received }),
          forward: { ...how, stored: true, status: landing.entry.status },
        };
      }
      case 'passing':
        // Only who started the flight may have the body; the others ask for themselves, all at once.
        if (how.collapsed) return this.#fetchAlone(resource, record, how.reason);
        return this.pass(resource, landing.response, how.reason);
    }
  }

  /** The answer of a response that is not stored. */
  pass(resource: Resource, passing: IncomingResponse, reason: Forward['reason']): Answer {
    return {
      ...this.#state(resource, passingEntry(passing), 'passthrough', this.#tools.now()),
      passing,
      forward: { reason, collapsed: false, stored: false, status: passing.status },
    };
  }

  async #fetchAlone(resource: Resource, record: EntryRecord | undefined, reason: Forward['reason']): Promise<Answer> {
    const landing = await this.#flights.alone(resource, record);
    return this.#answer(resource, record, landing, { reason, collapsed: false });
  }

  /** The error when upstream failed and the copy may not stand in: RFC 9111 5.2.2.2 names it where it forbids that. */
  #nothingInStead(resource: Resource, held: Entry, cause: unknown): unknown {
    if (!(cause instanceof UpstreamFailure) || !needsUpstream(held, resource.profile.rules)) return cause;
    return new GatewayTimeout('Upstream cannot be asked, and what is stored may not be used without asking it.', {
      cause,
    });
  }

  #mayServe(resource: Resource, entry: Entry, trouble: UpstreamTrouble | undefined): boolean {
    return trouble !== undefined && staleAllowed(entry, trouble, this.#tools.now(), resource.profile.rules);
  }

  #stale(resource: Resource, entry: Entry, reason: StaleReason, cause?: unknown): Answer {
    const outcome = reason === 'refreshing' || reason === 'patience' ? 'stale-while-revalidate' : 'stale-if-error';
    const state = this.#state(resource, entry, outcome, this.#tools.now());
    return { ...state, stale: { reason, ...(cause === undefined ? {} : { cause }) } };
  }

  #state(resource: Resource, entry: Entry, outcome: Outcome, now: number): Answer {
    return {
      outcome,
      entry,
      ageSeconds: currentAgeSeconds(entry, now),
      remainingSeconds: remainingSeconds(entry, now, resource.profile.rules),
    };
  }
}

/** Why the copy is served without asking: upstream failed a moment ago, or contradicted it and is to say so again. */
function backOffReason(cause: unknown): StaleReason {
  return typeof cause === 'string' ? 'unconfirmed' : 'back-off';
}

/** RFC 9111 5.2.1.7: the client wants a stored answer or none. */
class NoUsableCopy extends GatewayTimeout {
  constructor() {
    super('The request asks for a stored answer only, and none may be used.');
  }
}

/**
 * What a failed or blocked flight says about upstream. A status that the profile calls a failure is as good as no
 * answer: what it means for stale copies was decided where it was called so. Undefined when it is no failure of
 * upstream's, and nothing may hide it.
 */
function troubleOf(cause: unknown): UpstreamTrouble | undefined {
  return typeof cause === 'string' || cause instanceof UpstreamFailure ? { kind: 'disconnected' } : undefined;
}

function passingEntry(response: IncomingResponse): Entry {
  return {
    status: response.status,
    fields: storedFields(response),
    url: response.url,
    requestTime: response.requestTime,
    responseTime: response.responseTime,
    varying: [],
    source: response.source,
  };
}
