// What other processes on this data folder and other nodes on our Redis have stored. It becomes ours only together with
// its body, which is on our disk before the entry that speaks of it.

import { BodyKeeper } from './body-keeper.ts';
import type { Entry, EntryRecord } from './entry.ts';
import type { FlightTools } from './flight-tools.ts';
import { verdict } from './freshness/reuse.ts';
import { selectVariant } from './freshness/vary.ts';
import type { Landing } from './landing.ts';
import type { Resource } from './profile.ts';
import { ownedName } from './record.ts';

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
    const record = await this.#tools.entries.getShared(resource.key);
    const entry = this.#newer(resource, record, held);
    if (entry === undefined || !(await this.#takeIn(resource, record!, entry))) return undefined;
    return landingOf(entry, held);
  }

  /** What other nodes know of a key of which nothing is here, fresh or not. */
  async adopt(resource: Resource): Promise<EntryRecord | undefined> {
    const record = await this.#tools.entries.getShared(resource.key);
    const entry = selectVariant(resource.request, record?.variants ?? []);
    if (entry === undefined || !(await this.#takeIn(resource, record!, entry))) return undefined;
    return this.#tools.entries.peek(resource.key) ?? record;
  }

  /** Fresh alone would not do: whoever refreshes ahead of time, or is made to, has a fresh copy already. */
  #newer(resource: Resource, record: EntryRecord | undefined, held: Entry | undefined): Entry | undefined {
    if (record === undefined) return undefined;
    const decided = verdict(resource.request, record.variants, this.#tools.now(), resource.profile.rules);
    if (decided.kind !== 'fresh') return undefined;
    return held === undefined || decided.entry.responseTime > held.responseTime ? decided.entry : undefined;
  }

  async #takeIn(resource: Resource, record: EntryRecord, entry: Entry): Promise<boolean> {
    if (!(await this.#hasBody(resource, entry)) && !(await this.#copyBody(resource, entry))) return false;
    // A flight may have stored something newer while the body came.
    const stored = selectVariant(resource.request, this.#tools.entries.peek(resource.key)?.variants ?? []);
    if (stored === undefined || stored.responseTime < entry.responseTime) {
      await this.#tools.entries.set(resource.key, record);
    }
    return true;
  }

  async #hasBody({ key, profile }: Resource, entry: Entry): Promise<boolean> {
    if (entry.body === undefined) return true;
    const { blobs } = this.#tools;
    const { digest } = entry.body;
    const isShared = profile.body.kind === 'streamed' && profile.body.shared;
    const blob = isShared ? await blobs.open(digest) : (await blobs.openOwned(ownedName(key, entry), digest))?.blob;
    blob?.release();
    return blob?.digest === digest;
  }

  async #copyBody(resource: Resource, entry: Entry): Promise<boolean> {
    // Only bodies that are read whole are offered to other nodes.
    if (resource.profile.body.kind !== 'whole') return false;
    const bytes = await this.#tools.entries.getSharedBody(entry.body!.digest);
    if (bytes !== undefined)
      await new BodyKeeper(this.#tools, resource).keep(entry, bytes, { shared: false, replaces: true });
    return bytes !== undefined;
  }
}

function landingOf(entry: Entry, held: Entry | undefined): StoredLanding {
  const isSame = held !== undefined && held.body?.digest === entry.body?.digest;
  return { kind: 'stored', outcome: isSame ? 'revalidated' : held === undefined ? 'miss' : 'updated', entry };
}
