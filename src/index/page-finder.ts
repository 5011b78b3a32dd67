// Which index answers: the first one in order that has the project, or the list. A failure of an index is a failure, and
// no leave to ask the next one: who does not know whether an earlier index has the name must not give it out from a later.

import type { Answer } from '../cache/answer.ts';
import type { Resource } from '../cache/profile.ts';
import type { ReadOptions, ReadThrough } from '../cache/read-through.ts';
import { OwnFault, UnavailableForLegalReasons, UpstreamFailure } from '../core/errors.ts';
import type { NameRouting } from '../pages/name-routing.ts';
import type { ProjectName } from '../pages/project-name.ts';
import { ProjectNotFound } from './page-errors.ts';
import type { PageResources } from './page-resources.ts';

/** The indexes that may be asked for a project, in order. */
export interface PageFinderOptions {
  readonly resources: PageResources;
  readonly readThrough: ReadThrough;
  readonly routing: NameRouting;
}

/** The page of the first index that has the project. */
export interface FoundPage {
  readonly index: string;
  readonly resource: Resource;
  readonly answer: Answer;
}

/** Finds the index that answers for a project: the first that has it, never a mix. */
export class PageFinder {
  readonly #options: PageFinderOptions;

  constructor(options: PageFinderOptions) {
    this.#options = options;
  }

  /**
   * The first page there is, of the indexes that may be asked for the project. Throws ProjectNotFound only when each of
   * them said so cleanly, UpstreamFailure when one that had to be asked could not answer.
   */
  async find(indexes: readonly string[], name: ProjectName, options: ReadOptions): Promise<FoundPage> {
    let unsure: UpstreamFailure | OwnFault | undefined;
    const missing: Answer[] = [];
    for (const index of this.#options.routing.allowed(name, indexes)) {
      const resource = this.#options.resources.detail(index, name);
      const answer = await this.#readUnlessMissing(resource, options);
      if (answer instanceof Error) {
        unsure ??= answer;
        continue;
      }
      const { status } = answer.entry;
      if (status === 200) return { index, resource, answer };
      if (status === 451) throw new UnavailableForLegalReasons(`Upstream withholds ${name} for legal reasons.`);
      missing.push(answer);
    }
    if (unsure !== undefined) throw unsure;
    throw new ProjectNotFound(name, missing);
  }

  /**
   * An index that cannot be asked now but said earlier that it has no such project lets a later index answer, as it
   * did before the outage. Its failure is returned, not thrown: if no later index has the project either, it must not
   * become a 404, for the project may have been created since.
   */
  async #readUnlessMissing(resource: Resource, options: ReadOptions): Promise<Answer | UpstreamFailure | OwnFault> {
    try {
      return await this.#options.readThrough.read(resource, options);
    } catch (error) {
      if (!(error instanceof UpstreamFailure || error instanceof OwnFault)) throw error;
      const held = await this.#options.readThrough.held(resource);
      if (held?.status !== 404 && held?.status !== 410) throw error;
      return error;
    }
  }

  /** The list of one index; undefined when it has none. */
  async list(index: string, options: ReadOptions): Promise<FoundPage | undefined> {
    const resource = this.#options.resources.list(index);
    const answer = await this.#options.readThrough.read(resource, options);
    const { status } = answer.entry;
    if (status === 451) {
      throw new UnavailableForLegalReasons('Upstream withholds its list of projects for legal reasons.');
    }
    return status === 200 ? { index, resource, answer } : undefined;
  }

  /**
   * Where files of this project may be held that no page lists any more: at the index that has the project, else at
   * those that may be asked for it. Asks nobody.
   */
  async holders(indexes: readonly string[], name: ProjectName): Promise<readonly string[]> {
    const allowed = this.#options.routing.allowed(name, indexes);
    for (const index of allowed) {
      const held = await this.#options.readThrough.held(this.#options.resources.detail(index, name));
      if (held?.status === 200) return [index];
    }
    return allowed;
  }
}
