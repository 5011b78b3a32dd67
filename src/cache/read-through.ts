// The one flow by which everything stored is read: look up, decide (RFC 9111 4), and where the copy does not do, one
// flight upstream for all who wait. A failed flight never changes what is stored.

import { GatewayTimeout, UpstreamFailure } from '../errors.ts';
import type { IncomingResponse } from '../http-message.ts';
import type { Answer, Forward, Outcome, StaleReason } from './answer.ts';
import type { Blob } from './blob-store.ts';
import { parseDigest } from './digest.ts';
import type { Entry, EntryRecord } from './entry.ts';
import { Flight, type FlightTools, type Landing } from './flight.ts';
import { currentAgeSeconds, remainingSeconds } from './freshness/age.ts';
import { type Verdict, verdict } from './freshness/reuse.ts';
import type { TimedHead } from './freshness/rules.ts';
import { needsUpstream, staleAllowed, type UpstreamTrouble } from './freshness/stale.ts';
import { storedFields } from './freshness/storable.ts';
import { freshenFromHead } from './freshness/validate.ts';
import { selectVariant } from './freshness/vary.ts';
import type { Resource } from './profile.ts';
import { described, ownedName, withVariant } from './record.ts';
import { RefreshAhead } from './refresh-ahead.ts';
import { RetrySchedule } from './retry-schedule.ts';
import { MemoryBlob } from './stored-blob.ts';
import { StoredByOthers, type StoredLanding } from './stored-by-others.ts';
import { Turns, type TurnsOptions } from './turns.ts';

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
  /** Set once the head is here and while the body arrives. */
  growing?: Extract<Landing, { kind: 'growing' }>;
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
  readonly #others: StoredByOthers;
  readonly #turns: Turns;

  constructor(
    tools: FlightTools & {
      readonly random: () => number;
      readonly onCollapsed: (resource: Resource) => void;
      /** Where turns to ask upstream are given out, beyond this process. */
      readonly leases?: TurnsOptions;
    },
  ) {
    this.#tools = tools;
    this.#onCollapsed = tools.onCollapsed;
    this.#others = new StoredByOthers(tools);
    this.#turns = new Turns(tools.leases ?? {});
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
    await this.#inPlace(resource.key);
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
        return this.#take(
          resource,
          record,
          undefined,
          this.#join(resource, record, undefined, options.alone),
          decided.forward,
        );
      case 'unavailable':
        throw new GatewayTimeout('The request asks for a stored answer only, and none may be used.');
    }
  }

  /** The answer from what is stored, where the rules allow it without upstream; undefined otherwise. */
  async readStored(resource: Resource): Promise<Answer | undefined> {
    await this.#inPlace(resource.key);
    const record = await this.#lookUp(resource);
    const now = this.#tools.now();
    const decided = decide(resource, record?.variants ?? [], now);
    switch (decided.kind) {
      case 'fresh':
        return this.#hit(resource, decided.entry, now);
      case 'stale-while-revalidate':
        this.#refresh(resource, record, decided.entry);
        return this.#stale(resource, decided.entry, 'refreshing');
      case 'unavailable':
        throw new GatewayTimeout('The request asks for a stored answer only, and none may be used.');
      default:
        return undefined;
    }
  }

  /** The held copy in place of what upstream failed to give; undefined where that is not allowed. */
  standIn(resource: Resource, held: Entry, trouble: UpstreamTrouble, cause?: unknown): Answer | undefined {
    return this.#mayServe(resource, held, trouble) ? this.#stale(resource, held, 'failure', cause) : undefined;
  }

  /** RFC 9111 4.3.5: what a 200 to HEAD says of the response that is held for GET updates it, or drops it. */
  async learnFromHead(resource: Resource, held: Entry, head: TimedHead): Promise<void> {
    const { entries, blobs } = this.#tools;
    const update = freshenFromHead(held, head);
    const record = await entries.get(resource.key);
    if (update.kind === 'updated') return entries.set(resource.key, withVariant(record, held, update.entry));
    const variants = (record?.variants ?? []).filter((variant) => variant !== held);
    await entries.set(resource.key, { format: 1, variants });
    await blobs.removeOwned(ownedName(resource.key, held));
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
    const owned = await this.#tools.blobs.openOwned(ownedName(resource.key, entry), reference.digest);
    if (owned?.blob.digest === reference.digest) return owned.blob;
    owned?.blob.release();
    const shared = await this.#tools.entries.getSharedBody(reference.digest);
    if (shared === undefined) return undefined;
    this.#tools.recent.add(reference.digest, shared);
    return new MemoryBlob(reference.digest, shared);
  }

  /** Forgets an entry whose body is gone and reads the resource anew. */
  async heal(resource: Resource, entry: Entry): Promise<Answer> {
    // Past memory: another process may have put a new body, and its entry, in the place of the one we knew.
    const record = this.#tools.entries.reread(resource.key) ?? (await this.#tools.entries.get(resource.key));
    const variants = (record?.variants ?? []).filter((variant) => variant.body?.digest !== entry.body?.digest);
    // Without any record the body on disk is asked what it is: after a crash it may be newer than its entry was.
    if (variants.length === 0) await this.#tools.entries.delete(resource.key);
    else await this.#tools.entries.set(resource.key, { format: 1, variants });
    return this.read(resource);
  }

  /** Forgets everything under the key, by an operator's order. */
  async purge(key: string): Promise<void> {
    const running = this.#running.get(key);
    // Who asks from now on gets an answer of after the change.
    running?.flight.overtake();
    this.#running.delete(key);
    const record = await this.#tools.entries.get(key);
    await this.#tools.entries.delete(key);
    this.#ahead.forget(key);
    this.#retries.succeeded(key);
    for (const entry of record?.variants ?? []) await this.#tools.blobs.removeOwned(ownedName(key, entry));
    await this.#tools.blobs.removeOwned(key);
  }

  /** How the last try of a key failed and whether it is too early for the next; undefined when it did not fail. */
  trouble(key: string): { readonly cause: unknown; readonly waiting: boolean } | undefined {
    const failure = this.#retries.lastFailure(key);
    return failure === undefined ? undefined : { cause: failure.cause, waiting: this.#retries.isWaiting(key) };
  }

  /** Upstream requests under way. */
  get flights(): number {
    return this.#running.size;
  }

  close(): void {
    this.#ahead.close();
    this.#turns.close();
    for (const { flight } of this.#running.values()) flight.abort();
  }

  /** A body whose bytes are all here is being put in its place: what is stored a moment later decides. */
  async #inPlace(key: string): Promise<void> {
    const growing = this.#running.get(key)?.growing;
    if (growing?.body.isComplete === true) await growing.arrived.catch(() => {});
  }

  async #lookUp(resource: Resource): Promise<EntryRecord | undefined> {
    const { entries } = this.#tools;
    const record = entries.peek(resource.key) ?? entries.reread(resource.key) ?? (await this.#others.adopt(resource));
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
      const fresh = remainingSeconds(entry, this.#tools.now(), resource.profile.rules) > 0;
      if (fresh && forward === 'request') throw failure.cause;
    }
    const joined = this.#join(resource, record, entry, options.alone);
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
    const joined = this.#join(resource, record, entry);
    if (!joined.collapsed) joined.landing.then(drop, () => {});
  }

  async #refreshAhead(resource: Resource): Promise<void> {
    const record = await this.#lookUp(resource);
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

  /** The flight for the key: the one that is under way, or a new one. */
  #join(resource: Resource, record: EntryRecord | undefined, held: Entry | undefined, byItself = false): Joined {
    const running = this.#running.get(resource.key);
    const alone =
      byItself ||
      (this.#unshareable.get(resource.key) ?? 0) > this.#tools.now() ||
      (running?.growing !== undefined && decide(resource, [running.growing.entry], this.#tools.now()).kind !== 'fresh');
    if (running !== undefined && !alone) {
      this.#onCollapsed(resource);
      return { landing: running.landing, startedAt: running.startedAt, collapsed: true };
    }
    const startedAt = performance.now();
    const flight = new Flight(this.#tools, resource, { record: this.#believed(resource.key, record), held }, alone);
    const landing = this.#land(resource, flight, held, startedAt, byItself ? 'by-itself' : alone ? 'alone' : 'shared');
    if (!alone) {
      const started: Running = { flight, landing, startedAt };
      this.#running.set(resource.key, started);
      const done = () => {
        if (this.#running.get(resource.key) === started) this.#running.delete(resource.key);
      };
      // A flight whose body still grows can be joined until it has arrived.
      landing.then((landed) => {
        if (landed.kind !== 'growing') return done();
        started.growing = landed;
        landed.arrived.then(done, done);
      }, done);
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

  /** `by-itself`: what is one client's alone; `alone`: a flight of one reader, because others may not share it. */
  async #land(
    resource: Resource,
    flight: Flight,
    held: Entry | undefined,
    startedAt: number,
    whose: 'shared' | 'alone' | 'by-itself',
  ): Promise<Landing> {
    try {
      const landing = await (whose === 'shared' ? this.#inTurn(resource, flight, held) : flight.land());
      if (landing.kind === 'kept') {
        this.#retries.failed(resource.key, { cause: landing.reason, slow: false }, landing.retryAfterMs);
      } else this.#retries.succeeded(resource.key);
      if (landing.kind === 'stored' && resource.profile.refreshAhead) {
        const remaining = remainingSeconds(landing.entry, this.#tools.now(), resource.profile.rules);
        this.#ahead.validated(resource, remaining * 1000);
      }
      // What is one client's alone says nothing of what others would get.
      if (landing.kind === 'passing' && whose !== 'by-itself') this.#remember(resource.key);
      return landing;
    } catch (error) {
      const slow = performance.now() - startedAt > resource.profile.patienceMs;
      this.#retries.failed(resource.key, { cause: error, slow });
      throw error;
    }
  }

  /** Asks upstream when it is our turn; until then another process or node may store what we want. */
  async #inTurn(resource: Resource, flight: Flight, held: Entry | undefined): Promise<Landing> {
    const turn = await this.#turns.take<StoredLanding>(resource, {
      onDisk: () => this.#others.onDisk(resource, held),
      amongNodes: () => this.#others.amongNodes(resource, held),
    });
    if (turn.kind === 'found') {
      if (turn.waited) this.#onCollapsed(resource);
      return turn.found;
    }
    try {
      const landing = await flight.land();
      // Others can use a body once it is whole and in its place.
      if (landing.kind === 'growing') landing.arrived.then(turn.end, turn.end);
      else turn.end();
      return landing;
    } catch (error) {
      turn.end();
      throw error;
    }
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
    const landing = await new Flight(this.#tools, resource, { record, held: undefined }, true).land();
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
