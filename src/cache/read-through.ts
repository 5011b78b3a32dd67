// The one flow by which everything stored is read: look up, decide (RFC 9111 4), and where the copy does not do, one
// fetch upstream for all who wait. A failed fetch never changes what is stored.

import { LRUCache } from 'lru-cache';
import type { IncomingResponse } from '../core/http-message.ts';
import type { TimedHead } from '../http-semantics/rules.ts';
import type { UpstreamTrouble } from '../http-semantics/stale.ts';
import type { Blob } from '../store/blobs/blob-store.ts';
import { MemoryBlob, UnreadableBlob } from '../store/blobs/stored-blob.ts';
import type { Entry, EntryRecord } from '../store/entries/entry.ts';
import { type Answer, answerOf, type Forward, passingAnswer, staleAnswer } from './answer.ts';
import type { FetchLocksOptions } from './fetch-locks.ts';
import type { FetchTools } from './fetch-tools.ts';
import { Fetches } from './fetches.ts';
import { KeyChanges } from './key-changes.ts';
import { type Forgetting, Lookup, StoredByOthers } from './lookup.ts';
import type { Resource } from './profile.ts';
import { ReaderAnswers } from './reader-answer.ts';
import { RefreshAhead } from './refresh-ahead.ts';
import { RetrySchedule } from './retry-schedule.ts';
import { Revalidation, type RevalidationOptions } from './revalidation.ts';
import { decide, mayServeStale, NoUsableCopy } from './stale-policy.ts';

/** How one read differs from the usual. */
export interface ReadOptions extends RevalidationOptions {
  /** The client insists on a validated answer: at most once in five seconds per key, else ignored. */
  readonly insist?: boolean;
  /**
   * The answer may come while its copy is still being written, for who has work to do meanwhile. Whoever asks for that
   * waits for `answer.persisted` before a client is answered: what was answered survives the death of this process.
   */
  readonly early?: boolean;
  /** Another place to ask is known by now: what failed a moment ago does not count. */
  readonly anew?: boolean;
}

/** An answer with its body open, or still arriving. */
export interface AnswerBody {
  readonly answer: Answer;
  readonly blob: Blob | undefined;
}

/** How often a client may force a revalidation of one key. */
const INSIST_INTERVAL_MS = 5_000;

/** The engine: answers from what is stored, or fetches. Rejects with an UpstreamFailure or NoUsableCopy. */
export class ReadThrough {
  readonly #tools: FetchTools;
  readonly #copies: Lookup;
  readonly #fetches: Fetches;
  readonly #landed: ReaderAnswers;
  readonly #revalidation: Revalidation;
  readonly #retries: RetrySchedule;
  readonly #ahead: RefreshAhead;
  readonly #onPurged: ((keys: readonly string[]) => Promise<void>) | undefined;
  /** What is being asked for without being kept. */
  readonly #unstoredAsks = new Map<string, Promise<unknown>>();
  /** When a key was last asked for without conditions, milliseconds since the epoch. */
  readonly #askedUnconditionally = new LRUCache<string, number>({ max: 1_000 });

  constructor(
    given: Omit<FetchTools, 'changes'> & {
      readonly random: () => number;
      readonly onCollapsed: (resource: Resource) => void;
      /** Where turns to ask upstream are given out, beyond this process. */
      readonly leases?: FetchLocksOptions;
      /** Tells those who keep copies of their own; resolves when they have forgotten the keys. */
      readonly onPurged?: (keys: readonly string[]) => Promise<void>;
    },
  ) {
    const tools = { ...given, changes: new KeyChanges() };
    this.#tools = tools;
    this.#onPurged = tools.onPurged;
    const others = new StoredByOthers(tools);
    this.#copies = new Lookup(tools, others);
    this.#retries = new RetrySchedule(tools);
    this.#ahead = new RefreshAhead({
      now: tools.now,
      random: tools.random,
      refresh: (resource) => void this.#revalidation.refreshAhead(resource).catch(() => {}),
    });
    this.#fetches = new Fetches({
      tools,
      others,
      retries: this.#retries,
      ahead: this.#ahead,
      onCollapsed: tools.onCollapsed,
      leases: tools.leases ?? {},
    });
    this.#landed = new ReaderAnswers({ fetches: this.#fetches, now: tools.now });
    this.#revalidation = new Revalidation({
      now: tools.now,
      copies: this.#copies,
      fetches: this.#fetches,
      landed: this.#landed,
      retries: this.#retries,
      ahead: this.#ahead,
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
    const answer = await this.#read(resource, options);
    if (options.early !== true) await answer.persisted;
    return answer;
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
    const now = this.#tools.now();
    if (!mayServeStale(resource, held, trouble, now)) return undefined;
    return staleAnswer(resource, held, now, { reason: 'failure', ...(cause === undefined ? {} : { cause }) });
  }

  /** The answer of a response that is not stored. */
  pass(resource: Resource, passing: IncomingResponse, reason: Forward['reason']): Answer {
    return passingAnswer(resource, passing, this.#tools.now(), reason);
  }

  /** What is stored for the request, usable or not; asks nobody. */
  held(resource: Resource): Promise<Entry | undefined> {
    return this.#copies.held(resource);
  }

  /** The body of a stored entry; undefined when it is lost or damaged. Rejects with UnreadableBlob: not now. */
  open(resource: Resource, entry: Entry): Promise<Blob | undefined> {
    return this.#copies.open(resource, entry);
  }

  /**
   * The body behind an answer. One that was lost, damaged or evicted a moment ago is fetched again, and then the answer
   * is another one. So is one that the disk does not give now, but what is stored stays. Without a blob it is on its way,
   * belongs to this reader alone, or never had a body. Rejects with UnreadableBlob, or as `read` does.
   */
  async body(resource: Resource, found: Answer): Promise<AnswerBody> {
    let answer = found;
    for (let losses = 0; ; losses++) {
      const { arriving, passing, bytes, entry } = answer;
      if (arriving !== undefined || passing !== undefined) return { answer, blob: undefined };
      if (entry.body === undefined) return { answer, blob: undefined };
      try {
        const blob = bytes === undefined ? await this.open(resource, entry) : new MemoryBlob(entry.body.digest, bytes);
        if (blob !== undefined) return { answer, blob };
        // Lost again as soon as it was stored: what a fetch of our own brings is in our hands before it can be evicted.
        answer = losses === 0 ? await this.heal(resource, entry) : await this.#landed.alone(resource, 'miss');
      } catch (error) {
        if (!(error instanceof UnreadableBlob) || losses > 1) throw error;
        answer = await this.#instead(resource, entry, losses === 0);
      }
    }
  }

  /** From upstream what the disk does not give now. One fetch for all, unless that brought no bytes. */
  async #instead(resource: Resource, entry: Entry, shared: boolean): Promise<Answer> {
    if (!shared) return this.#landed.alone(resource, 'miss', entry);
    const record = this.#copies.recorded(resource);
    const joined = this.#fetches.join(resource, record, entry, { unreadable: true });
    return this.#landed.take(resource, record, entry, joined, 'miss');
  }

  /** Forgets an entry whose body is gone and reads the resource anew. */
  async heal(resource: Resource, entry: Entry): Promise<Answer> {
    await this.#copies.dropLost(resource, entry);
    return this.read(resource);
  }

  /** RFC 9111 4.3.5: what a 200 to HEAD says of the response that is held for GET updates it, or makes it stale. */
  learnFromHead(resource: Resource, held: Entry, head: TimedHead): Promise<void> {
    return this.#copies.learnFromHead(resource, held, head);
  }

  /**
   * Forgets everything under the keys: by an operator's order, or because they were written to (RFC 9111 4.4). Records
   * of which `stays` says so are kept. Resolves with the number of records that were removed.
   */
  async purge(
    keys: readonly string[],
    { withShared = false, stays = () => false }: Partial<Forgetting> = {},
  ): Promise<number> {
    const meant = new Set(keys);
    this.overtake((key) => meant.has(key), Number.POSITIVE_INFINITY);
    for (const key of meant) this.#endWaiting(key);
    const forgotten = await Promise.all(keys.map((key) => this.#copies.forget(key, { withShared, stays })));
    await this.#onPurged?.(keys);
    return forgotten.filter(Boolean).length;
  }

  /**
   * What is being fetched under such keys, begun until `until` (milliseconds since the epoch), is not stored any more, and
   * nobody joins it: the client that asks from now on gets an answer of after the change.
   */
  overtake(isMeant: (key: string) => boolean, until: number): void {
    for (const key of this.#fetches.overtake(isMeant, until)) this.#endWaiting(key);
  }

  /**
   * What is stored under the key stays, and is validated before it is used again: it was written to. A fetch that began
   * before that may have brought the old:
   *   1. Another process's fetch is answered.  2. The write is answered here.  3. That fetch stores what it has.
   * So the others end theirs before the copy is marked, and read the mark afterwards.
   */
  async outdate(key: string): Promise<void> {
    this.overtake((each) => each === key, Number.POSITIVE_INFINITY);
    this.#endWaiting(key);
    await this.#onPurged?.([key]);
    this.#copies.outdate(key);
    await this.#onPurged?.([key]);
  }

  /** Another process on this data folder has purged these keys: only what this one remembers is left of them. */
  purgedElsewhere(keys: readonly string[]): void {
    const meant = new Set(keys);
    this.overtake((key) => meant.has(key), Number.POSITIVE_INFINITY);
    for (const key of meant) {
      this.#endWaiting(key);
      this.#copies.forgottenElsewhere(key);
    }
  }

  /**
   * Asks upstream for something that is not kept: once for all who want it at a time, and not again before its time when
   * that failed. `key` is no key of a resource. Rejects as `ask` does, or with the failure of a moment ago.
   */
  askUnkept<T>(key: string, upstream: string, ask: () => Promise<T>): Promise<T> {
    const refusal = this.#retries.refusal(key, false);
    if (refusal !== undefined) return Promise.reject(refusal);
    const running = this.#unstoredAsks.get(key) as Promise<T> | undefined;
    if (running !== undefined) return running;
    const startedAt = performance.now();
    const asking = ask().finally(() => this.#unstoredAsks.delete(key));
    this.#unstoredAsks.set(key, asking);
    asking.then(
      () => this.#retries.succeeded(key, upstream),
      (cause: unknown) => {
        const tookMs = performance.now() - startedAt;
        this.#retries.failed(key, { cause, upstream, tookMs, slow: false, held: false });
      },
    );
    return asking;
  }

  /** How the last try of a key failed and whether it is too early for the next; undefined when it did not fail. */
  trouble(key: string): { readonly cause: unknown; readonly waiting: boolean } | undefined {
    const failure = this.#retries.lastFailure(key);
    return failure === undefined ? undefined : { cause: failure.cause, waiting: this.#retries.isWaiting(key) };
  }

  /** How much has arrived of a body that is being fetched; undefined when none is. */
  arrivedBytes(key: string): number | undefined {
    return this.#fetches.arrivedBytes(key);
  }

  /** Upstream requests under way. */
  get fetches(): number {
    return this.#fetches.count;
  }

  /** Resolves when all that has come until now, or is under way, is in its place. */
  settled(): Promise<void> {
    return this.#fetches.settled();
  }

  /** Resolves when what has come whole is in its place, or the disk takes too long. */
  close(): Promise<void> {
    this.#ahead.close();
    return this.#fetches.close();
  }

  async #read(resource: Resource, options: ReadOptions): Promise<Answer> {
    if (options.anew === true) this.#retries.forget(resource.key);
    const { record, decided, now } = await this.#consult(resource);
    // A reader that comes while it is being asked for anew joins that.
    const mayAsk =
      options.unconditional === true &&
      (this.#fetches.isUnderWay(resource.key) || this.#mayAskUnconditionally(resource.key, now));
    if (mayAsk && 'entry' in decided) {
      return this.#revalidation.answer(resource, record, decided.entry, 'request', options);
    }
    switch (decided.kind) {
      case 'fresh':
        return options.insist === true && this.#mayInsist(decided.entry, now)
          ? this.#revalidation.answer(resource, record, decided.entry, 'request', options)
          : this.#hit(resource, decided.entry, now);
      case 'stale-while-revalidate':
        return this.#whileRefreshing(resource, record, decided.entry);
      case 'revalidate': {
        // A copy that is known to be of before a change is worth waiting for its successor.
        const patient =
          decided.entry.outdated === true ? { patienceMs: Number.POSITIVE_INFINITY, ...options } : options;
        return this.#revalidation.answer(resource, record, decided.entry, decided.forward, patient);
      }
      case 'miss': {
        this.#requireDue(resource, options);
        const joined = this.#fetches.join(resource, record, undefined, options);
        return this.#landed.take(resource, record, undefined, joined, decided.forward);
      }
      case 'unavailable':
        throw new NoUsableCopy();
    }
  }

  /**
   * Throws the failure of a moment ago where nothing is held and the key is not to be asked yet: nobody makes us ask the
   * same failing thing over and over. A raw mount's origin is its clients' own affair.
   */
  #requireDue({ key, profile }: Resource, { insist = false, anew = false }: ReadOptions): void {
    const refusal = anew || profile.name === 'raw' ? undefined : this.#retries.refusal(key, insist);
    if (refusal !== undefined) throw refusal;
  }

  #endWaiting(key: string): void {
    this.#ahead.forget(key);
    this.#retries.forget(key);
  }

  /** Looks up what is stored and asks the rules what it is good for. */
  async #consult(resource: Resource) {
    await this.#fetches.persisted(resource.key);
    // What is arriving is not looked for where it will be stored: a crowd asks for it at once.
    const record = this.#fetches.isArriving(resource.key)
      ? this.#copies.recorded(resource)
      : await this.#copies.lookUp(resource);
    const now = this.#tools.now();
    return { record, decided: decide(resource, record?.variants ?? [], now), now };
  }

  #whileRefreshing(resource: Resource, record: EntryRecord | undefined, entry: Entry): Answer {
    this.#revalidation.refresh(resource, record, entry);
    return staleAnswer(resource, entry, this.#tools.now(), { reason: 'refreshing' });
  }

  #mayAskUnconditionally(key: string, now: number): boolean {
    if (now - (this.#askedUnconditionally.get(key) ?? Number.NEGATIVE_INFINITY) < INSIST_INTERVAL_MS) return false;
    this.#askedUnconditionally.set(key, now);
    return true;
  }

  #mayInsist(entry: Entry, now: number): boolean {
    return now - entry.responseTime >= INSIST_INTERVAL_MS;
  }

  #hit(resource: Resource, entry: Entry, now: number): Answer {
    const hit = answerOf(resource, entry, 'hit', now);
    if (resource.profile.refreshAhead) this.#ahead.asked(resource, hit.remainingSeconds * 1000);
    return hit;
  }
}
