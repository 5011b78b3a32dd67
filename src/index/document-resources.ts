// What the cache reads of an index beside its pages: the legacy JSON and provenance, which the public index and its
// mirrors serve beside `/simple/`.

import { type Ask, conditionsAt, type Profile, type Resource } from '../cache/profile.ts';
import { NotFound } from '../core/errors.ts';
import type { IncomingResponse } from '../core/http-message.ts';
import { DOCUMENT_TYPES, type DocumentKind } from '../pages/documents.ts';
import type { PageSource } from '../pages/page-reader.ts';
import type { ProjectName } from '../pages/project-name.ts';
import type { ProvenancePlace } from '../pages/provenance.ts';
import type { PageWorkshop } from './page-pool.ts';
import { type IndexUnderName, isInvalidBody } from './page-resources.ts';
import { pageSource } from './stored-page.ts';

export interface DocumentResourcesOptions {
  readonly indexes: ReadonlyMap<string, IndexUnderName>;
  readonly profile: Profile;
  readonly workshop: PageWorkshop;
}

/** What stands beside a simple API: its base ends so, and the documents lie one step up. */
const SIMPLE_BASE = /\/simple\/$/;

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
      const facts = await this.#options.workshop.checkDocument(source, kind);
      upstream.reportValidPage(response.source, path);
      return facts;
    } catch (error) {
      if (isInvalidBody(error)) upstream.reportInvalidPage(response.source, path);
      throw error;
    }
  }
}
