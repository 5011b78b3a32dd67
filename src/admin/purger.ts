// Forgets a project, or everything, on this node: entries, bodies, files. The next client gets what upstream says then.

import type { ReadThrough } from '../cache/read-through.ts';
import type { Events } from '../observe/events.ts';
import type { ProjectName } from '../pages/project-name.ts';
import type { EntryRecord } from '../store/entries/entry.ts';
import type { EntryStore } from '../store/entries/entry-store.ts';
import { keysOf, PURGEABLE_KINDS, type PurgeScope } from './cache-keys.ts';

/** The stores from which a purge removes. */
export interface PurgerOptions {
  /** Under which the data of the configured indexes is kept: see `indexScope`. */
  readonly scopes: readonly string[];
  readonly entries: EntryStore;
  readonly readThrough: ReadThrough;
  readonly events: Events;
  readonly now: () => number;
  /** Tells the other processes of this node what is overtaken; resolves when they know, or keep silent. */
  readonly overtakeElsewhere: (scope: PurgeScope, until: number) => Promise<void>;
}

/** Keys purged in one go: others are served in between, and the other workers are told of them in one message. */
const BATCH = 500;

/** Removes a project, or everything, from this node. */
export class Purger {
  readonly #options: PurgerOptions;

  constructor(options: PurgerOptions) {
    this.#options = options;
  }

  /**
   * Everything without a `project`, also of indexes that are not configured any more; the data that the configured
   * indexes have of a `project` otherwise. What was validated after `until` (milliseconds since the epoch) stays: an order
   * that comes late does not speak of it. Resolves with the number of entries that were removed.
   */
  async purge(project: ProjectName | undefined, until = Number.POSITIVE_INFINITY): Promise<number> {
    const { events, now, scopes, readThrough, overtakeElsewhere } = this.#options;
    const order = { project, strays: project === undefined ? [] : await this.#straysOf(project) };
    const isMeant = keysOf(order);
    // Before anything is removed: a first fetch has no entry yet by which its key would be found, and one that ends
    // afterwards would bring back what was before the order.
    readThrough.overtake(isMeant, until);
    await overtakeElsewhere(order, until);
    let removed = 0;
    if (project === undefined) {
      for (const kind of PURGEABLE_KINDS) {
        const entries = await this.#purgeKeys(`${kind}:`, until, () => true);
        // By which hashes files are known is forgotten with them, and is nothing that was stored for clients.
        if (kind !== 'known') removed += entries;
      }
    } else {
      for (const scope of scopes) removed += await this.#purgeProject(scope, order, until, isMeant);
    }
    events.record({
      kind: 'purge',
      message: `${project ?? 'everything'} was purged`,
      at: now(),
      ...(project !== undefined && { project }),
    });
    return removed;
  }

  /** Files whose names lead elsewhere are known by their aliases. */
  async #straysOf(project: ProjectName): Promise<string[]> {
    const { entries, scopes } = this.#options;
    const strays: string[] = [];
    for (const scope of scopes) {
      const aliases = `alias:${scope}:`;
      for await (const keys of this.#batches(aliases)) {
        for (const key of keys) {
          if ((await entries.get(key))?.variants[0]?.facts === project) strays.push(key.slice(aliases.length));
        }
      }
    }
    return strays;
  }

  async #purgeProject(
    scope: string,
    { project, strays }: PurgeScope,
    until: number,
    isMeant: (key: string) => boolean,
  ): Promise<number> {
    const astray = new Set(strays.map((filename) => `alias:${scope}:${filename}`));
    // Also where no entry is found by them: a body without one says what it is and comes back.
    let removed = await this.#purge([`page:${scope}:${project}`, `json:${scope}:${project}`], until);
    removed += await this.#purgeKeys(`json:${scope}:${project}:`, until, () => true);
    removed += await this.#purgeKeys(`provenance:${scope}:integrity/${project}/`, until, () => true);
    removed += await this.#purgeKeys(`file:${scope}:`, until, isMeant);
    await this.#purgeKeys(`known:${scope}:${project}:`, until, () => true);
    return removed + (await this.#purgeKeys(`alias:${scope}:`, until, (key) => astray.has(key)));
  }

  async #purgeKeys(prefix: string, until: number, isMeant: (key: string) => boolean): Promise<number> {
    let removed = 0;
    for await (const keys of this.#batches(prefix)) removed += await this.#purge(keys.filter(isMeant), until);
    return removed;
  }

  async #purge(keys: readonly string[], until: number): Promise<number> {
    if (keys.length === 0) return 0;
    const stays = (record: EntryRecord | undefined) => isNewer(record, until);
    return this.#options.readThrough.purge(keys, { withShared: true, stays });
  }

  async *#batches(prefix: string): AsyncGenerator<readonly string[]> {
    for (let after = ''; ; ) {
      const keys = this.#options.entries.keys(prefix, after, BATCH);
      if (keys.length === 0) return;
      yield keys;
      after = keys.at(-1)!;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

/**
 * An order of another node comes up to a second late, or days late where this node was away:
 *   1. node A is ordered to purge, forgets, and leaves the order, with its time, in Redis;
 *   2. a client of node B fetches the page anew;
 *   3. node B reads the order, and would forget the page that is newer than the order.
 * The same when both are ordered at once. Of what has no record nobody knows how new it is: only an order without a time
 * means it.
 */
function isNewer(record: EntryRecord | undefined, until: number): boolean {
  if (record === undefined) return Number.isFinite(until);
  return record.variants.some(({ responseTime }) => responseTime > until);
}
