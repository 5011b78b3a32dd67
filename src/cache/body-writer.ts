// Keeps the bodies of one resource on disk. A disk that takes nothing (full, read-only, out of descriptors) is told of,
// and asked again for what is in memory; it never costs the answer.

import type { BlobStore, BlobWriter, SyncTime } from '../store/blobs/blob-store.ts';
import type { BodyWriteRetries } from '../store/blobs/body-write-retries.ts';
import type { RecentBodies } from '../store/blobs/recent-bodies.ts';
import type { Entry } from '../store/entries/entry.ts';
import type { EntryStore } from '../store/entries/entry-store.ts';
import { describe, ownedName } from '../store/entries/record.ts';
import type { KeyChanges } from './key-changes.ts';
import type { FetchObserver, Resource } from './profile.ts';

/** Where bodies go. */
export interface BodyKeeperTools {
  readonly blobs: BlobStore;
  readonly entries: Pick<EntryStore, 'get'>;
  readonly recent: RecentBodies;
  readonly bodyWriteRetries: BodyWriteRetries;
  readonly changes: Pick<KeyChanges, 'inTurn'>;
  readonly observe: Pick<FetchObserver, 'diskFailure'>;
}

/** How a body is kept. */
export interface KeepOptions {
  /** The body lies under its digest, not under the entry's own name. */
  readonly shared: boolean;
  readonly replaces: boolean;
  /** From `create()`, where it was begun before. */
  readonly place?: Promise<BlobWriter | undefined>;
}

/** Writes the bodies of one resource to disk, and keeps what the disk does not take for later. */
export class BodyWriter {
  readonly #tools: BodyKeeperTools;
  readonly #resource: Resource;

  constructor(tools: BodyKeeperTools, resource: Resource) {
    this.#tools = tools;
    this.#resource = resource;
  }

  /** A place for a new body; undefined while the disk takes nothing. */
  create(): Promise<BlobWriter | undefined> {
    return this.#tools.blobs.create(this.#resource.profile.body.kind).catch(this.diskFailure);
  }

  /**
   * Keeps a body that is in memory: there for a while, and on disk, as soon as the disk takes it. Resolves when it is
   * there or the disk does not take it now. `replaces`: a body of the same name may be there, and must not be lost
   * before this one is safe. Only within a change of the key (key-changes.ts).
   */
  async keep(entry: Entry, bytes: Buffer, { shared, replaces, place = this.create() }: KeepOptions): Promise<void> {
    this.#tools.recent.add(entry.body!.digest, bytes);
    if (await this.#write(place, entry, bytes, shared, replaces ? 'before' : 'behind')) return;
    const { changes, bodyWriteRetries } = this.#tools;
    const { key } = this.#resource;
    // In turn with purges: what is forgotten between the look at the record and the writing would come back.
    bodyWriteRetries.add(ownedName(key, entry), () => changes.inTurn(key, () => this.#keepLater(entry, shared)));
  }

  /** Resolves with false when the disk still does not take it. */
  async #keepLater(entry: Entry, shared: boolean): Promise<boolean> {
    const bytes = this.#tools.recent.get(entry.body!.digest);
    // It may have been validated since.
    const stored = await this.#stored(entry);
    if (bytes === undefined || stored === undefined) return true;
    return this.#write(this.create(), stored, bytes, shared, 'before');
  }

  /** The stored entry of this body; undefined when there is none any more. */
  async #stored(entry: Entry): Promise<Entry | undefined> {
    const { key } = this.#resource;
    const record = await this.#tools.entries.get(key);
    const name = ownedName(key, entry);
    return record?.variants.find((one) => one.body?.digest === entry.body!.digest && ownedName(key, one) === name);
  }

  async #write(
    place: Promise<BlobWriter | undefined>,
    entry: Entry,
    bytes: Buffer,
    shared: boolean,
    sync: SyncTime,
  ): Promise<boolean> {
    const writer = await place;
    if (writer === undefined) return false;
    try {
      await this.publish(writer, entry, shared, sync, [bytes]);
    } catch (error) {
      this.diskFailure(error as NodeJS.ErrnoException);
      await writer.discard();
      return false;
    }
    // It waits for the sync, which nobody else does.
    void writer.discard();
    return true;
  }

  /**
   * Makes what was written, and `rest` behind it, the entry's body: under its digest where it is shared, else under the
   * entry's own name.
   */
  async publish(
    writer: BlobWriter,
    entry: Entry,
    shared: boolean,
    sync: SyncTime = 'before',
    rest: readonly Buffer[] = [],
  ): Promise<void> {
    const { digest } = entry.body!;
    const { key } = this.#resource;
    if (shared) {
      if (rest.length > 0) await writer.write(rest);
      await writer.publish(digest, sync);
    } else await writer.publishAs(ownedName(key, entry), digest, describe(key, entry), sync, rest);
  }

  /** Removes the body that belongs to an entry alone; a shared one stays for others, and for the quota to judge. */
  async removeOwned(entry: Entry): Promise<void> {
    const { body } = this.#resource.profile;
    if (body.kind === 'streamed' && body.shared) return;
    await this.#tools.blobs.removeOwned(ownedName(this.#resource.key, entry), 'removed').catch(this.diskFailure);
  }

  readonly diskFailure = (error: NodeJS.ErrnoException): undefined => {
    this.#tools.observe.diskFailure(error);
  };
}
