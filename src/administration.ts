// What the administration can tell and do: the one place that looks into every part at once.

import type { DiskBlobs } from './cache/disk-blobs.ts';
import type { EntryStore } from './cache/entry-store.ts';
import type { ReadThrough } from './cache/read-through.ts';
import type { Config } from './config/config.ts';
import { explainFile } from './files/explain-file.ts';
import type { FileService } from './files/file-service.ts';
import type { Administration } from './http/admin-api.ts';
import { projectOfFilename } from './index/distribution-name.ts';
import type { Explain } from './index/explain.ts';
import { filenameOfUrl } from './index/file-links.ts';
import type { IndexService } from './index/index-service.ts';
import type { ProjectName } from './index/project-name.ts';
import type { Events } from './observe/events.ts';
import type { RecentlyStale } from './observe/recently-stale.ts';
import type { ServedDays } from './observe/served-days.ts';
import type { IndexUpstream } from './upstream/index-upstream.ts';
import type { UpstreamClient } from './upstream/upstream-client.ts';

export interface AdministrationOptions {
  readonly version: string;
  readonly config: Config;
  readonly now: () => number;
  readonly upstreams: ReadonlyMap<string, IndexUpstream>;
  readonly client: UpstreamClient;
  readonly entries: EntryStore;
  readonly blobs: DiskBlobs;
  readonly readThrough: ReadThrough;
  readonly index: IndexService;
  readonly files: FileService;
  readonly explain: Explain;
  readonly events: Events;
  readonly recentlyStale: RecentlyStale;
  readonly served: () => ReturnType<ServedDays['list']>;
}

/** Keys looked at in one go: others are served in between. */
const BATCH = 500;
/** What can be had again; the rest of the keys is our own book-keeping. */
const KINDS = ['page', 'list', 'json', 'provenance', 'alias', 'file', 'raw'] as const;

export class Administrator implements Administration {
  readonly #options: AdministrationOptions;
  readonly #startedAt: number;

  constructor(options: AdministrationOptions) {
    this.#options = options;
    this.#startedAt = options.now();
  }

  async status(): Promise<unknown> {
    const { version, config, upstreams, client, entries, blobs, readThrough, recentlyStale, now } = this.#options;
    const stale = recentlyStale.list(now());
    return {
      version,
      startedAt: new Date(this.#startedAt).toISOString(),
      uptimeSeconds: Math.round((now() - this.#startedAt) / 1000),
      default: config.defaultIndexes,
      indexes: config.indexes.map(({ name }) => ({ name, mirrors: upstreams.get(name)!.status() })),
      connections: client.status(),
      stores: { entries: entries.status(), blobs: blobs.status() },
      flights: readThrough.flights,
      stale: stale.map((path) => ({ ...path, lastAt: new Date(path.lastAt).toISOString() })),
    };
  }

  stats(): unknown {
    return { since: new Date(this.#startedAt).toISOString(), days: this.#options.served() };
  }

  events(limit: number): unknown {
    return this.#options.events.recent(limit).map((event) => ({ ...event, at: new Date(event.at).toISOString() }));
  }

  async explain(project: ProjectName, filename: string | undefined): Promise<unknown> {
    const { explain, config } = this.#options;
    const explained = await explain.project(config.defaultIndexes, project);
    if (filename === undefined) return explained;
    return { ...explained, file: await explainFile(this.#options, explained.answeredBy, project, filename) };
  }

  async purge(what: ProjectName | 'all'): Promise<{ readonly removed: number }> {
    const { events, now, config } = this.#options;
    let removed = 0;
    if (what === 'all') {
      for (const kind of KINDS) removed += await this.#purgeKeys(`${kind}:`, () => true);
    } else {
      for (const { name } of config.indexes) removed += await this.#purgeProject(name, what);
    }
    events.record({
      kind: 'purge',
      message: what === 'all' ? 'everything was purged' : `${what} was purged`,
      at: now(),
      ...(what !== 'all' && { project: what }),
    });
    return { removed };
  }

  async #purgeProject(index: string, project: ProjectName): Promise<number> {
    const { entries } = this.#options;
    // Files whose names lead elsewhere are known by their aliases.
    const strays = new Set<string>();
    const aliases = `alias:${index}:`;
    for await (const key of this.#keys(aliases)) {
      if ((await entries.get(key))?.variants[0]?.facts === project) strays.add(key.slice(aliases.length));
    }
    const isOurs = (key: string) => {
      const filename = filenameOfUrl(key).replace(/\.(?:metadata|asc)$/, '');
      return projectOfFilename(filename) === project || strays.has(filename);
    };
    const exact = [`page:${index}:${project}`, `json:${index}:${project}`];
    let removed = 0;
    for (const key of exact) removed += await this.#purgeKeys(key, (found) => found === key);
    removed += await this.#purgeKeys(`json:${index}:${project}:`, () => true);
    removed += await this.#purgeKeys(`provenance:${index}:integrity/${project}/`, () => true);
    removed += await this.#purgeKeys(`file:${index}:`, isOurs);
    return removed + (await this.#purgeKeys(aliases, (key) => strays.has(key.slice(aliases.length))));
  }

  async #purgeKeys(prefix: string, isMeant: (key: string) => boolean): Promise<number> {
    const { entries, blobs, readThrough } = this.#options;
    let removed = 0;
    for await (const key of this.#keys(prefix)) {
      if (!isMeant(key)) continue;
      const record = await entries.get(key);
      await readThrough.purge(key);
      // Another entry that has the same bytes fetches them again.
      for (const { body } of record?.variants ?? []) if (body !== undefined) await blobs.remove(body.digest);
      removed++;
    }
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
