// The fetches under way: one for a key, however many readers wait for it. Who comes first starts it, in turn with the
// other processes and nodes; what became of it decides when the key may be tried again.

import { settlesWithin } from '../core/deadline.ts';
import { Overloaded, OwnFault, ProxyError, UpstreamFailure } from '../core/errors.ts';
import { FairShares } from '../core/fair-shares.ts';
import { requestContext } from '../core/request-context.ts';
import { remainingSeconds } from '../http-semantics/age.ts';
import { isOutOfDescriptors } from '../store/blobs/open-files.ts';
import type { Entry, EntryRecord } from '../store/entries/entry.ts';
import { Fetch } from './fetch.ts';
import { FetchLocks, type FetchLocksOptions } from './fetch-locks.ts';
import type { FetchResult } from './fetch-result.ts';
import type { FetchTools } from './fetch-tools.ts';
import type { StoredByOthers, StoredResult } from './lookup.ts';
import type { Resource } from './profile.ts';
import type { RefreshAhead } from './refresh-ahead.ts';
import type { RetrySchedule } from './retry-schedule.ts';
import { decide } from './stale-policy.ts';

/** How long an unshareable answer keeps requests for its key from waiting for one another. */
const UNSHAREABLE_MS = 60_000;
const MAX_UNSHAREABLE = 10_000;
/** So many under way, and what nobody holds yet has to be asked for later: before memory grows, not after. */
const MAX_FLIGHTS = 2_000;

/**
 * From then on the request takes longer than any client waits for it. It goes on behind them, so that those who come back
 * find what a slow upstream sent, while no more than so many of one upstream do, and up to a limit.
 */
const OVERDUE_MS = 10_000;
const MAX_OVERDUE = 24;
const LONGEST_MS = 100_000;

/** How long a disk may take for that at the end. */
const IN_PLACE_MS = 5_000;

interface Running {
  readonly inFlight: Fetch;
  readonly fetchResult: Promise<FetchResult>;
  /** Milliseconds on the monotonic clock. */
  readonly startedAt: number;
  /** Set once the head is here and while the body arrives. */
  growing?: Extract<FetchResult, { kind: 'growing' }>;
}

/** A reader's part in a fetch. */
export interface Joined {
  readonly fetchResult: Promise<FetchResult>;
  /** Milliseconds on the monotonic clock. */
  readonly startedAt: number;
  /** Whether another reader started it. */
  readonly collapsed: boolean;
}

/** How a reader joins a fetch. */
export interface JoinOptions {
  /** The request is its sender's alone: no fetch is shared. */
  readonly alone?: boolean;
  /** A fetch that is begun asks without validators. */
  readonly unconditional?: boolean;
  /** What is held cannot be read now. */
  readonly unreadable?: boolean;
}

/** The tools of all fetches, and whom they tell. */
export interface FetchesOptions {
  readonly tools: FetchTools;
  readonly others: StoredByOthers;
  readonly retries: RetrySchedule;
  readonly ahead: RefreshAhead;
  readonly onCollapsed: (resource: Resource) => void;
  /** Where turns to ask upstream are given out, beyond this process. */
  readonly leases: FetchLocksOptions;
}

/** All fetches under way. Throws Overloaded when there are too many. */
export class Fetches {
  readonly #tools: FetchTools;
  readonly #others: StoredByOthers;
  readonly #retries: RetrySchedule;
  readonly #ahead: RefreshAhead;
  readonly #onCollapsed: (resource: Resource) => void;
  readonly #turns: FetchLocks;
  readonly #running = new Map<string, Running>();
  /** Those that a client has started; joining costs nothing. */
  readonly #shares = new FairShares(MAX_FLIGHTS);
  /** Those of one reader. */
  readonly #alone = new Map<Fetch, Promise<FetchResult>>();
  readonly #unshareable = new Map<string, number>();
  /** By upstream, how many take longer than any client waits. */
  readonly #overdue = new Map<string, number>();

  constructor({ tools, others, retries, ahead, onCollapsed, leases }: FetchesOptions) {
    this.#tools = tools;
    this.#others = others;
    this.#retries = retries;
    this.#ahead = ahead;
    this.#onCollapsed = onCollapsed;
    this.#turns = new FetchLocks(leases);
  }

  /** How many are under way. */
  get count(): number {
    return this.#running.size;
  }

  /**
   * The fetch for the key: the one that is under way, or a new one. Throws Overloaded when there are too many and the
   * client has its share of them; who holds a copy is let through, for refreshing it keeps clients served. `byItself`:
   * the request is its client's alone. `unreadable`: the disk does not give what is held.
   */
  join(
    resource: Resource,
    record: EntryRecord | undefined,
    held: Entry | undefined,
    { alone: byItself = false, unreadable = false, unconditional = false }: JoinOptions = {},
  ): Joined {
    const running = this.#running.get(resource.key);
    const alone =
      byItself ||
      (this.#unshareable.get(resource.key) ?? 0) > this.#tools.now() ||
      (running?.growing !== undefined && decide(resource, [running.growing.entry], this.#tools.now()).kind !== 'fresh');
    if (running !== undefined && !alone) {
      this.#onCollapsed(resource);
      return { fetchResult: running.fetchResult, startedAt: running.startedAt, collapsed: true };
    }
    const client = requestContext();
    if (held === undefined && !this.#shares.mayTake(client)) {
      throw new Overloaded('Too much is being fetched from upstream at this moment.');
    }
    const startedAt = performance.now();
    const stored = { record: this.#believed(resource.key, record), held };
    const inFlight = new Fetch(this.#tools, resource, stored, { alone, unreadable, unconditional });
    const fetchResult = this.#land(
      resource,
      inFlight,
      held,
      startedAt,
      byItself ? 'by-itself' : alone ? 'alone' : 'shared',
    );
    if (alone) {
      this.#watchAlone(inFlight, fetchResult);
      return { fetchResult, startedAt, collapsed: false };
    }
    const started: Running = { inFlight, fetchResult, startedAt };
    this.#running.set(resource.key, started);
    this.#shares.take(client);
    const done = () => {
      inFlight.end();
      this.#shares.giveBack(client);
      if (this.#running.get(resource.key) === started) this.#running.delete(resource.key);
    };
    // What one origin of a raw mount takes its time for is between it and its clients.
    if (resource.profile.name !== 'raw') this.#limitTime(inFlight, resource.upstream, fetchResult);
    // A fetch can be joined until its copy is found without it.
    fetchResult.then((landed) => {
      if (landed.kind === 'growing') started.growing = landed;
      afterwards(landed, done);
    }, done);
    return { fetchResult, startedAt, collapsed: false };
  }

  isUnderWay(key: string): boolean {
    return this.#running.has(key);
  }

  /** Whether the body of this key is arriving, and readers can follow it. */
  isArriving(key: string): boolean {
    return this.#running.get(key)?.growing !== undefined;
  }

  /** A body whose bytes are all here is being put in its place: what is stored a moment later decides. */
  async persisted(key: string): Promise<void> {
    const growing = this.#running.get(key)?.growing;
    if (growing?.body.isComplete === true) await growing.arrived.catch(() => {});
  }

  arrivedBytes(key: string): number | undefined {
    return this.#running.get(key)?.growing?.body.received;
  }

  /**
   * What the fetches of such keys, begun until `until` (milliseconds since the epoch), bring is of before a change: it is
   * not stored, and nobody joins them any more. Returns their keys.
   */
  overtake(isMeant: (key: string) => boolean, until: number): string[] {
    this.#tools.changes.overtake(isMeant, until);
    const overtaken = [...this.#running].flatMap(([key, { inFlight }]) =>
      inFlight.begunAt <= until && isMeant(key) ? key : [],
    );
    for (const key of overtaken) this.#running.delete(key);
    return overtaken;
  }

  /** A fetch for one reader, whose answer nobody else may share; `unreadable` is what is held and cannot be read. */
  alone(resource: Resource, record: EntryRecord | undefined, unreadable?: Entry): Promise<FetchResult> {
    const how = { alone: true, unreadable: unreadable !== undefined };
    const inFlight = new Fetch(this.#tools, resource, { record, held: unreadable }, how);
    const fetchResult = inFlight.land();
    this.#watchAlone(inFlight, fetchResult);
    return fetchResult;
  }

  /** Resolves when what is under way now has ended, and what it brought is in its place. */
  async settled(): Promise<void> {
    const fetchResults = [
      ...this.#alone.values(),
      ...[...this.#running.values()].map(({ fetchResult }) => fetchResult),
    ];
    await Promise.all(fetchResults.map((fetchResult) => new Promise<void>((resolve) => ended(fetchResult, resolve))));
  }

  /** Asks upstream for nothing more; resolves when what has come whole until now is in its place. */
  async close(): Promise<void> {
    this.#turns.close();
    for (const { inFlight, growing } of this.#running.values()) {
      if (growing?.body.isComplete !== true) inFlight.abort();
    }
    for (const inFlight of this.#alone.keys()) inFlight.abort();
    // Its client has it already and thinks that it is here.
    await settlesWithin(this.settled(), IN_PLACE_MS);
  }

  /** Ends the fetch when it is overdue and one too many, and at the latest after `LONGEST_MS`. */
  #limitTime(inFlight: Fetch, upstream: string, fetchResult: Promise<FetchResult>): void {
    let counted = false;
    const giveUp = () =>
      inFlight.giveUp(new UpstreamFailure('timeout', `The index ${upstream} has not answered in time. Ask again.`));
    const last = setTimeout(giveUp, LONGEST_MS);
    const first = setTimeout(() => {
      const others = this.#overdue.get(upstream) ?? 0;
      if (others >= MAX_OVERDUE) return giveUp();
      counted = true;
      this.#overdue.set(upstream, others + 1);
    }, OVERDUE_MS);
    const done = () => {
      clearTimeout(first);
      clearTimeout(last);
      if (!counted) return;
      const others = this.#overdue.get(upstream)! - 1;
      if (others > 0) this.#overdue.set(upstream, others);
      else this.#overdue.delete(upstream);
    };
    fetchResult.then(done, done);
  }

  #watchAlone(inFlight: Fetch, fetchResult: Promise<FetchResult>): void {
    this.#alone.set(inFlight, fetchResult);
    ended(fetchResult, () => {
      this.#alone.delete(inFlight);
      inFlight.end();
    });
  }

  /**
   * The record as a fetch shall see it. A claim that contradicts the copy has to be repeated without a failure in
   * between: what an upstream says right after an outage begins the count anew.
   */
  #believed(key: string, record: EntryRecord | undefined): EntryRecord | undefined {
    const failed = this.#retries.lastFailure(key)?.cause instanceof UpstreamFailure;
    return record?.doubt !== undefined && failed ? { format: 1, variants: record.variants } : record;
  }

  /** `by-itself`: what is one client's alone; `alone`: a fetch of one reader, because others may not share it. */
  async #land(
    resource: Resource,
    inFlight: Fetch,
    held: Entry | undefined,
    startedAt: number,
    whose: 'shared' | 'alone' | 'by-itself',
  ): Promise<FetchResult> {
    const { key, upstream } = resource;
    try {
      const fetchResult = await (whose === 'shared' ? this.#inTurn(resource, inFlight, held) : inFlight.land());
      if (fetchResult.kind === 'kept') {
        this.#retries.failed(
          key,
          { cause: fetchResult.reason, upstream, tookMs: 0, slow: false, held: true },
          fetchResult.retryAfterMs,
        );
      } else this.#retries.succeeded(key, upstream);
      if (fetchResult.kind === 'stored' && resource.profile.refreshAhead) {
        const remaining = remainingSeconds(fetchResult.entry, this.#tools.now(), resource.profile.rules);
        this.#ahead.validated(resource, remaining * 1000);
      }
      // What is one client's alone says nothing of what others would get.
      if (fetchResult.kind === 'passing' && whose !== 'by-itself') this.#remember(resource.key);
      return fetchResult;
    } catch (thrown) {
      const error = this.#asOurs(resource, thrown);
      const tookMs = performance.now() - startedAt;
      const slow = tookMs > resource.profile.patienceMs;
      // A stored "there is none" serves nobody meanwhile.
      const serves = held !== undefined && held.status < 400;
      this.#retries.failed(key, { cause: error, upstream, tookMs, slow, held: serves });
      throw error;
    }
  }

  /** An error that nobody foresaw is a fault of ours: it is counted once here, whoever waits for the fetch. */
  #asOurs(resource: Resource, thrown: unknown): unknown {
    if (thrown instanceof ProxyError || isOutOfDescriptors(thrown)) return thrown;
    this.#tools.observe.ownFault(resource, thrown);
    return new OwnFault(thrown);
  }

  /** Asks upstream when it is our turn; until then another process or node may store what we want. */
  async #inTurn(resource: Resource, inFlight: Fetch, held: Entry | undefined): Promise<FetchResult> {
    const turn = await this.#turns.take<StoredResult>(resource, {
      onDisk: () => this.#others.onDisk(resource, held),
      amongNodes: () => this.#others.amongNodes(resource, held),
    });
    if (turn.kind === 'found') {
      if (turn.waited) this.#onCollapsed(resource);
      return turn.found;
    }
    try {
      const fetchResult = await inFlight.land();
      // Others can use a body once it is whole and in its place.
      afterwards(fetchResult, turn.end);
      return fetchResult;
    } catch (error) {
      turn.end();
      throw error;
    }
  }

  #remember(key: string): void {
    this.#unshareable.set(key, this.#tools.now() + UNSHAREABLE_MS);
    if (this.#unshareable.size > MAX_UNSHAREABLE) this.#unshareable.delete(this.#unshareable.keys().next().value!);
  }
}

/** Calls back when nothing of the fetch is under way any more. */
function afterwards(fetchResult: FetchResult, done: () => void): void {
  if (fetchResult.kind === 'growing') fetchResult.arrived.then(done, done);
  else if (fetchResult.kind === 'stored' && fetchResult.persisted !== undefined) fetchResult.persisted.then(done, done);
  else done();
}

/** Calls back when the result is known and nothing of its fetch is under way any more. */
function ended(fetchResult: Promise<FetchResult>, done: () => void): void {
  fetchResult.then((landed) => afterwards(landed, done), done);
}

/** The reader does not wait for the fetch: an answer that may not be stored, and was for him alone, ends here. */
export function leave(joined: Joined): void {
  if (joined.collapsed) return;
  joined.fetchResult.then(
    (fetchResult) => {
      if (fetchResult.kind === 'passing') fetchResult.response.body.destroy();
    },
    () => {},
  );
}
