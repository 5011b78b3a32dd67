// One upstream request and what became of it. However many readers wait for a key, one flight serves them all:
// read-through.ts shares its landing.

import { UpstreamFailure } from '../errors.ts';
import type { IncomingResponse } from '../http-message.ts';
import type { BlobWriter } from './blob-store.ts';
import { BodyKeeper } from './body-keeper.ts';
import { digestInPieces } from './digest.ts';
import type { BodyReference, Entry, EntryRecord, Json } from './entry.ts';
import type { FlightTools } from './flight-tools.ts';
import { staleAllowed } from './freshness/stale.ts';
import { isForOneClient, storable, storedFields } from './freshness/storable.ts';
import { conditions, freshen } from './freshness/validate.ts';
import { varyingFields } from './freshness/vary.ts';
import type { Landing } from './landing.ts';
import type { Ask, Resource, StreamedBody, WholeBody } from './profile.ts';
import { ownedName, withVariant } from './record.ts';
import { StreamedArrival } from './streamed-arrival.ts';
import { collect } from './whole-body.ts';

/** When a page that does not come is asked for once more: its client has come back for it by then. */
const BESIDE_MS = [14_000, 24_000];

export class Flight {
  readonly #tools: FlightTools;
  readonly #resource: Resource;
  readonly #record: EntryRecord | undefined;
  readonly #held: Entry | undefined;
  readonly #keeper: BodyKeeper;
  readonly #alone: boolean;
  readonly #afresh: boolean;
  readonly #abort = new AbortController();
  #overtaken = false;
  #givenUp: UpstreamFailure | undefined;
  /** Those that were begun because this one took long. */
  readonly #beside: Flight[] = [];

  /**
   * `alone`: the request of one reader, whose own conditions and range may go along when nothing is held. `afresh`: no
   * conditions, although something is held.
   */
  constructor(
    tools: FlightTools,
    resource: Resource,
    stored: { readonly record: EntryRecord | undefined; readonly held: Entry | undefined },
    { alone = false, afresh = false }: { readonly alone?: boolean; readonly afresh?: boolean } = {},
  ) {
    this.#tools = tools;
    this.#resource = resource;
    this.#record = stored.record;
    this.#held = stored.held;
    this.#alone = alone && stored.held === undefined;
    this.#afresh = afresh;
    this.#keeper = new BodyKeeper(tools, resource);
  }

  get key(): string {
    return this.#resource.key;
  }

  /** Ends the request: nobody needs it any more. */
  abort(): void {
    for (const flight of [this, ...this.#beside]) flight.#abort.abort();
  }

  /** Ends a request that takes too long; `cause` is what those hear who still wait for it. */
  giveUp(cause: UpstreamFailure): void {
    this.#givenUp = cause;
    this.abort();
  }

  /** The resource was changed or purged after this request went out: its answer is not stored any more. */
  overtake(): void {
    for (const flight of [this, ...this.#beside]) flight.#overtaken = true;
  }

  /** Asks upstream. Rejects with an UpstreamFailure, which never changed anything that is stored. */
  async land(): Promise<Landing> {
    try {
      const isWhole = this.#resource.profile.body.kind === 'whole' && !this.#alone;
      return await (isWhole ? this.#landOrBeside() : this.#land());
    } catch (error) {
      throw this.#givenUp ?? error;
    }
  }

  /**
   * The landing of this flight or of one of those that are begun beside it when it takes long: its connection may be lost,
   * and what an upstream that is well again answers must not wait for it. What ends well first counts.
   */
  #landOrBeside(): Promise<Landing> {
    const { promise, resolve, reject } = Promise.withResolvers<Landing>();
    const underWay = new Set<Flight>();
    const follow = (flight: Flight) => {
      underWay.add(flight);
      flight.#land().then(resolve, (error) => {
        underWay.delete(flight);
        if (underWay.size === 0) reject(error);
      });
    };
    const timers = BESIDE_MS.map((ms) =>
      setTimeout(() => {
        const stored = { record: this.#record, held: this.#held };
        const other = new Flight(this.#tools, this.#resource, stored, { afresh: this.#afresh });
        this.#beside.push(other);
        follow(other);
      }, ms),
    );
    follow(this);
    const done = () => {
      for (const timer of timers) clearTimeout(timer);
      for (const flight of underWay) flight.#abort.abort();
    };
    promise.then(done, done);
    return promise;
  }

  async #land(): Promise<Landing> {
    const held = this.#held;
    if (held !== undefined && !this.#afresh) {
      const response = await this.#ask({ conditions: conditions(held) });
      if (response.status !== 304) return this.#receive(response);
      response.body.destroy();
      const landing = await this.#notModified(held, response);
      if (landing !== undefined) return landing;
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

  /** RFC 9111 4.3.4; undefined when the 304 cannot be about what we hold. */
  async #notModified(held: Entry, response: IncomingResponse): Promise<Landing | undefined> {
    const { profile } = this.#resource;
    if (profile.contradicts(held, response)) return undefined;
    const granted = { ...response, fields: profile.grant(response) };
    const validation = freshen(held, granted);
    if (validation.kind === 'mismatch') return undefined;
    const entry = { ...validation.entry, source: response.source };
    // RFC 9111 3.5: what the validation tells the owner of credentials is not for those who share the copy.
    const isShared = !isForOneClient(this.#resource.request, entry, profile.rules);
    if (isShared) await this.#store(entry);
    return { kind: 'stored', outcome: 'revalidated', entry, ...(!isShared && { unshared: true }) };
  }

  async #receive(response: IncomingResponse): Promise<Landing> {
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

  async #receiveWhole(response: IncomingResponse, rule: WholeBody): Promise<Landing> {
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
  ): Promise<Landing> {
    const bytes = await collect(response, rule.maxBytes);
    this.#tools.observe.received(this.#resource, bytes.length);
    const digest = await digestInPieces(bytes);
    const reference: BodyReference = { digest, sizeBytes: bytes.length, verified: true };
    const held = this.#held;
    // Without validators an equal body is as good as a 304.
    if (held?.body?.digest === digest && held.url === response.url && held.facts !== undefined) {
      const entry = this.#entryOf(response, reference, held.facts);
      await this.#store(entry);
      return { kind: 'stored', outcome: 'revalidated', entry };
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
  ): Promise<Landing> {
    const held = this.#held;
    const now = this.#tools.now();
    const doubt = this.#record?.doubt;
    if (held !== undefined && !always) {
      const judgement = this.#resource.profile.judge(held, candidate, doubt, now);
      if (judgement.kind === 'keep') {
        return { kind: 'kept', entry: held, reason: judgement.reason, retryAfterMs: undefined };
      }
      if (judgement.kind === 'recheck') {
        const same = doubt?.claim === judgement.claim ? doubt : undefined;
        await this.#tools.entries.set(this.#resource.key, {
          format: 1,
          variants: this.#record?.variants ?? [held],
          doubt: {
            claim: judgement.claim,
            firstSeen: same?.firstSeen ?? now,
            lastSeen: now,
            count: (same?.count ?? 0) + 1,
          },
        });
        return { kind: 'kept', entry: held, reason: judgement.claim, retryAfterMs: judgement.afterMs };
      }
    }
    const landing = { kind: 'stored', outcome: this.#outcome, entry: candidate } as const;
    const inPlace = this.#putInPlace(candidate, bytes, place);
    // What is in hand can be worked on while the disk takes it.
    if (bytes !== undefined) return { ...landing, bytes, inPlace };
    await inPlace;
    return landing;
  }

  /** Bytes first, then the entry that speaks of them. */
  async #putInPlace(
    entry: Entry,
    bytes: Buffer | undefined,
    place: Promise<BlobWriter | undefined> | undefined,
  ): Promise<void> {
    const held = this.#held;
    if (bytes !== undefined) {
      const replaces = held?.body !== undefined;
      await this.#keeper.keep(entry, bytes, { shared: false, replaces, ...(place && { place }) });
      this.#tools.entries.setSharedBody(entry.body!.digest, bytes);
    } else if (held?.body !== undefined) {
      // A body that describes itself must not come back as the page of a project that is gone.
      await this.#keeper.removeOwned(held);
    }
    await this.#store(entry);
  }

  /** A body that is sent on: small ones when they are whole and right, large ones while they arrive. */
  async #receiveStreamed(response: IncomingResponse, rule: StreamedBody): Promise<Landing> {
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
      store: (entry) => this.#store(entry),
    });
    return arrival.land(response);
  }

  /** What the page promised of the bytes: when it promises something else one day, they are not those of today. */
  get #promise(): Json {
    const { expected } = this.#resource;
    return expected === undefined ? null : `${expected.algorithm}:${expected.hex}`;
  }

  async #store(entry: Entry): Promise<void> {
    // Nor may its body stay behind, for bodies describe themselves and come back as entries.
    if (this.#overtaken) return this.#keeper.removeOwned(entry);
    // Another variant may have been stored since this flight began.
    const stored = this.#tools.entries.peek(this.#resource.key) ?? this.#record;
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
    return {
      status: response.status,
      fields: storedFields(granted),
      url: response.url,
      requestTime: response.requestTime,
      responseTime: response.responseTime,
      varying: varyingFields(request, granted),
      source: response.source,
      ...(body === undefined ? {} : { body }),
      ...(facts === undefined ? {} : { facts }),
    };
  }
}
