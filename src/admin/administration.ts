// What the administration can tell and do: the one place that looks into every part at once.

import type { ReadThrough } from '../cache/read-through.ts';
import type { Config } from '../config/config.ts';
import { explainFile } from '../files/explain-file.ts';
import type { FileService } from '../files/file-service.ts';
import type { Explain } from '../index/explain.ts';
import type { IndexService } from '../index/index-service.ts';
import type { UpstreamClient } from '../net/upstream-client.ts';
import type { Events } from '../observe/events.ts';
import type { ProjectName } from '../pages/project-name.ts';
import type { StatusFacts } from '../status-page/facts.ts';
import type { DiskBlobs } from '../store/blobs/disk-blobs.ts';
import type { EntryStore } from '../store/entries/entry-store.ts';
import type { IndexUpstream } from '../upstream/index-upstream.ts';
import type { Administration } from './admin-api.ts';
import type { PurgeExchange } from './purge-sync.ts';
import type { Purger } from './purger.ts';

/** Every part that the administration looks into. */
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
  /** What this process and its other workers know. */
  readonly facts: () => Promise<StatusFacts>;
}

/** What came of an order to purge. */
export interface Purged {
  readonly removed: number;
  /** Whether the other nodes know; absent where there are none, for want of a Redis. */
  readonly others?: 'told' | 'later';
}

/** Tells what this process and its other workers know, and carries out orders. */
export class Administrator implements Administration {
  readonly #options: AdministrationOptions;

  constructor(options: AdministrationOptions) {
    this.#options = options;
  }

  async status(): Promise<unknown> {
    const { version, config, client, entries, blobs, now } = this.#options;
    const { startedAt, indexes, processes, stalePaths, hottest, slowest } = await this.#options.facts();
    return {
      version,
      startedAt: new Date(startedAt).toISOString(),
      uptimeSeconds: Math.round((now() - startedAt) / 1000),
      default: config.defaultIndexes,
      indexes,
      // Of the process that answers; the others are connected likewise.
      connections: client.status(),
      stores: { entries: entries.status(), blobs: blobs.status() },
      fetches: processes.reduce((sum, { fetches }) => sum + fetches, 0),
      processes: processes.map(({ pid, ...known }) => ({ pid, startedAt: new Date(known.startedAt).toISOString() })),
      stale: stalePaths.map((path) => ({ ...path, lastAt: new Date(path.lastAt).toISOString() })),
      hottest,
      slowest: slowest.map((one) => ({ ...one, at: new Date(one.at).toISOString() })),
    };
  }

  async stats(): Promise<unknown> {
    const { startedAt, served } = await this.#options.facts();
    return { since: new Date(startedAt).toISOString(), days: served };
  }

  async events(limit: number): Promise<unknown> {
    const { events } = await this.#options.facts();
    return events.slice(0, limit).map((event) => ({ ...event, at: new Date(event.at).toISOString() }));
  }

  async explain(project: ProjectName, filename: string | undefined): Promise<unknown> {
    const { explain, config } = this.#options;
    const explained = await explain.project(config.defaultIndexes, project);
    if (filename === undefined) return explained;
    return {
      ...explained,
      file: await explainFile(this.#options, config.defaultIndexes, explained.answeredBy, project, filename),
    };
  }

  async purge(project: ProjectName | undefined): Promise<Purged> {
    const { purger, purges } = this.#options;
    // Told first: what is forgotten here must not come back from a node that has not heard of it.
    const others = await purges?.tell(project);
    return { removed: await purger.purge(project), ...(others !== undefined && { others }) };
  }
}
