// What other processes on this data folder and other nodes on our Redis have stored. It becomes ours only together with
// its body, which is on our disk before the entry that speaks of it.

import { verdict } from '../http-semantics/reuse.ts';
import { selectVariant } from '../http-semantics/vary.ts';
import { UnreadableBlob } from '../store/blobs/stored-blob.ts';
import type { Entry, EntryRecord } from '../store/entries/entry.ts';
import { ownedName } from '../store/entries/record.ts';
import { BodyKeeper } from './body-writer.ts';
import type { Landing } from './fetch-result.ts';
import type { FlightTools } from './fetch-tools.ts';
import type { Resource } from './profile.ts';

export type StoredLanding = Extract<Landing, { kind: 'stored' }>;

export class StoredByOthers {
  readonly #tools: FlightTools;

  constructor(tools: FlightTools) {
    this.#tools = tools;
  }

  /** What another process of this machine stored since `held`, when it may be used without asking upstream. */
  async onDisk(resource: Resource, held: Entry | undefined): Promise<StoredLanding | undefined> {
    const entry = this.#newer(resource, this.#tools.entries.reread(resource.key), held);
    if (entry === undefined || !(await this.#hasBody(resource, entry))) return undefined;
    return landingOf(entry, held);
  }

  /** The same for what another node stored. */
  async amongNodes(resource: Resource, held: Entry | undefined): Promise<StoredLanding | undefined> {
    const entry = await this.#takeIn(resource, (record) => this.#newer(resource, record, held));
    return entry === undefined ? undefined : landingOf(entry, held);
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
        // A flight may have stored something newer while the body came.
        const stored = selectVariant(resource.request, entries.peek(key)?.variants ?? []);
        if (stored !== undefined && stored.responseTime >= entry.responseTime) return entry;
        if (bytes === undefined && !(await this.#hasBody(resource, entry))) return undefined;
        if (bytes !== undefined) {
          await new BodyKeeper(this.#tools, resource).keep(entry, bytes, { shared: false, replaces: true });
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

function landingOf(entry: Entry, held: Entry | undefined): StoredLanding {
  const isSame = held !== undefined && held.body?.digest === entry.body?.digest;
  return { kind: 'stored', outcome: isSame ? 'revalidated' : held === undefined ? 'miss' : 'updated', entry };
}
