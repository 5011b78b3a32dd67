// Forgets a project, or everything, on this node: entries, bodies, files. Whoever asks next gets what upstream says then.

import type { DiskBlobs } from './cache/disk-blobs.ts';
import type { EntryRecord } from './cache/entry.ts';
import type { EntryStore } from './cache/entry-store.ts';
import type { ReadThrough } from './cache/read-through.ts';
import type { ProjectName } from './index/project-name.ts';
import type { Events } from './observe/events.ts';
import { distributionOfKey, PURGEABLE_KINDS, projectOfKey } from './purgeable-keys.ts';

export interface PurgerOptions {
  readonly indexNames: readonly string[];
  readonly entries: EntryStore;
  readonly blobs: DiskBlobs;
  readonly readThrough: ReadThrough;
  readonly events: Events;
  readonly now: () => number;
}

/** Keys looked at in one go: others are served in between. */
const BATCH = 500;
/** Each key is told to the other workers of this machine, which takes a moment. */
const AT_ONCE = 64;

export class Purger {
  readonly #options: PurgerOptions;

  constructor(options: PurgerOptions) {
    this.#options = options;
  }

  /**
   * Everything without a `project`. What was validated after `until` (milliseconds since the epoch) stays: an order
   * that comes late does not speak of it. Resolves with the number of entries that were removed.
   */
  async purge(project: ProjectName | undefined, until = Number.POSITIVE_INFINITY): Promise<number> {
    const { events, now, indexNames } = this.#options;
    let removed = 0;
    if (project === undefined) {
      for (const kind of PURGEABLE_KINDS) {
        const entries = await this.#purgeKeys(`${kind}:`, until, () => true);
        // By which hashes files are known is forgotten with them, and is nothing that was stored for clients.
        if (kind !== 'known') removed += entries;
      }
    } else {
      for (const name of indexNames) removed += await this.#purgeProject(name, project, until);
    }
    events.record({
      kind: 'purge',
      message: `${project ?? 'everything'} was purged`,
      at: now(),
      ...(project !== undefined && { project }),
    });
    return removed;
  }

  async #purgeProject(index: string, project: ProjectName, until: number): Promise<number> {
    const { entries } = this.#options;
    // Files whose names lead elsewhere are known by their aliases.
    const strays = new Set<string>();
    const aliases = `alias:${index}:`;
    for await (const key of this.#keys(aliases)) {
      if ((await entries.get(key))?.variants[0]?.facts === project) strays.add(key.slice(aliases.length));
    }
    const isOurs = (key: string) => projectOfKey(key) === project || strays.has(distributionOfKey(key));
    const exact = [`page:${index}:${project}`, `json:${index}:${project}`];
    let removed = 0;
    for (const key of exact) removed += await this.#purgeKeys(key, until, (found) => found === key);
    removed += await this.#purgeKeys(`json:${index}:${project}:`, until, () => true);
    removed += await this.#purgeKeys(`provenance:${index}:integrity/${project}/`, until, () => true);
    removed += await this.#purgeKeys(`file:${index}:`, until, isOurs);
    await this.#purgeKeys(`known:${index}:${project}:`, until, () => true);
    return removed + (await this.#purgeKeys(aliases, until, (key) => strays.has(key.slice(aliases.length))));
  }

  async #purgeKeys(prefix: string, until: number, isMeant: (key: string) => boolean): Promise<number> {
    const { entries, blobs, readThrough } = this.#options;
    let removed = 0;
    const purge = async (key: string) => {
      const record = await entries.get(key);
      if (record !== undefined && isNewer(record, until)) return;
      await readThrough.purge(key);
      // Another entry that has the same bytes fetches them again.
      for (const { body } of record?.variants ?? []) if (body !== undefined) await blobs.remove(body.digest);
      removed++;
    };
    const together: Promise<void>[] = [];
    for await (const key of this.#keys(prefix)) {
      if (!isMeant(key)) continue;
      together.push(purge(key));
      if (together.length === AT_ONCE) await Promise.all(together.splice(0));
    }
    await Promise.all(together);
    return removed;
  }

  async *#keys(prefix: string): AsyncGenerator<string> {
    for (let after = ''; ; ) {
      const keys = this.#options.entries.keys(prefix, after, BATCH);
      if (keys.length === 0) return;
      yield* keys;
      after = keys.at(-1)!;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

function isNewer({ variants }: EntryRecord, until: number): boolean {
  return variants.some(({ responseTime }) => responseTime > until);
}
