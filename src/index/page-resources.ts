// What the cache reads for an index: project details, project lists, and the aliases of files whose names lead
// elsewhere. The key of a page is the index's scope and the normal name, and nothing else from any request.

import { LRUCache } from 'lru-cache';
import { type Ask, conditionsAt, type Profile, type Resource } from '../cache/profile.ts';
import type { ReadThrough } from '../cache/read-through.ts';
import { UpstreamFailure } from '../core/errors.ts';
import type { IncomingResponse, RequestHead } from '../core/http-message.ts';
import type { PageFacts } from '../pages/page.ts';
import type { Checked, PageSource } from '../pages/page-reader.ts';
import { type ProjectName, parseProjectName } from '../pages/project-name.ts';
import { UnreadableBlob } from '../store/blobs/stored-blob.ts';
import type { Entry, Json } from '../store/entries/entry.ts';
import type { EntryStore } from '../store/entries/entry-store.ts';
import type { IndexUpstream } from '../upstream/index-upstream.ts';
import type { ChangedFiles } from './accept-changed-files.ts';
import type { JudgedPage, MirrorPages, SoughtFile } from './accept-mirror-page.ts';
import type { PagePool } from './page-pool.ts';
import { type HeldPage, pageSource, readAll, storedSource } from './stored-page.ts';

/** Kinds of documents that an index has beside its files: trouble with one is no trouble with the others. */
export type IndexDocumentKind = 'page' | 'list' | 'legacy-json' | 'provenance';

/** One index as the page resources know it. */
export interface IndexUnderName {
  /** Under which its data is kept: see `indexScope`. */
  readonly scope: string;
  /** The asker for each kind of document: each has its own circuit and pauses. */
  readonly upstreams: Readonly<
    Record<IndexDocumentKind, Pick<IndexUpstream, 'fetchPage' | 'reportValidPage' | 'reportInvalidPage'>>
  >;
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

/** What the pages of all indexes are fetched, checked and measured with. */
export interface PageResourcesOptions {
  readonly indexes: ReadonlyMap<string, IndexUnderName>;
  /** By index, for those of several mirrors. */
  readonly mirrors: ReadonlyMap<string, MirrorPages>;
  readonly changedFiles: ChangedFiles;
  readonly readThrough: Pick<ReadThrough, 'held' | 'open'>;
  readonly detailProfile: Profile;
  readonly listProfile: Profile;
  readonly pagePool: PagePool;
  readonly entries: EntryStore;
  readonly now: () => number;
  /** Told of a page that was refused, and of files left out of one that was accepted. */
  readonly onRemarks: (index: string, project: string, remarks: PageRemarks) => void;
  /** Told once when a project's page says that the index has quarantined it (PEP 792). */
  readonly onQuarantined: (index: string, project: ProjectName, reason: string | undefined) => void;
}

/** Resources kept ready: of so many projects the pages are hot at a time, and another one costs a microsecond. */
const MAX_READY = 2_000;

/** The pages and project lists of each index, as resources of the cache. */
export class PageResources {
  readonly #options: PageResourcesOptions;
  readonly #ready = new LRUCache<string, Resource>({ max: MAX_READY });

  constructor(options: PageResourcesOptions) {
    this.#options = options;
  }

  /** The page of a project at one index. Throws when the index is not configured: callers take names from routes. */
  detail(index: string, project: ProjectName): Resource {
    const key = `page:${this.#scopeOf(index)}:${project}`;
    let resource = this.#ready.get(key);
    if (resource === undefined) {
      resource = this.#resource(key, index, `${project}/`, project);
      this.#ready.set(key, resource);
    }
    return resource;
  }

  /** The project list of one index. */
  list(index: string): Resource {
    return this.#resource(`list:${this.#scopeOf(index)}`, index, '', undefined);
  }

  /** See IndexService.otherPlaces. */
  async otherPlaces(index: string, sought: SoughtFile, signal: AbortSignal): Promise<readonly string[]> {
    return (await this.#options.mirrors.get(index)?.places(sought, signal)) ?? [];
  }

  /** The project whose page lists `filename` although the name leads to another one. */
  async alias(indexes: readonly string[], filename: string): Promise<ProjectName | undefined> {
    for (const index of indexes) {
      const record = await this.#options.entries.get(aliasKey(this.#scopeOf(index), filename));
      const project = record?.variants[0]?.facts;
      if (typeof project === 'string') return parseProjectName(project)?.name;
    }
    return undefined;
  }

  #scopeOf(index: string): string {
    return this.#options.indexes.get(index)!.scope;
  }

  #resource(key: string, index: string, path: string, project: ProjectName | undefined): Resource {
    const { upstreams, base } = this.#options.indexes.get(index)!;
    const upstream = project === undefined ? upstreams.list : upstreams.page;
    const request: RequestHead = { method: 'GET', url: base + path, fields: [] };
    const judgement = project === undefined ? undefined : this.#options.mirrors.get(index);
    const resource: Resource = {
      key,
      upstream: index,
      profile: project === undefined ? this.#options.listProfile : this.#options.detailProfile,
      request,
      fetch: (ask: Ask) =>
        judgement === undefined || project === undefined
          ? upstream.fetchPage(path, (base) => conditionsAt(ask, base), ask.signal)
          : this.#held(resource, project)
              // What cannot be read now is no reason not to ask: `check` judges what comes.
              .catch(unreadable)
              .then((held) => judgement.fetch(project, held, ask)),
      check: (response, body, digest) =>
        this.#check(index, project, resource, response, pageSource(response, body, project, digest)),
      ...(project !== undefined && {
        accepted: (entry: Entry, isCurrent: () => boolean) =>
          this.#accepted(index, project, resource, entry, isCurrent),
      }),
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
    const { upstreams } = this.#options.indexes.get(index)!;
    const upstream = project === undefined ? upstreams.list : upstreams.page;
    const path = project === undefined ? '' : `${project}/`;
    try {
      const checked = await this.#options.pagePool.check(source);
      upstream.reportValidPage(response.source, path);
      if (checked.remarks > 0) this.#options.onRemarks(index, project ?? '', remarksOf(checked));
      if (project !== undefined) await this.#storeAliases(index, project, checked.strays);
      if (project === undefined) return checked.facts;
      // Rejects when the disk does not give the held page now: a page that cannot be measured by it does not replace it.
      const held = await this.#held(resource, project);
      const judged =
        this.#options.mirrors.get(index)?.judgedOf(response) ?? (await this.#judged(index, project, held, source));
      const facts = { ...checked.facts, ...judged.facts };
      this.#options.changedFiles.remember(facts, judged.notes);
      return facts;
    } catch (error) {
      if (isInvalidBody(error)) upstream.reportInvalidPage(response.source, path);
      throw error;
    }
  }

  /** A page of an index with one upstream. */
  async #judged(
    index: string,
    project: ProjectName,
    held: HeldPage | undefined,
    source: PageSource,
  ): Promise<JudgedPage> {
    const { changedFiles } = this.#options;
    const measured = await changedFiles.measure(index, project, held, source);
    const facts = await changedFiles.judge(index, project, held, measured);
    // An older serial that says the same is no older page.
    return { facts: { ...facts, ...(measured.comparison.same && { agreed: true }) }, notes: measured.notes };
  }

  async #accepted(
    index: string,
    project: ProjectName,
    resource: Resource,
    { status, facts }: Entry,
    isCurrent: () => boolean,
  ): Promise<void> {
    const { changedFiles, onQuarantined } = this.#options;
    if (status === 200) {
      const { status: state, reason } = (facts ?? {}) as Partial<PageFacts>;
      if (state === 'quarantined') {
        const before = (await this.#options.readThrough.held(resource))?.facts as Partial<PageFacts> | null | undefined;
        if (before?.status !== 'quarantined') onQuarantined(index, project, reason);
      }
      return changedFiles.accepted(index, project, facts, isCurrent);
    }
    if (status !== 404 && status !== 410) return;
    // Also where the page's body is no longer here: what is known of its names is kept apart from it.
    const held = await this.#held(resource, project).catch(unreadable);
    await changedFiles.gone(index, project, held, isCurrent);
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
      await this.#options.entries.set(aliasKey(this.#scopeOf(index), filename), { format: 1, variants: [entry] });
    }
  }
}

function remarksOf({ remarks, unserved, facts }: Checked): PageRemarks {
  return { count: remarks, unserved, told: facts.unserved ?? [] };
}

function aliasKey(scope: string, filename: string): string {
  return `alias:${scope}:${filename}`;
}

function unreadable(error: unknown): undefined {
  if (!(error instanceof UnreadableBlob)) throw error;
}

/** What upstream sent is not what was asked for; any other error in reading it is a fault of our own. */
export function isInvalidBody(error: unknown): boolean {
  return error instanceof UpstreamFailure && error.kind === 'invalid-body';
}
