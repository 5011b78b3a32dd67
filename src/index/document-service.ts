// Answers the legacy JSON and provenance. Both belong to a project, and so go through its page as files do: the index
// that has the page is asked and no other, and what holds for the project holds for them.

import { type Ask, conditionsAt, type Profile, type Resource } from '../cache/profile.ts';
import type { ReadOptions, ReadThrough } from '../cache/read-through.ts';
import { digestOf } from '../core/digest.ts';
import { NotFound, UnavailableForLegalReasons } from '../core/errors.ts';
import type { IncomingResponse } from '../core/http-message.ts';
import { DOCUMENT_TYPES, type DocumentForm, type DocumentKind, latestOf } from '../pages/documents.ts';
import type { PageCoding } from '../pages/negotiate.ts';
import type { PageSource } from '../pages/page-reader.ts';
import type { ProjectName } from '../pages/project-name.ts';
import { type ProvenancePlace, provenancePlace } from '../pages/provenance.ts';
import type { Policies } from '../policy/policies.ts';
import { isSameVersion } from '../policy/release-pattern.ts';
import type { IndexService, PageAnswer } from './index-service.ts';
import { requireServable } from './page-errors.ts';
import type { PagePool } from './page-pool.ts';
import { type IndexUnderName, isInvalidBody } from './page-resources.ts';
import type { RenderedPages } from './rendered-pages.ts';
import { pageSource, sourceName, withBody } from './stored-page.ts';
import { refused } from './verdicts.ts';

function noDocument(): NotFound {
  return new NotFound('The index has no such document.', 'document-not-found');
}

/** What legacy JSON and provenance are made of. */
export interface DocumentServiceOptions {
  readonly index: IndexService;
  readonly resources: DocumentResources;
  readonly readThrough: ReadThrough;
  readonly rendered: RenderedPages;
  readonly pagePool: PagePool;
  readonly policies: Policies;
}

/** Which file's provenance. */
export interface ProvenanceRequest {
  readonly project: ProjectName;
  readonly version: string;
  readonly filename: string;
}

/** Answers legacy JSON and provenance. Rejects with NotFound, an UpstreamFailure or Quarantined. */
export class DocumentService {
  readonly #options: DocumentServiceOptions;

  constructor(options: DocumentServiceOptions) {
    this.#options = options;
  }

  /**
   * The legacy JSON of a project, or of one of its versions, its links beginning with `root`. Throws as
   * `IndexService.projectDetail` does, and NotFound when the index that has the project has no such document.
   */
  async legacyJson(
    indexes: readonly string[],
    wanted: { readonly project: ProjectName; readonly version: string | undefined; readonly root: string },
    coding: PageCoding,
    options: ReadOptions,
  ): Promise<PageAnswer> {
    const { project, version, root } = wanted;
    const { index, answer, screen } = await this.#options.index.locate(indexes, project);
    requireServable(project, answer);
    const { resources } = this.#options;
    const resource = resources.legacyJson(index, project, version);
    const form: DocumentForm = { kind: 'legacy-json', root };
    if (screen.refused.size === 0) return this.#read(resource, form, coding, options);
    const isHidden = (one: string) => screen.hiddenVersions.some((hidden) => isSameVersion(hidden, one));
    if (version !== undefined && isHidden(version)) throw noDocument();
    // `info` is of the newest version: of the newest one that is shown, where that is another.
    const newest = version === undefined && screen.hiddenVersions.length > 0 ? screen.newest : undefined;
    // All of it is hidden.
    if (version === undefined && screen.hiddenVersions.length > 0 && newest === undefined) throw noDocument();
    const shown = newest === undefined ? undefined : resources.legacyJson(index, project, newest);
    const latest = shown === undefined ? undefined : await this.#latest(shown, options);
    const name = digestOf(
      `${index} ${sourceName(answer.entry)} ${screen.from} ${[...screen.refused.values()].map(({ text }) => text).join()} ${latest ?? ''}`,
    );
    const seen = { name, refused: screen.refused, ...(latest !== undefined && { latest }) };
    const page = await this.#read(resource, { ...form, seen }, coding, options);
    return {
      ...page,
      answer: { ...page.answer, remainingSeconds: Math.min(page.answer.remainingSeconds, answer.remainingSeconds) },
    };
  }

  /** The provenance of a file whose page offers it. Throws as `legacyJson` does. */
  async provenance(
    indexes: readonly string[],
    wanted: ProvenanceRequest,
    coding: PageCoding,
    options: ReadOptions,
  ): Promise<PageAnswer> {
    const { project, version, filename } = wanted;
    const listing = await this.#options.index.findFile(indexes, project, { key: '', filename });
    requireServable(project, listing.answer);
    const kept = listing.screen.refused.get(filename);
    if (kept !== undefined && !kept.served && this.#options.policies.of(listing.index).mode === 'enforce')
      throw refused(kept);
    const place = provenancePlace(listing.named?.provenance ?? '');
    if (place?.project !== project || place.version !== version || place.filename !== filename) {
      throw new NotFound('The page of the project offers no provenance for this file.', 'provenance-not-found');
    }
    const resource = this.#options.resources.provenance(listing.index, project, place);
    return this.#read(resource, { kind: 'provenance', root: '' }, coding, options);
  }

  /** What a version's document says of it, as text. Throws as `legacyJson` does. */
  async #latest(resource: Resource, options: ReadOptions): Promise<string> {
    const found = await this.#options.readThrough.read(resource, options);
    if (found.entry.status !== 200) throw noDocument();
    return withBody(this.#options.readThrough, resource, found, async (body) => latestOf(body));
  }

  async #read(resource: Resource, form: DocumentForm, coding: PageCoding, options: ReadOptions): Promise<PageAnswer> {
    const { readThrough, rendered, pagePool } = this.#options;
    const found = await readThrough.read(resource, options);
    const { status } = found.entry;
    if (status === 451) throw new UnavailableForLegalReasons('Upstream withholds this document for legal reasons.');
    if (status !== 200) throw noDocument();
    const ready = rendered.peek(found.entry, form, coding, form.seen?.name);
    if (ready !== undefined) return { answer: found, page: ready };
    return withBody(readThrough, resource, found, async (body, answer) => {
      const source = pageSource(answer.entry, body, undefined, answer.entry.body!.digest);
      return {
        answer,
        page: await rendered.get(answer.entry, form, coding, () => pagePool.document(source, form), form.seen?.name),
      };
    });
  }
}

// What the cache reads of an index beside its pages: the legacy JSON and provenance, which the public index and its
// mirrors serve beside `/simple/`.

/** The indexes whose documents are read, and the page pool that checks them. */
export interface DocumentResourcesOptions {
  readonly indexes: ReadonlyMap<string, IndexUnderName>;
  readonly profile: Profile;
  readonly pagePool: PagePool;
}

/** What stands beside a simple API: its base ends so, and the documents lie one step up. */
const SIMPLE_BASE = /\/simple\/$/;

/** The documents beside the pages of each index, as resources of the cache. */
export class DocumentResources {
  readonly #options: DocumentResourcesOptions;

  constructor(options: DocumentResourcesOptions) {
    this.#options = options;
  }

  /** The legacy JSON of a project, or of one of its versions. Throws NotFound when the index has no such documents. */
  legacyJson(index: string, project: ProjectName, version: string | undefined): Resource {
    const path = version === undefined ? project : `${project}/${encodeURIComponent(version)}`;
    const key = `json:${this.#scopeOf(index)}:${project}${version === undefined ? '' : `:${version}`}`;
    return this.#resource(key, index, project, `pypi/${path}/json`, 'legacy-json');
  }

  /** A file's provenance. Throws NotFound when the index has no such documents. */
  provenance(index: string, project: ProjectName, place: ProvenancePlace): Resource {
    const key = `provenance:${this.#scopeOf(index)}:${place.path}`;
    return this.#resource(key, index, project, place.path, 'provenance');
  }

  #scopeOf(index: string): string {
    return this.#options.indexes.get(index)!.scope;
  }

  #resource(key: string, index: string, project: ProjectName, path: string, kind: DocumentKind): Resource {
    const { upstreams, base } = this.#options.indexes.get(index)!;
    if (!SIMPLE_BASE.test(base)) {
      throw new NotFound('The index behind has its simple API only, and no such documents.', 'no-such-document');
    }
    const relative = `../${path}`;
    return {
      key,
      upstream: index,
      profile: this.#options.profile,
      request: { method: 'GET', url: new URL(relative, base).href, fields: [] },
      fetch: (ask: Ask) =>
        upstreams[kind].fetchPage(
          relative,
          (base) => [...conditionsAt(ask, base), 'accept', DOCUMENT_TYPES[kind]],
          ask.signal,
        ),
      check: (response, body, digest) =>
        this.#check(index, kind, relative, response, pageSource(response, body, project, digest)),
      onWrongBody: () => {},
    };
  }

  async #check(index: string, kind: DocumentKind, path: string, response: IncomingResponse, source: PageSource) {
    const upstream = this.#options.indexes.get(index)!.upstreams[kind];
    try {
      const facts = await this.#options.pagePool.checkDocument(source, kind);
      upstream.reportValidPage(response.source, path);
      return facts;
    } catch (error) {
      if (isInvalidBody(error)) upstream.reportInvalidPage(response.source, path);
      throw error;
    }
  }
}
