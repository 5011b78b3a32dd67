// One upstream request and what became of it. However many readers wait for a key, one flight serves them all:
// read-through.ts shares its landing.

import { randomUUID } from 'node:crypto';
import { UpstreamFailure } from '../errors.ts';
import type { IncomingResponse } from '../http-message.ts';
import { fieldValue } from '../http-message.ts';
import type { BlobStore, BlobWriter } from './blob-store.ts';
import { digestOf } from './digest.ts';
import type { BodyReference, Entry, EntryRecord, Json } from './entry.ts';
import type { EntryStore } from './entry-store.ts';
import { fill } from './fill.ts';
import { staleAllowed } from './freshness/stale.ts';
import { storable, storedFields } from './freshness/storable.ts';
import { conditions, freshen } from './freshness/validate.ts';
import { varyingFields } from './freshness/vary.ts';
import { GrowingBody } from './growing-body.ts';
import type { Ask, Resource, StreamedBody, WholeBody } from './profile.ts';
import type { RecentBodies } from './recent-bodies.ts';
import { describe, ownedName, withVariant } from './record.ts';
import { collect, collectRight, contentLength } from './whole-body.ts';

export type Landing =
  /** The entry is stored, new or confirmed. */
  | { readonly kind: 'stored'; readonly outcome: 'miss' | 'updated' | 'revalidated'; readonly entry: Entry }
  /** The body is on its way; `arrived` resolves with the stored entry, or rejects. */
  | {
      readonly kind: 'growing';
      readonly outcome: 'miss' | 'updated';
      readonly entry: Entry;
      readonly body: GrowingBody;
      /** Names this flight: the validator of bytes that nobody has verified yet. */
      readonly tag: string;
      readonly arrived: Promise<Entry>;
    }
  /** The answer may not be stored: it belongs to the one request that fetched it. */
  | { readonly kind: 'passing'; readonly response: IncomingResponse }
  /** Upstream's answer was not believed; the held entry stays. */
  | {
      readonly kind: 'kept';
      readonly entry: Entry;
      readonly reason: string;
      readonly retryAfterMs: number | undefined;
    };

export interface FlightTools {
  readonly blobs: BlobStore;
  readonly entries: EntryStore;
  readonly recent: RecentBodies;
  readonly now: () => number;
  readonly observe: FlightObserver;
}

/** What a flight tells: counted and logged elsewhere. */
export interface FlightObserver {
  integrityFailure(resource: Resource, kind: 'wrong-digest' | 'damaged-body'): void;
  diskFailure(error: NodeJS.ErrnoException): void;
  /** Bytes of a body that came from upstream, whole or not. */
  received(resource: Resource, bytes: number): void;
}

/** How often a body with a wrong hash is asked for again, elsewhere, before the reader is told. */
const MAX_ATTEMPTS = 3;
/** A fill nobody reads any more is finished when at most this much is missing. */
const SMALL_REST_BYTES = 32 * 1024 * 1024;

export class Flight {
  readonly #tools: FlightTools;
  readonly #resource: Resource;
  readonly #record: EntryRecord | undefined;
  readonly #held: Entry | undefined;
  readonly #abort = new AbortController();

  constructor(
    tools: FlightTools,
    resource: Resource,
    stored: { readonly record: EntryRecord | undefined; readonly held: Entry | undefined },
  ) {
    this.#tools = tools;
    this.#resource = resource;
    this.#record = stored.record;
    this.#held = stored.held;
  }

  /** Ends the request: nobody needs it any more. */
  abort(): void {
    this.#abort.abort();
  }

  /** Asks upstream. Rejects with an UpstreamFailure, which never changed anything that is stored. */
  async land(): Promise<Landing> {
    const held = this.#held;
    if (held !== undefined) {
      const response = await this.#ask({ conditions: conditions(held) });
      if (response.status !== 304) return this.#receive(response);
      response.body.destroy();
      const landing = await this.#notModified(held, response);
      if (landing !== undefined) return landing;
    }
    const response = await this.#ask({ conditions: [] });
    if (response.status === 304) {
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
    await this.#store(entry);
    return { kind: 'stored', outcome: 'revalidated', entry };
  }

  async #receive(response: IncomingResponse): Promise<Landing> {
    const { profile } = this.#resource;
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
    const bytes = await collect(response, rule.maxBytes);
    this.#tools.observe.received(this.#resource, bytes.length);
    const digest = digestOf(bytes);
    const reference: BodyReference = { digest, sizeBytes: bytes.length, verified: true };
    const held = this.#held;
    // Without validators an equal body is as good as a 304.
    if (held?.body?.digest === digest && held.url === response.url && held.facts !== undefined) {
      const entry = this.#entryOf(response, reference, held.facts);
      await this.#store(entry);
      return { kind: 'stored', outcome: 'revalidated', entry };
    }
    const facts = (await this.#resource.check?.(response, bytes)) ?? null;
    const entry = this.#entryOf(response, reference, facts);
    return this.#settle(entry, false, bytes);
  }

  /** The candidate has been checked: may it replace what is held? */
  async #settle(candidate: Entry, always: boolean, bytes?: Buffer): Promise<Landing> {
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
    if (bytes !== undefined) {
      await this.#keep(candidate, bytes, false);
      this.#tools.entries.setSharedBody(candidate.body!.digest, bytes);
    } else if (held?.body !== undefined) {
      // A body that describes itself must not come back as the page of a project that is gone.
      await this.#tools.blobs.removeOwned(ownedName(this.#resource.key, held)).catch(this.#diskFailure);
    }
    await this.#store(candidate);
    return { kind: 'stored', outcome: this.#outcome, entry: candidate };
  }

  /** A body that is sent on: small ones when they are whole and right, large ones while they arrive. */
  async #receiveStreamed(response: IncomingResponse, rule: StreamedBody): Promise<Landing> {
    const { profile, request } = this.#resource;
    const granted = { ...response, fields: profile.grant(response) };
    if (!storable(request, granted, profile.rules).store) return { kind: 'passing', response };
    const sizeBytes = this.#resource.expectedSizeBytes ?? contentLength(response);
    const small = sizeBytes !== undefined && sizeBytes <= rule.wholeUpToBytes;
    // A coding that nobody asked for must be undone before anything can be said about the bytes.
    const coded = rule.shared && fieldValue(response.fields, 'content-encoding') !== undefined;
    return small || coded
      ? this.#receiveSmall(response, rule)
      : this.#receiveGrowing(response, rule, rule.shared ? sizeBytes : contentLength(response));
  }

  /** Asks elsewhere when the bytes are wrong or missing: the reader sees one right answer, a little later. */
  async #receiveSmall(first: IncomingResponse, rule: StreamedBody): Promise<Landing> {
    const avoid = new Set<string>();
    let response = first;
    for (let attempt = 1; ; attempt++) {
      try {
        const bytes = await collectRight(response, this.#resource, rule.maxBytes);
        this.#tools.observe.received(this.#resource, bytes.length);
        const verified = this.#resource.expected !== undefined;
        const entry = this.#entryOf(response, { digest: digestOf(bytes), sizeBytes: bytes.length, verified }, null);
        await this.#keep(entry, bytes, rule.shared);
        await this.#store(entry);
        return { kind: 'stored', outcome: this.#outcome, entry };
      } catch (error) {
        if (!(error instanceof UpstreamFailure)) throw error;
        if (error.kind === 'wrong-digest') this.#wrongBody(response);
        if (attempt === MAX_ATTEMPTS || error.kind === 'too-large' || this.#abort.signal.aborted) throw error;
        avoid.add(response.source);
        response = await this.#ask({ avoid });
        if (this.#resource.profile.meaning(response.status) !== 'content') return this.#receive(response);
      }
    }
  }

  async #receiveGrowing(
    response: IncomingResponse,
    rule: StreamedBody,
    sizeBytes: number | undefined,
  ): Promise<Landing> {
    const writer = await this.#tools.blobs.create().catch(this.#diskFailure);
    const body = new GrowingBody({
      sizeBytes,
      holdBackBytes: rule.holdBackBytes,
      writer,
      onDiskFailure: this.#diskFailure,
      onDeserted: () => {
        if (!worthFinishing(body.received, sizeBytes)) this.abort();
      },
    });
    const arrived = this.#fillAndPublish(response, body, writer, rule);
    // Readers hear of a failure from the body; without readers it is nobody's.
    arrived.catch(() => {});
    void body.finished.then(() => writer?.discard());
    const tag = `"flight-${randomUUID()}"`;
    return {
      kind: 'growing',
      outcome: this.#outcome,
      entry: this.#entryOf(response, undefined, null),
      body,
      tag,
      arrived,
    };
  }

  async #fillAndPublish(
    response: IncomingResponse,
    body: GrowingBody,
    writer: BlobWriter | undefined,
    rule: StreamedBody,
  ): Promise<Entry> {
    try {
      const filled = await fill(this.#resource, response, body, rule.maxBytes, this.#abort.signal);
      await body.settled();
      const entry = this.#entryOf(response, filled, null);
      if (writer === undefined || body.diskFailed) {
        body.complete();
        return entry;
      }
      // The bytes are right: readers need not wait for the disk to say so too.
      body.complete();
      await this.#publish(writer, entry, rule.shared);
      await this.#store(entry);
      return entry;
    } catch (error) {
      if (error instanceof UpstreamFailure && error.kind === 'wrong-digest') this.#wrongBody(response);
      body.fail(error as Error);
      throw error;
    } finally {
      this.#tools.observe.received(this.#resource, body.received);
    }
  }

  /** Bytes first, then the entry that speaks of them. A full disk costs the copy on disk, not the answer. */
  async #keep(entry: Entry, bytes: Buffer, shared: boolean): Promise<void> {
    this.#tools.recent.add(entry.body!.digest, bytes);
    const writer = await this.#tools.blobs.create().catch(this.#diskFailure);
    if (writer === undefined) return;
    try {
      await writer.write([bytes]);
      await this.#publish(writer, entry, shared);
    } catch (error) {
      this.#diskFailure(error as NodeJS.ErrnoException);
    }
    await writer.discard();
  }

  async #publish(writer: BlobWriter, entry: Entry, shared: boolean): Promise<void> {
    const { digest } = entry.body!;
    const blob = shared
      ? await writer.publish(digest)
      : await writer.publishAs(ownedName(this.#resource.key, entry), digest, describe(this.#resource.key, entry));
    blob.release();
  }

  async #store(entry: Entry): Promise<void> {
    await this.#tools.entries.set(this.#resource.key, withVariant(this.#record, this.#held, entry));
  }

  get #outcome(): 'miss' | 'updated' {
    return this.#held === undefined ? 'miss' : 'updated';
  }

  #wrongBody(response: IncomingResponse): void {
    this.#resource.onWrongBody(response.source);
    this.#tools.observe.integrityFailure(this.#resource, 'wrong-digest');
  }

  readonly #diskFailure = (error: NodeJS.ErrnoException): undefined => {
    this.#tools.observe.diskFailure(error);
  };

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

/** A fill that nobody reads any more goes on when little is left, or when most of it is here. */
function worthFinishing(received: number, sizeBytes: number | undefined): boolean {
  if (sizeBytes === undefined) return false;
  return sizeBytes - received <= SMALL_REST_BYTES || received * 2 >= sizeBytes;
}
