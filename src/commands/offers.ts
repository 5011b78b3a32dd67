// What projects offer a target, each worked out once for all installers and builds of a walk.

import type { ProjectName } from '../index/project-name.ts';
import { type Offer, offerOf } from '../locks/candidates.ts';
import type { FileKinds } from '../locks/lock.ts';
import type { Target } from '../locks/target.ts';
import { type Finding, type IndexWalk, once } from './index-walk.ts';

export interface PageOffer {
  readonly page: Finding;
  /** Undefined when the page cannot be had. */
  readonly offer: Offer | undefined;
}

export class Offers {
  readonly index: IndexWalk;
  readonly target: Target;
  readonly #known = new Map<string, Promise<PageOffer>>();

  constructor(index: IndexWalk, target: Target) {
    this.index = index;
    this.target = target;
  }

  of(project: ProjectName, kinds: FileKinds): Promise<PageOffer> {
    return once(this.#known, `${project} ${kinds.wheels} ${kinds.sources}`, async () => {
      const { finding, files } = await this.index.page(project);
      return { page: finding, offer: finding.problem === undefined ? offerOf(files, this.target, kinds) : undefined };
    });
  }
}
