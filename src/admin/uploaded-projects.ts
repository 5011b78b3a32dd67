// An upload was answered: what is held of its project is of before it. Copies stay, for upstream may be gone a moment
// later, and are validated before they are used again, in all processes of this node and on the nodes that share its Redis.

import type { ReadThrough } from '../cache/read-through.ts';
import type { PageResources } from '../index/page-resources.ts';
import type { ProjectName } from '../pages/project-name.ts';
import type { EntryStore } from '../store/entries/entry-store.ts';
import type { PurgeExchange } from './purge-sync.ts';

/** The pages that an upload changes, here and on other nodes. */
export interface UploadedProjectsOptions {
  /** Of each configured index, by its name: see `indexScope`. */
  readonly scopes: ReadonlyMap<string, string>;
  readonly resources: Pick<PageResources, 'detail' | 'list'>;
  readonly entries: Pick<EntryStore, 'keys'>;
  readonly readThrough: Pick<ReadThrough, 'outdate'>;
  /** Present with a Redis. */
  readonly exchange: () => Pick<PurgeExchange, 'tellWritten'> | undefined;
}

/** Of the documents of single versions; a project with more has them fresh within a minute. */
const MOST_VERSIONS = 100;

/** Makes the pages of a project be validated before they are used again, because something was uploaded. */
export class UploadedProjects {
  readonly #options: UploadedProjectsOptions;

  constructor(options: UploadedProjectsOptions) {
    this.#options = options;
  }

  /** Resolves when a client that asks for them, here or at another node, gets what upstream says from now on. */
  async uploaded(projects: readonly ProjectName[]): Promise<void> {
    await Promise.all(
      projects.map(async (project) => {
        // The other nodes first: until they know, what they put into Redis is not taken from there.
        await this.#options.exchange()?.tellWritten(project);
        await this.outdate(project);
      }),
    );
  }

  /** The same for this node alone. An index may show what was uploaded to another one: all are asked anew. */
  async outdate(project: ProjectName): Promise<void> {
    const { scopes, resources, entries, readThrough } = this.#options;
    const keys = [...scopes].flatMap(([index, scope]) => {
      const documents = `json:${scope}:${project}`;
      return [
        resources.detail(index, project).key,
        resources.list(index).key,
        documents,
        ...entries.keys(`${documents}:`, '', MOST_VERSIONS),
      ];
    });
    await Promise.all(keys.map((key) => readThrough.outdate(key)));
  }
}
