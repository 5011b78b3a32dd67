// The one flow by which everything stored is read: look up, decide (RFC 9111 4), and where the copy does not do, one
// flight upstream for all who wait. A failed flight never changes what is stored.

import { GatewayTimeout, UpstreamFailure } from '../errors.ts';
import type { Answer, Forward, Outcome, StaleReason } from './answer.ts';
import type { Blob } from './blob-store.ts';
import { parseDigest } from './digest.ts';
import { MemoryBlob } from './disk-blobs.ts';
import type { Entry, EntryRecord } from './entry.ts';
import { Flight, type FlightTools, type Landing } from './flight.ts';
import { currentAgeSeconds, remainingSeconds } from './freshness/age.ts';
import { type Verdict, verdict } from './freshness/reuse.ts';
import { staleAllowed, type UpstreamTrouble } from './freshness/stale.ts';
import { storedFields } from './freshness/storable.ts';
import { selectVariant } from './freshness/vary.ts';
import type { Resource } from './profile.ts';
import { described, ownedName, withVariant } from './record.ts';
import { RefreshAhead } from './refresh-ahead.ts';
import { RetrySchedule } from './retry-schedule.ts';

export interface ReadOptions {
  /** The client insists on a validated answer: at most once in five seconds per key, else ignored. */
  readonly insist?: boolean;
  /** Overrides the profile's patience; Infinity waits for the flight. */
  readonly patienceMs?: number;
}

/** How often a client may force a revalidation of one key. */
const INSIST_INTERVAL_MS = 5_000;
/** How long an unshareable answer keeps requests for its key from waiting for one another. */
const UNSHAREABLE_MS = 60_000;
const MAX_UNSHAREABLE = 10_000;
/** A reader without a copy waits at most this long for a body that is read whole; its flight goes on (design: 10 s). */
const LONGEST_WAIT_MS = 9_800;
/** Stored so far in the future: the clock was set back, and the copy's age is not known. */
const CLOCK_SLACK_MS = 60_000;

interface Running {
  readonly flight: Flight;
  readonly landing: Promise<Landing>;
  /** Milliseconds on the monotonic clock. */
  readonly startedAt: number;
}

interface Joined {
  readonly landing: Promise<Landing>;
  readonly startedAt: number;
  /** Whether another reader started it. */
  readonly collapsed: boolean;
}

export class ReadThrough {
  readonly #tools: FlightTools;
  readonly #running = new Map<string, Running>();
  readonly #retries: RetrySchedule;
  readonly #ahead: RefreshAhead;
  readonly #unshareable = new Map<string, number>();
  readonly #onCollapsed: (resource: Resource) => void;

  constructor(
    tools: FlightTools & { readonly random: () => number; readonly onCollapsed: (resource: Resource) => void },
  ) {
    this.#tools = tools;
    this.#onCollapsed = tools.onCollapsed;
    this.#retries = new RetrySchedule(tools);
    this.#ahead = new RefreshAhead({
      now: tools.now,
      random: tools.random,
      refresh: (resource) => void this.#refreshAhead(resource).catch(() => {}),
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
    const record = await this.#lookUp(resource);
    const now = this.#tools.now();
    const decided = decide(resource, record?.variants ?? [], now);
    switch (decided.kind) {
      case 'fresh':
        return options.insist === true && this.#mayInsist(decided.entry, now)
          ? this.#revalidate(resource, record, decided.entry, 'request', options)
          : this.#hit(resource, decided.entry, now);
      case 'stale-while-revalidate':
        this.#refresh(resource, record, decided.entry);
        return this.#stale(resource, decided.entry, 'refreshing');
      case 'revalidate':
        return this.#revalidate(resource, record, decided.entry, decided.forward, options);
      case 'miss':
        return this.#take(resource, record, undefined, this.#join(resource, record, undefined), decided.forward);
      case 'unavailable':
        throw new GatewayTimeout('The request asks for a stored answer only, and none may be used.');
    }
  }

  /** What is stored for the request, usable or not; asks nobody. */
  async held(resource: Resource): Promise<Entry | undefined> {
    const record = await this.#tools.entries.get(resource.key);
    return selectVariant(resource.request, record?.variants ?? []);
  }

  /** The body of a stored entry; undefined when it is lost or damaged, and then `heal` gets it again. */
  async open(resource: Resource, entry: Entry): Promise<Blob | undefined> {
    const reference = entry.body;
    if (reference === undefined) return undefined;
    const recent = this.#tools.recent.get(reference.digest);
    if (recent !== undefined) return new MemoryBlob(reference.digest, recent);
    const { body } = resource.profile;
    if (body.kind === 'streamed' && body.shared) return this.#tools.blobs.open(reference.digest);
    const owned = await this.#tools.blobs.openOwned(ownedName(resource.key, entry));
    if (owned?.blob.digest === reference.digest) return owned.blob;
    owned?.blob.release();
    const shared = await this.#tools.entries.getSharedBody(reference.digest);
    if (shared === undefined) return undefined;
    this.#tools.recent.add(reference.digest, shared);
    return new MemoryBlob(reference.digest, shared);
  }

  /** Forgets an entry whose body is gone and reads the resource anew. */
  async heal(resource: Resource, entry: Entry): Promise<Answer> {
    const record = await this.#tools.entries.get(resource.key);
    const variants = (record?.variants ?? []).filter((variant) => variant.body?.digest !== entry.body?.digest);
    // Without any record the body on disk is asked what it is: after a crash it may be newer than its entry was.
    if (variants.length === 0) await this.#tools.entries.delete(resource.key);
    else await this.#tools.entries.set(resource.key, { format: 1, variants });
    return this.read(resource);
  }

  /** Forgets everything under the key, by an operator's order. */
  async purge(key: string): Promise<void> {
    const record = await this.#tools.entries.get(key);
    await this.#tools.entries.delete(key);
    this.#ahead.forget(key);
    this.#retries.succeeded(key);
    for (const entry of record?.variants ?? []) await this.#tools.blobs.removeOwned(ownedName(key, entry));
    await this.#tools.blobs.removeOwned(key);
  }

  /** Upstream requests under way. */
  get flights(): number {
    return this.#running.size;
  }

  close(): void {
    this.#ahead.close();
    for (const { flight } of this.#running.values()) flight.abort();
  }

  async #lookUp(resource: Resource): Promise<EntryRecord | undefined> {
    const record = await this.#tools.entries.get(resource.key);
    if (record !== undefined) return record;
    const { body } = resource.profile;
    if (body.kind === 'streamed' && body.shared) return this.#adoptBlob(resource);
    // The entry store may have lost what the body still says of itself.
    const owned = await this.#tools.blobs.openOwned(resource.key);
    // What a flight stored while the disk was asked is newer, and a second flight would be one too many.
    const stored = this.#tools.entries.peek(resource.key);
    if (owned === undefined) return stored;
    owned.blob.release();
    if (stored !== undefined) return stored;
    const recovered = described(resource.key, owned.description);
    if (recovered !== undefined) await this.#tools.entries.set(resource.key, recovered);
    return recovered;
  }

  /** A file whose bytes are here under the digest that the page gives needs no upstream, whatever was forgotten. */
  async #adoptBlob(resource: Resource): Promise<EntryRecord | undefined> {
    const digest = resource.expected?.algorithm === 'sha256' ? parseDigest(resource.expected.hex) : undefined;
    const blob = digest === undefined ? undefined : await this.#tools.blobs.open(digest);
    if (blob === undefined) return undefined;
    const now = this.#tools.now();
    const head = { status: 200, fields: [] };
    const entry: Entry = {
      status: 200,
      fields: storedFields({ status: 200, fields: resource.profile.grant(head) }),
      url: resource.request.url,
      requestTime: now,
      responseTime: now,
      varying: [],
      source: 'stored',
      body: { digest: blob.digest, sizeBytes: blob.sizeBytes, verified: true },
      facts: null,
    };
    blob.release();
    const record = withVariant(undefined, undefined, entry);
    await this.#tools.entries.set(resource.key, record);
    return record;
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
      if (remainingSeconds(entry, this.#tools.now(), resource.profile.rules) > 0) throw failure.cause;
    }
    const joined = this.#join(resource, record, entry);
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
      throw failure.cause;
    }
    return this.#take(resource, record, entry, joined, forward);
  }

  #refresh(resource: Resource, record: EntryRecord | undefined, entry: Entry): void {
    if (this.#retries.isWaiting(resource.key)) return;
    const joined = this.#join(resource, record, entry);
    if (!joined.collapsed) joined.landing.then(drop, () => {});
  }

  async #refreshAhead(resource: Resource): Promise<void> {
    const record = await this.#lookUp(resource);
    const entry = selectVariant(resource.request, record?.variants ?? []);
    if (entry !== undefined) this.#refresh(resource, record, entry);
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
      throw error;
    }
    return this.#answer(resource, record, landing, { reason, collapsed: joined.collapsed });
  }

  /** The flight for the key: the one that is under way, or a new one. */
  #join(resource: Resource, record: EntryRecord | undefined, held: Entry | undefined): Joined {
    const alone = (this.#unshareable.get(resource.key) ?? 0) > this.#tools.now();
    const running = alone ? undefined : this.#running.get(resource.key);
    if (running !== undefined) {
      this.#onCollapsed(resource);
      return { landing: running.landing, startedAt: running.startedAt, collapsed: true };
    }
    const startedAt = performance.now();
    const flight = new Flight(this.#tools, resource, { record: this.#believed(resource.key, record), held });
    const landing = this.#land(resource, flight, startedAt);
    if (!alone) {
      const started = { flight, landing, startedAt };
      this.#running.set(resource.key, started);
      const done = () => {
        if (this.#running.get(resource.key) === started) this.#running.delete(resource.key);
      };
      // A flight whose body still grows can be joined until it has arrived.
      landing.then((landed) => (landed.kind === 'growing' ? landed.arrived.then(done, done) : done()), done);
    }
    return { landing, startedAt, collapsed: false };
  }

  /**
   * The record as a flight shall see it. A claim that contradicts the copy has to be repeated without a failure in
   * between: what an upstream says right after an outage begins the count anew (F11).
   */
  #believed(key: string, record: EntryRecord | undefined): EntryRecord | undefined {
    const failed = this.#retries.lastFailure(key)?.cause instanceof UpstreamFailure;
    return record?.doubt !== undefined && failed ? { format: 1, variants: record.variants } : record;
  }

  async #land(resource: Resource, flight: Flight, startedAt: number): Promise<Landing> {
    // A copy that is stale here may have been validated by another node a moment ago.
    const shared = await this.#fromPeers(resource);
    if (shared !== undefined) return shared;
    try {
      const landing = await flight.land();
      if (landing.kind === 'kept') {
        this.#retries.failed(resource.key, { cause: landing.reason, slow: false }, landing.retryAfterMs);
      } else this.#retries.succeeded(resource.key);
      if (landing.kind === 'stored' && resource.profile.refreshAhead) {
        const remaining = remainingSeconds(landing.entry, this.#tools.now(), resource.profile.rules);
        this.#ahead.validated(resource, remaining * 1000);
      }
      if (landing.kind === 'passing') this.#remember(resource.key);
      return landing;
    } catch (error) {
      const slow = performance.now() - startedAt > resource.profile.patienceMs;
      this.#retries.failed(resource.key, { cause: error, slow });
      throw error;
    }
  }

  /** What another node stored, when it is fresh; it then becomes ours. */
  async #fromPeers(resource: Resource): Promise<Landing | undefined> {
    const record = await this.#tools.entries.getShared(resource.key);
    if (record === undefined) return undefined;
    const decided = verdict(resource.request, record.variants, this.#tools.now(), resource.profile.rules);
    if (decided.kind !== 'fresh') return undefined;
    const { entry } = decided;
    const body = entry.body === undefined ? undefined : await this.open(resource, entry);
    if (entry.body !== undefined && body === undefined) return undefined;
    body?.release();
    await this.#tools.entries.set(resource.key, record);
    return { kind: 'stored', outcome: 'revalidated', entry };
  }

  #remember(key: string): void {
    this.#unshareable.set(key, this.#tools.now() + UNSHAREABLE_MS);
    if (this.#unshareable.size > MAX_UNSHAREABLE) this.#unshareable.delete(this.#unshareable.keys().next().value!);
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
          forward: { ...how, stored: true, status: landing.entry.status },
        };
      }
      case 'passing':
        // Only who started the flight may have the body; the others ask for themselves, all at once.
        if (how.collapsed) return this.#fetchAlone(resource, record, how.reason);
        return {
          ...this.#state(resource, passingEntry(landing), 'passthrough', now),
          passing: landing.response,
          forward: { ...how, stored: false, status: landing.response.status },
        };
    }
  }

  async #fetchAlone(resource: Resource, record: EntryRecord | undefined, reason: Forward['reason']): Promise<Answer> {
    const landing = await new Flight(this.#tools, resource, { record, held: undefined }).land();
    return this.#answer(resource, record, landing, { reason, collapsed: false });
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

/** The verdict on what is stored. A page's age by a clock that was set back is unknown: it is asked about. */
function decide(resource: Resource, variants: readonly Entry[], now: number): Verdict<Entry> {
  const { rules, body } = resource.profile;
  const decided = verdict(resource.request, variants, now, rules);
  const isFuture = decided.kind === 'fresh' && decided.entry.responseTime - now > CLOCK_SLACK_MS;
  return isFuture && body.kind === 'whole' ? { kind: 'revalidate', entry: decided.entry, forward: 'stale' } : decided;
}

/** Why the copy is served without asking: upstream failed a moment ago, or contradicted it and is to say so again. */
function backOffReason(cause: unknown): StaleReason {
  return typeof cause === 'string' ? 'unconfirmed' : 'back-off';
}

/**
 * What a failed or blocked flight says about upstream. A status that the profile calls a failure is as good as no
 * answer: what it means for stale copies was decided where it was called so. Undefined when it is no failure of
 * upstream's, and nothing may hide it.
 */
function troubleOf(cause: unknown): UpstreamTrouble | undefined {
  return typeof cause === 'string' || cause instanceof UpstreamFailure ? { kind: 'disconnected' } : undefined;
}

/** Whether the flight lands, or fails, in time. */
async function landsWithin(landing: Promise<Landing>, ms: number): Promise<boolean> {
  if (ms <= 0) return false;
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), ms);
  const landed = () => resolve(true);
  landing.then(landed, landed);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}

/** The landing of a flight that nobody waited for: an answer that may not be stored ends here. */
function drop(landing: Landing): void {
  if (landing.kind === 'passing') landing.response.body.destroy();
}

function passingEntry(landing: Extract<Landing, { kind: 'passing' }>): Entry {
  const { response } = landing;
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
