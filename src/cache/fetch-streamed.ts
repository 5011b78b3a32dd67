// How a body that clients follow lands: a small one when it is whole and right, a large one as a growing body that is
// sent while it arrives. What is wrong before a client has seen anything of it is asked for again, elsewhere.

import { randomUUID } from 'node:crypto';
import { digestOf } from '../core/digest.ts';
import { type FailureKind, UpstreamFailure } from '../core/errors.ts';
import { contentLength } from '../core/http-body.ts';
import { contentCoding, type IncomingResponse } from '../core/http-message.ts';
import type { BlobWriter } from '../store/blobs/blob-store.ts';
import type { BodyReference, Entry } from '../store/entries/entry.ts';
import type { BodyWriter } from './body-writer.ts';
import type { FetchResult } from './fetch-result.ts';
import { requireRight } from './fetch-whole.ts';
import { GrowingBody } from './growing-body.ts';
import type { FetchObserver, Resource, StreamedBody } from './profile.ts';
import { type Chunks, fill, gather } from './resume.ts';

/** One body that is sent on while it arrives, and where it is kept. */
export interface StreamedArrivalOptions {
  readonly resource: Resource;
  readonly rule: StreamedBody;
  readonly outcome: 'miss' | 'updated';
  readonly keeper: BodyWriter;
  readonly observe: FetchObserver;
  readonly signal: AbortSignal;
  /** Ends the fetch: nobody needs it any more. */
  readonly abort: () => void;
  /** Asks once more for the whole body, over a new connection and if possible not at these sources. */
  readonly ask: (avoid: ReadonlySet<string>) => Promise<IncomingResponse>;
  readonly entryOf: (response: IncomingResponse, body: BodyReference | undefined) => Entry;
  /** Calls `keep`, which puts the body in its place, and stores the entry when it has; neither after a purge. */
  readonly store: (entry: Entry, keep: () => Promise<boolean>) => Promise<unknown>;
}

/** How often a body is asked for in all before the reader is told that it cannot be had. */
const MAX_ATTEMPTS = 3;
/** A small body that takes longer is sent while it arrives, so that no client hears nothing for long. */
const GATHER_MS = 4_000;
/** A body that has to be here whole before anything of it can be sent may take that long: its clients come back. */
const GATHER_CODED_MS = 60_000;
/** A body with a content coding that nobody asked for is undone in memory, up to this size. */
const MAX_CODED_BYTES = 64 * 1024 * 1024;
/** After that the next reader had better begin anew, over another connection, than wait for this one. */
const LONGEST_SILENCE_MS = 5_000;
/** The same for a body that is asked for beside when it falls silent. */
const LONGEST_RESUMABLE_SILENCE_MS = 30_000;
/** When others are asked beside a source that keeps silent behind its head: soon, and when its client has come back. */
const BESIDE_MS = [4_000, 10_000];

/** After these another attempt is of no use: it says the same, or would be too late. */
const FINAL: ReadonlySet<FailureKind> = new Set(['too-large', 'status', 'too-slow']);

/** Receives a body that readers follow while it arrives. Rejects with an UpstreamFailure. */
export class StreamedArrival {
  readonly #options: StreamedArrivalOptions;

  constructor(options: StreamedArrivalOptions) {
    this.#options = options;
  }

  /** Rejects with an UpstreamFailure when no attempt brought a right body; nothing of it is stored then. */
  async land(first: IncomingResponse): Promise<FetchResult> {
    const { ask, rule, signal } = this.#options;
    const avoid = new Set<string>();
    let response = first;
    for (let attempt = 1; ; attempt++) {
      try {
        if (rule.shared) response = await this.#audible(response, avoid);
        return await this.#receive(response, attempt);
      } catch (error) {
        response.body.destroy();
        if (!(error instanceof UpstreamFailure)) throw error;
        if (error.kind === 'wrong-digest') this.#wrongBody(response);
        // Without a digest there is nothing to be found wrong with another copy: one try, as any cache would do.
        const another = rule.shared && !FINAL.has(error.kind) && !signal.aborted;
        if (!another || attempt === MAX_ATTEMPTS) throw error;
        avoid.add(response.source);
        response = await ask(avoid);
      }
    }
  }

  /**
   * The answer whose body is the first to say something: beside one that keeps silent behind its head others are asked,
   * and the silent one is waited for all the same, for its server may be slow. Rejects when the last one has failed.
   */
  async #audible(first: IncomingResponse, avoid: ReadonlySet<string>): Promise<IncomingResponse> {
    if (first.body.readableLength > 0 || first.body.readableEnded) return first;
    const { promise, resolve, reject } = Promise.withResolvers<IncomingResponse>();
    const silent = new Set<IncomingResponse>();
    const listen = (response: IncomingResponse) => {
      silent.add(response);
      response.body.once('readable', () => resolve(response));
      response.body.once('error', (error) => {
        silent.delete(response);
        if (silent.size === 0) reject(error);
      });
    };
    let isOver = false;
    const askBeside = async () => {
      try {
        const other = await this.#options.ask(new Set([...avoid, ...[...silent].map(({ source }) => source)]));
        if (isOver || this.#options.resource.profile.meaning(other.status) !== 'content') other.body.destroy();
        else listen(other);
      } catch (error) {
        // The one beside which it was asked is still waited for.
        if (!(error instanceof UpstreamFailure)) reject(error);
      }
    };
    listen(first);
    const timers = BESIDE_MS.map((ms) => setTimeout(() => void askBeside(), ms));
    try {
      const heard = await promise;
      silent.delete(heard);
      return heard;
    } finally {
      isOver = true;
      for (const timer of timers) clearTimeout(timer);
      for (const { body } of silent) body.destroy();
    }
  }

  async #receive(response: IncomingResponse, attempt: number): Promise<FetchResult> {
    const { resource, rule } = this.#options;
    requireContent(response, resource);
    const announced = contentLength(response);
    // The size that the page gives tells a wrong body at once. When another copy has that length too, the page may be
    // what is wrong, and the hash alone decides.
    const decisive = rule.shared && (attempt === 1 || resource.expected === undefined);
    const promised = decisive ? resource.expectedSizeBytes : undefined;
    // A coding that nobody asked for must be undone before anything can be said about the bytes; where the length is
    // the promised one, it merely describes the file.
    const coded = contentCoding(response.fields) !== undefined && announced !== promised;
    if (rule.shared && coded) return this.#receiveCoded(response);
    if (promised !== undefined && announced !== undefined && promised !== announced) {
      throw new UpstreamFailure('wrong-digest', `Upstream announces ${announced} bytes, its index ${promised}.`);
    }
    const sizeBytes = promised ?? announced;
    if (sizeBytes !== undefined && sizeBytes > rule.wholeUpToBytes) {
      return this.#grow(response, response.body as Chunks, sizeBytes);
    }
    const gathered = await gather(response, { maxBytes: rule.wholeUpToBytes, waitMs: GATHER_MS });
    return 'whole' in gathered
      ? this.#keepWhole(response, Buffer.concat(gathered.whole))
      : this.#grow(response, gathered.more, sizeBytes);
  }

  async #receiveCoded(response: IncomingResponse): Promise<FetchResult> {
    const maxBytes = Math.min(this.#options.rule.maxBytes, MAX_CODED_BYTES);
    const gathered = await gather(response, { maxBytes, waitMs: GATHER_CODED_MS });
    if ('whole' in gathered) return this.#keepWhole(response, Buffer.concat(gathered.whole));
    throw new UpstreamFailure('protocol', 'Upstream sent a large file with a content coding that nobody asked for.');
  }

  async #keepWhole(response: IncomingResponse, sent: Buffer): Promise<FetchResult> {
    const { entryOf, keeper, observe, outcome, resource, rule, store } = this.#options;
    observe.received(resource, sent.length);
    const bytes = requireRight(sent, response, resource, rule.maxBytes);
    const verified = resource.expected !== undefined;
    const entry = entryOf(response, { digest: digestOf(bytes), sizeBytes: bytes.length, verified });
    await store(entry, async () => {
      await keeper.keep(entry, bytes, { shared: rule.shared, replaces: !rule.shared && outcome === 'updated' });
      return true;
    });
    return { kind: 'stored', outcome, entry, bytes, received: response.fields };
  }

  #grow(response: IncomingResponse, chunks: Chunks, sizeBytes: number | undefined): FetchResult {
    const { abort, entryOf, keeper, outcome, resource, rule } = this.#options;
    const writer = keeper.create();
    const body = new GrowingBody({
      sizeBytes,
      holdBackBytes: rule.holdBackBytes,
      writer,
      onDiskFailure: keeper.diskFailure,
      onDeserted: () => {
        const longestMs = resource.expected === undefined ? LONGEST_SILENCE_MS : LONGEST_RESUMABLE_SILENCE_MS;
        if (body.silentMs > longestMs || !worthFinishing(body, sizeBytes, rule.finishAbandonedBytes)) abort();
      },
    });
    const arrived = this.#arrive(response, chunks, body, writer);
    // Readers read through the writer, and it is published through it: it closes when both are done, and no write is
    // under way, whose failure would be taken for the disk's. A failure is told to readers by the body; without readers
    // it is nobody's.
    void Promise.allSettled([arrived, body.finished])
      .then(() => body.settled())
      .then(async () => (await writer)?.discard());
    const tag = `"flight-${randomUUID()}"`;
    return {
      kind: 'growing',
      outcome,
      entry: entryOf(response, undefined),
      received: response.fields,
      body,
      tag,
      arrived,
    };
  }

  /** Resolves with the entry when the body is right, and stored as far as the disk takes it. */
  async #arrive(
    response: IncomingResponse,
    chunks: Chunks,
    body: GrowingBody,
    opening: Promise<BlobWriter | undefined>,
  ): Promise<Entry> {
    const { entryOf, keeper, observe, resource, rule, signal, store } = this.#options;
    try {
      const filled = await fill({ resource, response, chunks, growing: body, maxBytes: rule.maxBytes, signal });
      // The bytes are right: readers need not wait for the disk to say so too.
      body.complete();
      const entry = entryOf(response, filled);
      await body.settled();
      const writer = await opening;
      if (writer === undefined || body.diskFailed) return entry;
      await store(entry, () =>
        keeper.publish(writer, entry, rule.shared).then(
          () => true,
          (error: NodeJS.ErrnoException) => {
            keeper.diskFailure(error);
            return false;
          },
        ),
      );
      return entry;
    } catch (error) {
      if (error instanceof UpstreamFailure && error.kind === 'wrong-digest') this.#wrongBody(response);
      body.fail(error as Error);
      throw error;
    } finally {
      observe.received(resource, body.received);
    }
  }

  #wrongBody(response: IncomingResponse): void {
    const { observe, resource } = this.#options;
    resource.onWrongBody(response.source);
    observe.integrityFailure(resource, 'wrong-digest');
  }
}

/** Upstream's second answer may be of any status; only what the profile calls content is a body to keep. */
function requireContent({ status }: IncomingResponse, { profile }: Resource): void {
  if (profile.meaning(status) === 'content') return;
  // A part that nobody asked for (206) is a broken answer, and another source may do better.
  const kind = status < 300 ? 'protocol' : 'status';
  throw new UpstreamFailure(kind, `Upstream answered with status ${status}.`, { upstreamStatus: status });
}

/** A fill that nobody reads any more goes on when little is left, or when half of it is here. */
function worthFinishing({ received }: GrowingBody, sizeBytes: number | undefined, maxRestBytes: number): boolean {
  // How much is left of a body without a length nobody knows: as long as little has come, little is risked.
  const restBytes = sizeBytes === undefined ? received : sizeBytes - received;
  return restBytes <= maxRestBytes || restBytes <= received;
}
