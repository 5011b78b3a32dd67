// One upstream request and what became of it. However many readers wait for a key, one fetch serves them all:
// read-through.ts shares its result.

import { digestInPieces } from '../core/digest.ts';
import { UpstreamFailure } from '../core/errors.ts';
import { collect } from '../core/http-body.ts';
import type { IncomingResponse } from '../core/http-message.ts';
import { staleAllowed } from '../http-semantics/stale.ts';
import { isForOneClient, storable, storedFields } from '../http-semantics/storable.ts';
import { conditions, freshen } from '../http-semantics/validate.ts';
import { varyingFields } from '../http-semantics/vary.ts';
import type { BlobWriter } from '../store/blobs/blob-store.ts';
import { UnreadableBlob } from '../store/blobs/stored-blob.ts';
import type { BodyReference, Doubt, Entry, EntryRecord, Json } from '../store/entries/entry.ts';
import { fitting, ownedName, withVariant } from '../store/entries/record.ts';
import { BodyWriter } from './body-writer.ts';
import type { FetchResult } from './fetch-result.ts';
import { StreamedArrival } from './fetch-streamed.ts';
import type { FetchTools } from './fetch-tools.ts';
import type { PendingStore } from './key-changes.ts';
import type { Ask, Resource, StreamedBody, WholeBody } from './profile.ts';

/** How one fetch differs from the usual: for one reader, without validators. */
export interface FetchOptions {
  readonly alone?: boolean;
  readonly unreadable?: boolean;
  readonly unconditional?: boolean;
}

/** When a page that does not come is asked for once more: its client has come back for it by then. */
const BESIDE_MS = [14_000, 24_000];

/** One upstream request for a key, and what becomes of its answer. */
export class Fetch {
  readonly #tools: FetchTools;
  readonly #resource: Resource;
  readonly #record: EntryRecord | undefined;
  readonly #held: Entry | undefined;
  readonly #keeper: BodyWriter;
  readonly #alone: boolean;
  readonly #unreadable: boolean;
  readonly #unconditional: boolean;
  readonly #pending: PendingStore;
  readonly #abort = new AbortController();
  #givenUp: UpstreamFailure | undefined;
  /** Those that were begun because this one took long. */
  readonly #beside: Fetch[] = [];
  /** Settles when its own request has ended and what came of it is stored. */
  #landed: Promise<unknown> = Promise.resolve();

  /**
   * `alone`: the request of one reader, whose own conditions and range may go along when nothing is held. `unreadable`:
   * the disk does not give the held body now, so that upstream is asked for it without conditions. `unconditional`:
   * upstream shall send what it has, whatever is held.
   */
  constructor(
    tools: FetchTools,
    resource: Resource,
    stored: { readonly record: EntryRecord | undefined; readonly held: Entry | undefined },
    { alone = false, unreadable = false, unconditional = false }: FetchOptions = {},
  ) {
    this.#tools = tools;
    this.#resource = resource;
    this.#record = stored.record;
    this.#held = stored.held;
    this.#alone = alone && stored.held === undefined;
    this.#unreadable = unreadable;
    this.#unconditional = unconditional || unreadable;
    this.#pending = tools.changes.begin(resource.key, tools.now());
    this.#keeper = new BodyWriter(tools, resource);
  }

  get key(): string {
    return this.#resource.key;
  }

  /** Ends the request: nobody needs it any more. */
  abort(): void {
    for (const inFlight of [this, ...this.#beside]) inFlight.#abort.abort();
  }

  /** Ends a request that takes too long; `cause` is what those hear who still wait for it. */
  giveUp(cause: UpstreamFailure): void {
    this.#givenUp = cause;
    this.abort();
  }

  /** When it was begun; milliseconds since the epoch. */
  get begunAt(): number {
    return this.#pending.begunAt;
  }

  /**
   * Nothing of it will be stored from now on. One that lost against another may still be storing: until it is done, a
   * purge has to overtake it.
   */
  end(): void {
    for (const inFlight of [this, ...this.#beside]) {
      void inFlight.#landed.then(() => inFlight.#tools.changes.end(inFlight.#pending));
    }
  }

  /** Asks upstream. Rejects with an UpstreamFailure, which never changed anything that is stored. */
  async land(): Promise<FetchResult> {
    try {
      const isWhole = this.#resource.profile.body.kind === 'whole' && !this.#alone;
      return await (isWhole ? this.#landOrBeside() : this.#land());
    } catch (error) {
      throw this.#givenUp ?? error;
    }
  }

  /**
   * The result of this fetch or of one of those that are begun beside it when it takes long: its connection may be lost,
   * and what an upstream that is well again answers must not wait for it. What ends well first counts.
   */
  #landOrBeside(): Promise<FetchResult> {
    const { promise, resolve, reject } = Promise.withResolvers<FetchResult>();
    const underWay = new Set<Fetch>();
    const follow = (inFlight: Fetch) => {
      underWay.add(inFlight);
      inFlight.#land().then(resolve, (error) => {
        underWay.delete(inFlight);
        if (underWay.size === 0) reject(error);
      });
    };
    const timers = BESIDE_MS.map((ms) =>
      setTimeout(() => {
        const stored = { record: this.#record, held: this.#held };
        const other = new Fetch(this.#tools, this.#resource, stored, { unconditional: this.#unconditional });
        this.#beside.push(other);
        follow(other);
      }, ms),
    );
    follow(this);
    const done = () => {
      for (const timer of timers) clearTimeout(timer);
      for (const inFlight of underWay) inFlight.#abort.abort();
    };
    promise.then(done, done);
    return promise;
  }

  #land(): Promise<FetchResult> {
    const fetchResult = this.#ownLanding();
    this.#landed = fetchResult.catch(() => {});
    return fetchResult;
  }

  async #ownLanding(): Promise<FetchResult> {
    const held = this.#held;
    if (held !== undefined && !this.#unconditional) {
      const { base } = held;
      const from = base === undefined ? {} : { conditionsFrom: base };
      const response = await this.#ask({ conditions: conditions(held), ...from });
      if (response.status !== 304) return this.#receive(response);
      response.body.destroy();
      const fetchResult = await this.#notModified(held, response);
      if (fetchResult !== undefined) return fetchResult;
    }
    const response = await this.#ask({ conditions: [] });
    // The one reader's own conditions may have gone along, and then 304 is for him.
    if (response.status === 304 && !this.#alone) {
      response.body.destroy();
      throw new UpstreamFailure('protocol', 'Upstream answered 304 to a request without conditions.');
    }
    return this.#receive(response);
  }

  #ask(part: Partial<Ask>): Promise<IncomingResponse> {
    return this.#resource.fetch({
      conditions: [],
      fromByte: 0,
      avoid: new Set(),
      signal: this.#abort.signal,
      alone: this.#alone,
      ...part,
    });
  }

  /** RFC 9111 4.3.4; undefined when the 304 cannot be about what we hold, or that is gone meanwhile. */
  async #notModified(held: Entry, response: IncomingResponse): Promise<FetchResult | undefined> {
    const { profile } = this.#resource;
    if (profile.contradicts(held, response)) return undefined;
    const granted = { ...response, fields: profile.grant(response) };
    const validation = freshen(held, granted);
    if (validation.kind === 'mismatch') return undefined;
    const entry = fitting(this.#resource.key, { ...validation.entry, source: response.source }, profile);
    // RFC 9111 3.5: what the validation tells the owner of credentials is not for those who share the copy.
    const isShared = !isForOneClient(this.#resource.request, entry, profile.rules);
    if (isShared && !(await this.#storeIfHeld(held, () => this.#write(entry)))) return undefined;
    return { kind: 'stored', outcome: 'revalidated', entry, ...(!isShared && { unshared: true }) };
  }

  async #receive(response: IncomingResponse): Promise<FetchResult> {
    const { profile } = this.#resource;
    // A part of a file that nobody asked for: not an answer, but one that may be had elsewhere.
    if (response.status === 206 && profile.body.kind === 'streamed' && profile.body.shared) {
      return this.#receiveStreamed(response, profile.body);
    }
    const meaning = profile.meaning(response.status);
    if (meaning === 'failure' || this.#coveredByCopy(response.status)) {
      response.body.destroy();
      throw new UpstreamFailure('status', `Upstream answered with status ${response.status}.`, {
        upstreamStatus: response.status,
      });
    }
    if (meaning === 'missing' || meaning === 'removed') {
      response.body.destroy();
      return this.#settle(this.#entryOf(response, undefined, undefined), meaning === 'removed');
    }
    return profile.body.kind === 'whole'
      ? this.#receiveWhole(response, profile.body)
      : this.#receiveStreamed(response, profile.body);
  }

  /** A server error for which the held copy may stand in (RFC 9111 4.2.4, RFC 5861 4). */
  #coveredByCopy(status: number): boolean {
    if (this.#held === undefined || (status < 500 && status !== 429)) return false;
    return staleAllowed(this.#held, { kind: 'status', status }, this.#tools.now(), this.#resource.profile.rules);
  }

  async #receiveWhole(response: IncomingResponse, rule: WholeBody): Promise<FetchResult> {
    // Where nothing is held it will be kept: a place on the disk is made for it while it arrives and is read.
    const place = this.#held === undefined ? this.#keeper.create() : undefined;
    try {
      return await this.#readWhole(response, rule, place);
    } catch (error) {
      void place?.then((writer) => writer?.discard());
      throw error;
    }
  }

  async #readWhole(
    response: IncomingResponse,
    rule: WholeBody,
    place: Promise<BlobWriter | undefined> | undefined,
  ): Promise<FetchResult> {
    const bytes = await collect(response, rule.maxBytes);
    this.#tools.observe.received(this.#resource, bytes.length);
    const digest = await digestInPieces(bytes);
    const reference: BodyReference = { digest, sizeBytes: bytes.length, verified: true };
    const held = this.#held;
    // Without validators an equal body is as good as a 304.
    if (held?.body?.digest === digest && held.url === response.url && held.facts !== undefined) {
      const entry = this.#entryOf(response, reference, held.facts);
      const isHere = !this.#unreadable && (await this.#storeIfHeld(held, () => this.#write(entry)));
      if (isHere) return { kind: 'stored', outcome: 'revalidated', entry };
      // The bytes that the disk does not give, or that were purged meanwhile: written once more.
      return { kind: 'stored', outcome: 'revalidated', entry, bytes, persisted: this.#putInPlace(entry, bytes, place) };
    }
    const facts = (await this.#resource.check?.(response, bytes, digest)) ?? null;
    const entry = this.#entryOf(response, reference, facts);
    return this.#settle(entry, false, bytes, place);
  }

  /** The candidate has been checked: may it replace what is held? */
  async #settle(
    candidate: Entry,
    always: boolean,
    bytes?: Buffer,
    place?: Promise<BlobWriter | undefined>,
  ): Promise<FetchResult> {
    const held = this.#held;
    const isNegative = bytes === undefined;
    if (held === undefined && isNegative && !(await this.#nothingIsHeld())) throw new UnreadableBlob();
    const now = this.#tools.now();
    const doubt = this.#record?.doubt;
    if (held !== undefined && !always) {
      // It is asked for because it cannot be read, not because it is in doubt.
      if (this.#unreadable && isNegative) {
        return { kind: 'kept', entry: held, reason: 'unreadable', retryAfterMs: undefined };
      }
      const judgement = this.#resource.profile.judge(held, candidate, doubt, now);
      if (judgement.kind === 'keep') {
        return { kind: 'kept', entry: held, reason: judgement.reason, retryAfterMs: undefined };
      }
      if (judgement.kind === 'recheck') {
        const same = doubt?.claim === judgement.claim ? doubt : undefined;
        const raised: Doubt = {
          claim: judgement.claim,
          firstSeen: same?.firstSeen ?? now,
          lastSeen: now,
          count: (same?.count ?? 0) + 1,
        };
        const record: EntryRecord = { format: 1, variants: this.#record?.variants ?? [held], doubt: raised };
        await this.#storeIfHeld(held, () => this.#tools.entries.set(this.#resource.key, record));
        return { kind: 'kept', entry: held, reason: judgement.claim, retryAfterMs: judgement.afterMs };
      }
    }
    const fetchResult = { kind: 'stored', outcome: this.#outcome, entry: candidate } as const;
    const persisted = this.#putInPlace(candidate, bytes, place);
    // What is in hand can be worked on while the disk takes it.
    if (bytes !== undefined) return { ...fetchResult, bytes, persisted };
    await persisted;
    return fetchResult;
  }

  /**
   * Whether a "there is none" takes the place of nothing: no page may be here that could not be read when the fetch
   * began. Every page has a body that says what it is, whether or not the database answers. Rejects with UnreadableBlob
   * when that cannot be read now either.
   */
  async #nothingIsHeld(): Promise<boolean> {
    const { blobs, entries } = this.#tools;
    const { key, profile } = this.#resource;
    if (profile.body.kind !== 'whole') return true;
    const record = entries.peek(key) ?? entries.reread(key);
    if (record !== undefined) return record.variants.every(({ body }) => body === undefined);
    const owned = await blobs.openOwned(key);
    owned?.blob.release();
    return owned === undefined;
  }

  /** Bytes first, then the entry that speaks of them; neither when a purge has overtaken the fetch. */
  async #putInPlace(
    entry: Entry,
    bytes: Buffer | undefined,
    place: Promise<BlobWriter | undefined> | undefined,
  ): Promise<void> {
    const held = this.#held;
    await this.#resource.accepted?.(entry, () => !this.#pending.overtaken);
    const isStored = await this.#change(async () => {
      if (bytes !== undefined) {
        const replaces = held?.body !== undefined;
        await this.#keeper.keep(entry, bytes, { shared: false, replaces, ...(place && { place }) });
        this.#tools.entries.setSharedBody(entry.body!.digest, bytes);
      } else if (held?.body !== undefined) {
        // A body that describes itself must not come back as the page of a project that is gone.
        await this.#keeper.removeOwned(held);
      }
      await this.#write(entry);
    });
    if (!isStored) void place?.then((writer) => writer?.discard());
  }

  /** A body that is sent on: small ones when they are whole and right, large ones while they arrive. */
  async #receiveStreamed(response: IncomingResponse, rule: StreamedBody): Promise<FetchResult> {
    const { profile, request } = this.#resource;
    const granted = { ...response, fields: profile.grant(response) };
    const isContent = profile.meaning(response.status) === 'content';
    if (isContent && !storable(request, granted, profile.rules).store) return { kind: 'passing', response };
    const arrival = new StreamedArrival({
      resource: this.#resource,
      rule,
      outcome: this.#outcome,
      keeper: this.#keeper,
      observe: this.#tools.observe,
      signal: this.#abort.signal,
      abort: () => this.abort(),
      ask: (avoid) => this.#ask({ avoid }),
      entryOf: (answered, body) => this.#entryOf(answered, body, body === undefined ? undefined : this.#promise),
      store: (entry, keep) =>
        this.#change(async () => {
          if (await keep()) await this.#write(entry);
        }),
    });
    return arrival.land(response);
  }

  /** What the page promised of the bytes: when it promises something else one day, they are not those of today. */
  get #promise(): Json {
    const { expected } = this.#resource;
    return expected === undefined ? null : `${expected.algorithm}:${expected.hex}`;
  }

  /**
   * Stores what rests on the copy that the fetch began with; false, and nothing is stored, when that is gone. A purge may
   * have removed it although it did not overtake the fetch:
   *   1. P overtakes what is under way and waits for its turn;
   *   2. this fetch begins, finds the old copy and asks whether it still holds;
   *   3. P has its turn: the body and the record are gone;
   *   4. "304" comes: the record would be there again, of a body that is not.
   */
  async #storeIfHeld({ body }: Entry, store: () => Promise<void>): Promise<boolean> {
    let isHeld = false;
    await this.#change(async () => {
      isHeld = this.#recorded?.variants.some((variant) => variant.body?.digest === body?.digest) === true;
      if (isHeld) await store();
    });
    return isHeld;
  }

  /** What is stored now; where the disk does not answer, what was found when the fetch began. */
  get #recorded(): EntryRecord | undefined {
    const { entries } = this.#tools;
    const { key } = this.#resource;
    const record = entries.peek(key) ?? entries.reread(key);
    return record ?? (entries.diskAnswers ? undefined : this.#record);
  }

  /** Changes what is stored under the key; false, and nothing is changed, when a purge has overtaken the fetch. */
  async #change(change: () => Promise<void>): Promise<boolean> {
    const changed = await this.#tools.changes.store(this.#pending, async () => {
      await change();
      return true;
    });
    return changed === true;
  }

  /** Only within a change of the key. */
  async #write(entry: Entry): Promise<void> {
    // Another variant may have been stored since this fetch began.
    const stored = this.#recorded;
    const record = withVariant(stored, this.#held, entry);
    await this.#tools.entries.set(this.#resource.key, record);
    // The body of a variant that left must not stay behind: nothing would ever lead to it again.
    const names = new Set(record.variants.map((variant) => ownedName(this.#resource.key, variant)));
    for (const variant of stored?.variants ?? []) {
      if (!names.has(ownedName(this.#resource.key, variant))) await this.#keeper.removeOwned(variant);
    }
  }

  get #outcome(): 'miss' | 'updated' {
    return this.#held === undefined ? 'miss' : 'updated';
  }

  #entryOf(response: IncomingResponse, body: BodyReference | undefined, facts: Json | undefined): Entry {
    const { profile, request } = this.#resource;
    const granted = { ...response, fields: profile.grant(response) };
    const entry: Entry = {
      status: response.status,
      fields: storedFields(granted),
      url: response.url,
      ...(response.base !== undefined && { base: response.base }),
      requestTime: response.requestTime,
      responseTime: response.responseTime,
      varying: varyingFields(request, granted),
      source: response.source,
      ...(body === undefined ? {} : { body }),
      ...(facts === undefined ? {} : { facts }),
    };
    return fitting(this.#resource.key, entry, profile);
  }
}
