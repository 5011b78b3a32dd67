// Core metadata that a page claims, upstream's or ours, and that turned out not to be there. Pip fails an install over such a claim, so our
// pages do without it for a while; afterwards upstream's word counts again.

import { LRUCache } from 'lru-cache';
import type { ProjectName } from './project-name.ts';

/** For how long a claim is taken back; then it is shown again, and proved anew by the first who asks. */
const WITHDRAWN_MS = 3_600_000;
/** Projects with such files; it is rare, and only a page's claim is shown again when one is forgotten. */
const MAX_PROJECTS = 1_000;

interface Withdrawn {
  readonly links: ReadonlySet<string>;
  readonly until: number;
}

const NONE: ReadonlySet<string> = new Set();

export class WithdrawnMetadata {
  readonly #projects = new LRUCache<string, Withdrawn>({ max: MAX_PROJECTS });
  readonly #now: () => number;

  constructor({ now }: { readonly now: () => number }) {
    this.#now = now;
  }

  /** The files of a project, by the URL that clients know, that have no core metadata in spite of their page. */
  of(index: string, project: ProjectName): ReadonlySet<string> {
    if (this.#projects.size === 0) return NONE;
    const withdrawn = this.#projects.get(key(index, project));
    return withdrawn !== undefined && withdrawn.until > this.#now() ? withdrawn.links : NONE;
  }

  withdraw(index: string, project: ProjectName, link: string): void {
    const links = new Set(this.of(index, project)).add(link);
    this.#projects.set(key(index, project), { links, until: this.#now() + WITHDRAWN_MS });
  }

  /** It is there after all. */
  restore(index: string, project: ProjectName, link: string): void {
    const held = this.of(index, project);
    if (!held.has(link)) return;
    const links = new Set([...held].filter((other) => other !== link));
    const until = this.#now() + WITHDRAWN_MS;
    if (links.size === 0) this.#projects.delete(key(index, project));
    else this.#projects.set(key(index, project), { links, until });
  }
}

function key(index: string, project: ProjectName): string {
  return `${index} ${project}`;
}
