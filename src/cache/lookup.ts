// What this node has stored under a key: finding it, opening its body, and forgetting it. Nobody is asked for it but
// the other processes and nodes that share a store with us.

import { parseDigest } from '../core/digest.ts';
import { verdict } from '../http-semantics/reuse.ts';
import type { TimedHead } from '../http-semantics/rules.ts';
import { storedFields } from '../http-semantics/storable.ts';
import { freshenFromHead } from '../http-semantics/validate.ts';
import { selectVariant } from '../http-semantics/vary.ts';
import type { Blob } from '../store/blobs/blob-store.ts';
import { MemoryBlob, UnreadableBlob } from '../store/blobs/stored-blob.ts';
import type { Entry, EntryRecord } from '../store/entries/entry.ts';
import { described, holds, ownedName, withVariant } from '../store/entries/record.ts';
import { BodyWriter } from './body-writer.ts';
import type { FetchResult } from './fetch-result.ts';
import type { FetchTools } from './fetch-tools.ts';
import type { Resource } from './profile.ts';

/** How entries are forgotten: also in Redis, or only those that are older. */
export interface Forgetting {
  /** Also the bodies that lie under their digests. */
  readonly withShared: boolean;
  /** Whether the record is not meant. */
  readonly stays: (record: EntryRecord | undefined) => boolean;
}

/** Finds what is stored under a key, here or at other nodes, and opens its body. */
export class Lookup {
  readonly #tools: FetchTools;
  readonly #others: StoredByOthers;

  constructor(tools: FetchTools, others: StoredByOthers) {
    this.#tools = tools;
    this.#others = others;
  }

  /** The record of the resource as this node has it written down. */
  recorded({ key }: Resource): EntryRecord | undefined {
    const { entries } = this.#tools;
    return entries.peek(key) ?? entries.reread(key);
  }

  /** The record of the resource, from memory, disk, other nodes, or from a body that describes itself. */
  async lookUp(resource: Resource): Promise<EntryRecord | undefined> {
    const record = this.recorded(resource) ?? (await this.#others.adopt(resource));
    if (record !== undefined) return record;
    const { body } = resource.profile;
    if (body.kind === 'streamed' && body.shared) return this.#adoptBlob(resource);
    return this.#recover(resource);
  }

  /**
   * The entry store may have lost what the body still says of itself. Looked at and written in one turn of the key:
   *   1. a fetch has published its body, and its record follows;
   *   2. a reader finds the body without a record, and reads what it says of itself;
   *   3. a purge removes both;
   *   4. the reader writes down the record of a body that is gone.
   */
  async #recover({ key }: Resource): Promise<EntryRecord | undefined> {
    const { blobs, changes, entries } = this.#tools;
    return changes.inTurn(key, async () => {
      const owned = await blobs.openOwned(key).catch(notNow);
      owned?.blob.release();
      // What a fetch stored before this turn is newer, and a second fetch would be one too many.
      const stored = entries.peek(key);
      if (owned === undefined || stored !== undefined) return stored;
      const recovered = described(key, owned.description);
      if (recovered !== undefined) await entries.set(key, recovered);
      return recovered;
    });
  }

  /** What is stored for the request, usable or not; asks nobody. */
  async held(resource: Resource): Promise<Entry | undefined> {
    const record = await this.#tools.entries.get(resource.key);
    return selectVariant(resource.request, record?.variants ?? []);
  }

  /**
   * The body of a stored entry; undefined when it is lost or damaged, and then `heal` gets it again. Rejects with
   * UnreadableBlob when this disk does not give it now, and no other node has it.
   */
  async open(resource: Resource, entry: Entry): Promise<Blob | undefined> {
    const reference = entry.body;
    if (reference === undefined) return undefined;
    const recent = this.#tools.recent.get(reference.digest);
    if (recent !== undefined) return new MemoryBlob(reference.digest, recent);
    const { body } = resource.profile;
    if (body.kind === 'streamed' && body.shared) return this.#tools.blobs.open(reference.digest);
    let unreadable: UnreadableBlob | undefined;
    const owned = await this.#tools.blobs
      .openOwned(ownedName(resource.key, entry), reference.digest)
      .catch((error: unknown) => {
        unreadable = requireUnreadable(error);
        return undefined;
      });
    if (owned?.blob.digest === reference.digest) return owned.blob;
    owned?.blob.release();
    const shared = await this.#tools.entries.getSharedBody(reference.digest);
    if (shared === undefined && unreadable !== undefined) throw unreadable;
    if (shared === undefined) return undefined;
    this.#tools.recent.add(reference.digest, shared);
    return new MemoryBlob(reference.digest, shared);
  }

  /** RFC 9111 4.3.5: what a 200 to HEAD says of the response that is held for GET updates it, or makes it stale. */
  async learnFromHead({ key }: Resource, held: Entry, head: TimedHead): Promise<void> {
    const { changes, entries } = this.#tools;
    await changes.inTurn(key, async () => {
      const record = await entries.get(key);
      // A GET has brought or validated something since the HEAD went out, or the key was purged.
      if (holds(record, held)) await entries.set(key, withVariant(record, held, freshenFromHead(held, head)));
    });
  }

  /** Marks what is stored under the key as of before a change (RFC 9111 4.3.5 has the same mark). */
  outdate(key: string): void {
    const { entries } = this.#tools;
    // Past memory, and in one go: another process may have stored something, and nothing may be stored in between.
    const record = entries.reread(key) ?? entries.peek(key);
    if (record === undefined) return;
    const variants = record.variants.map((variant) => ({ ...variant, outdated: true }));
    void entries.set(key, { ...record, variants });
  }

  /** Forgets an entry whose body is gone, so that it is fetched again. */
  async dropLost({ key }: Resource, entry: Entry): Promise<void> {
    const { changes, entries } = this.#tools;
    await changes.inTurn(key, async () => {
      // Past memory: another process may have put a new body, and its entry, in the place of the one we knew.
      const record = entries.reread(key) ?? (await entries.get(key));
      const variants = (record?.variants ?? []).filter((variant) => variant.body?.digest !== entry.body?.digest);
      // Without any record the body on disk is asked what it is: after a crash it may be newer than its entry was.
      if (variants.length === 0) await entries.delete(key);
      else await entries.set(key, { format: 1, variants });
    });
  }

  /**
   * Another process on this data folder has forgotten the key. A body that is still open here would otherwise be found,
   * say what it is, and come back.
   */
  forgottenElsewhere(key: string): void {
    const { entries, blobs } = this.#tools;
    for (const entry of entries.peek(key)?.variants ?? []) blobs.invalidate(ownedName(key, entry));
    blobs.invalidate(key);
    entries.invalidate([key]);
  }

  /**
   * Forgets everything under the key, bodies included; those that others may share only `withShared`. Resolves with
   * false, and nothing is forgotten, where `stays` says so of the record. The record goes last: whoever asks meanwhile in
   * another process would find a body without one, which says what it is and comes back.
   */
  async forget(key: string, { withShared, stays }: Forgetting): Promise<boolean> {
    const { changes, entries, blobs } = this.#tools;
    return changes.inTurn(key, async () => {
      const record = await entries.get(key);
      if (stays(record)) return false;
      for (const entry of record?.variants ?? []) await blobs.removeOwned(ownedName(key, entry), 'purge');
      await blobs.removeOwned(key, 'purge');
      // Another entry that has the same bytes fetches them again.
      const shared = withShared ? (record?.variants ?? []) : [];
      for (const { body } of shared) if (body !== undefined) await blobs.remove(body.digest, 'purge');
      await entries.delete(key);
      return record !== undefined;
    });
  }

  /** A file whose bytes are here under the digest that the page gives needs no upstream, whatever was forgotten. */
  async #adoptBlob(resource: Resource): Promise<EntryRecord | undefined> {
    const digest = resource.expected?.algorithm === 'sha256' ? parseDigest(resource.expected.hex) : undefined;
    const blob = digest === undefined ? undefined : await this.#tools.blobs.open(digest).catch(notNow);
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
    await this.#tools.changes.inTurn(resource.key, () => this.#tools.entries.set(resource.key, record));
    return record;
  }
}

/** What the disk does not give now is not found, and not lost either. */
function notNow(error: unknown): undefined {
  requireUnreadable(error);
  return undefined;
}

function requireUnreadable(error: unknown): UnreadableBlob {
  if (error instanceof UnreadableBlob) return error;
  throw error;
}

// What other processes on this data folder and other nodes on our Redis have stored. It becomes ours only together with
// its body, which is on our disk before the entry that speaks of it.

/** A result that is stored. */
export type StoredResult = Extract<FetchResult, { kind: 'stored' }>;

/** Looks for what another process stored meanwhile. */
export class StoredByOthers {
  readonly #tools: FetchTools;

  constructor(tools: FetchTools) {
    this.#tools = tools;
  }

  /** What another process of this machine stored since `held`, when it may be used without asking upstream. */
  async onDisk(resource: Resource, held: Entry | undefined): Promise<StoredResult | undefined> {
    const entry = this.#newer(resource, this.#tools.entries.reread(resource.key), held);
    if (entry === undefined || !(await this.#hasBody(resource, entry))) return undefined;
    return storedResult(entry, held);
  }

  /** The same for what another node stored. */
  async amongNodes(resource: Resource, held: Entry | undefined): Promise<StoredResult | undefined> {
    const entry = await this.#takeIn(resource, (record) => this.#newer(resource, record, held));
    return entry === undefined ? undefined : storedResult(entry, held);
  }

  /** What other nodes know of a key of which nothing is here, fresh or not. */
  async adopt(resource: Resource): Promise<EntryRecord | undefined> {
    const entry = await this.#takeIn(resource, (record) => selectVariant(resource.request, record?.variants ?? []));
    return entry === undefined ? undefined : this.#tools.entries.peek(resource.key);
  }

  /** Fresh alone would not do: whoever refreshes ahead of time, or is made to, has a fresh copy already. */
  #newer(resource: Resource, record: EntryRecord | undefined, held: Entry | undefined): Entry | undefined {
    if (record === undefined) return undefined;
    const decided = verdict(resource.request, record.variants, this.#tools.now(), resource.profile.rules);
    if (decided.kind !== 'fresh') return undefined;
    return held === undefined || decided.entry.responseTime > held.responseTime ? decided.entry : undefined;
  }

  /** The entry that was wanted of what other nodes know; undefined when there is none, or its body is not to be had. */
  async #takeIn(
    resource: Resource,
    wanted: (record: EntryRecord | undefined) => Entry | undefined,
  ): Promise<Entry | undefined> {
    const { changes, entries, now } = this.#tools;
    const { key } = resource;
    // What another node stored before a purge must not come back by a copy that is begun before the purge and ends after it.
    const pending = changes.begin(key, now());
    try {
      const record = await entries.getShared(key);
      const entry = wanted(record);
      if (record === undefined || entry === undefined) return undefined;
      const isHere = await this.#hasBody(resource, entry);
      const bytes = isHere ? undefined : await this.#sharedBody(resource, entry);
      if (!isHere && bytes === undefined) return undefined;
      return await changes.store(pending, async () => {
        // A fetch may have stored something newer while the body came.
        const stored = selectVariant(resource.request, entries.peek(key)?.variants ?? []);
        if (stored !== undefined && stored.responseTime >= entry.responseTime) return entry;
        if (bytes === undefined && !(await this.#hasBody(resource, entry))) return undefined;
        if (bytes !== undefined) {
          await new BodyWriter(this.#tools, resource).keep(entry, bytes, { shared: false, replaces: true });
        }
        await entries.set(key, record);
        return entry;
      });
    } finally {
      changes.end(pending);
    }
  }

  async #hasBody({ key, profile }: Resource, entry: Entry): Promise<boolean> {
    if (entry.body === undefined) return true;
    const { blobs } = this.#tools;
    const { digest } = entry.body;
    const isShared = profile.body.kind === 'streamed' && profile.body.shared;
    try {
      const blob = isShared ? await blobs.open(digest) : (await blobs.openOwned(ownedName(key, entry), digest))?.blob;
      blob?.release();
      return blob?.digest === digest;
    } catch (error) {
      // It is here, and the disk does not give it now: another one may.
      if (!(error instanceof UnreadableBlob)) throw error;
      return false;
    }
  }

  /** Only bodies that are read whole are offered to other nodes. */
  async #sharedBody({ profile }: Resource, entry: Entry): Promise<Buffer | undefined> {
    return profile.body.kind === 'whole' ? this.#tools.entries.getSharedBody(entry.body!.digest) : undefined;
  }
}

function storedResult(entry: Entry, held: Entry | undefined): StoredResult {
  const isSame = held !== undefined && held.body?.digest === entry.body?.digest;
  return { kind: 'stored', outcome: isSame ? 'revalidated' : held === undefined ? 'miss' : 'updated', entry };
}
