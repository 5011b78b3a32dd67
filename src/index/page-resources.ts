// What the cache reads for an index: project details, project lists, and the aliases of files whose names lead
// elsewhere. The key of a page is the index and the normal name, and nothing else from any request (S03).

import { LRUCache } from 'lru-cache';
import type { Entry, Json } from '../cache/entry.ts';
import type { EntryStore } from '../cache/entry-store.ts';
import type { Ask, Profile, Resource } from '../cache/profile.ts';
import type { ReadThrough } from '../cache/read-through.ts';
import type { IncomingResponse, RequestHead } from '../http-message.ts';
import type { IndexUpstream } from '../upstream/index-upstream.ts';
import type { ChangedFiles } from './changed-files.ts';
import type { MirrorJudgement } from './mirror-judgement.ts';
import type { Checked, PageSource } from './page-reader.ts';
import type { PageWorkshop } from './page-workshop.ts';
import { type ProjectName, parseProjectName } from './project-name.ts';
import { type HeldPage, pageSource, readAll, storedSource } from './stored-page.ts';

export interface IndexUnderName {
  readonly upstream: Pick<IndexUpstream, 'fetchPage' | 'reportValidPage' | 'reportInvalidPage'>;
  /** The base URL by which its pages are known to the cache engine. */
  readonly base: string;
}

/** What was left out of a page, or mended. */
export interface PageRemarks {
  readonly count: number;
  /** How many files cannot be served; of the first few `name: why`. */
  readonly unserved: number;
  readonly told: readonly string[];
}

export interface PageResourcesOptions {
  readonly indexes: ReadonlyMap<string, IndexUnderName>;
  /** By index, for those of several mirrors. */
  readonly mirrors: ReadonlyMap<string, MirrorJudgement>;
  /** For those of one upstream. */
  readonly changedFiles: ChangedFiles;
  readonly readThrough: Pick<ReadThrough, 'held' | 'open'>;
  readonly detailProfile: Profile;
  readonly listProfile: Profile;
  readonly workshop: PageWorkshop;
  readonly entries: EntryStore;
  readonly now: () => number;
  /** Told of a page that was refused, and of files left out of one that was accepted. */
  readonly onRemarks: (index: string, project: string, remarks: PageRemarks) => void;
}

/** Resources kept ready: of so many projects the pages are hot at a time, and another one costs a microsecond. */
const MAX_READY = 2_000;

export class PageResources {
  readonly #options: PageResourcesOptions;
  readonly #ready = new LRUCache<string, Resource>({ max: MAX_READY });

  constructor(options: PageResourcesOptions) {
    this.#options = options;
  }

  /** The page of a project at one index. Throws when the index is not configured: callers take names from routes. */
  detail(index: string, project: ProjectName): Resource {
    const key = `page:${index}:${project}`;
    let resource = this.#ready.get(key);
    if (resource === undefined) {
      resource = this.#resource(key, index, `${project}/`, project);
      this.#ready.set(key, resource);
    }
    return resource;
  }

  /** The project list of one index. */
  list(index: string): Resource {
    return this.#resource(`list:${index}`, index, '', undefined);
  }

  /** The project whose page lists `filename` although the name leads to another one. */
  async alias(indexes: readonly string[], filename: string): Promise<ProjectName | undefined> {
    for (const index of indexes) {
      const record = await this.#options.entries.get(aliasKey(index, filename));
      const project = record?.variants[0]?.facts;
      if (typeof project === 'string') return parseProjectName(project)?.name;
    }
    return undefined;
  }

  #resource(key: string, index: string, path: string, project: ProjectName | undefined): Resource {
    const { upstream, base } = this.#options.indexes.get(index)!;
    const request: RequestHead = { method: 'GET', url: base + path, fields: [] };
    const judgement = project === undefined ? undefined : this.#options.mirrors.get(index);
    const resource: Resource = {
      key,
      upstream: index,
      profile: project === undefined ? this.#options.listProfile : this.#options.detailProfile,
      request,
      fetch: (ask: Ask) =>
        judgement === undefined || project === undefined
          ? upstream.fetchPage(path, ask.conditions, ask.signal)
          : this.#held(resource, project).then((held) => judgement.fetch(project, held, ask)),
      check: (response, body, digest) =>
        this.#check(index, project, resource, response, pageSource(response, body, project, digest)),
      onWrongBody: () => {},
    };
    return resource;
  }

  /** The page that a new one is measured by. */
  async #held(resource: Resource, project: ProjectName): Promise<HeldPage | undefined> {
    const entry = await this.#options.readThrough.held(resource);
    const blob = entry?.status === 200 ? await this.#options.readThrough.open(resource, entry) : undefined;
    if (entry === undefined || blob === undefined) return undefined;
    try {
      return { entry, source: storedSource(entry, await readAll(blob), project) };
    } finally {
      blob.release();
    }
  }

  async #check(
    index: string,
    project: ProjectName | undefined,
    resource: Resource,
    response: IncomingResponse,
    source: PageSource,
  ): Promise<Json> {
    const { upstream } = this.#options.indexes.get(index)!;
    try {
      const checked = await this.#options.workshop.check(source);
      upstream.reportValidPage(response.source);
      if (checked.remarks > 0) this.#options.onRemarks(index, project ?? '', remarksOf(checked));
      if (project !== undefined) await this.#storeAliases(index, project, checked.strays);
      const judgement = this.#options.mirrors.get(index);
      if (judgement !== undefined) return { ...checked.facts, ...judgement.factsOf(response) };
      if (project === undefined) return checked.facts;
      const held = await this.#held(resource, project);
      const judged = held === undefined ? {} : await this.#options.changedFiles.judge(index, project, held, source);
      return { ...checked.facts, ...judged };
    } catch (error) {
      upstream.reportInvalidPage(response.source, project ?? '');
      throw error;
    }
  }

  async #storeAliases(index: string, project: ProjectName, strays: readonly string[]): Promise<void> {
    const now = this.#options.now();
    for (const filename of strays) {
      const entry: Entry = {
        status: 200,
        fields: [],
        url: `alias:${filename}`,
        requestTime: now,
        responseTime: now,
        varying: [],
        source: index,
        facts: project,
      };
      await this.#options.entries.set(aliasKey(index, filename), { format: 1, variants: [entry] });
    }
  }
}

function remarksOf({ remarks, unserved, facts }: Checked): PageRemarks {
  return { count: remarks, unserved, told: facts.unserved ?? [] };
}

function aliasKey(index: string, filename: string): string {
  return `alias:${index}:${filename}`;
}
