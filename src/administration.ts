// What the administration can tell and do: the one place that looks into every part at once.

import type { DiskBlobs } from './cache/disk-blobs.ts';
import type { EntryStore } from './cache/entry-store.ts';
import type { ReadThrough } from './cache/read-through.ts';
import type { Config } from './config/config.ts';
import { explainFile } from './files/explain-file.ts';
import type { FileService } from './files/file-service.ts';
import type { Administration } from './http/admin-api.ts';
import type { Explain } from './index/explain.ts';
import type { IndexService } from './index/index-service.ts';
import type { ProjectName } from './index/project-name.ts';
import type { Events } from './observe/events.ts';
import type { RecentlyStale } from './observe/recently-stale.ts';
import type { ServedDays } from './observe/served-days.ts';
import type { PurgeExchange } from './purge-exchange.ts';
import type { Purger } from './purger.ts';
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
  readonly purger: Purger;
  /** Present with a Redis. */
  readonly purges: PurgeExchange | undefined;
  readonly recentlyStale: RecentlyStale;
  readonly served: () => ReturnType<ServedDays['list']>;
}

/** What came of an order to purge. */
export interface Purged {
  readonly removed: number;
  /** Whether the other nodes know; absent where there are none, for want of a Redis. */
  readonly others?: 'told' | 'later';
}

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

  async purge(project: ProjectName | undefined): Promise<Purged> {
    const { purger, purges } = this.#options;
    // Told first: what is forgotten here must not come back from a node that has not heard of it.
    const others = await purges?.tell(project);
    return { removed: await purger.purge(project), ...(others !== undefined && { others }) };
  }
}
