// Core metadata that a page claims, upstream's or ours, and that turned out not to be there. Pip fails an install over such a claim, so our
// pages do without it for a while; afterwards upstream's word counts again.

import { LRUCache } from 'lru-cache';
import type { ProjectName } from '../pages/project-name.ts';

/** For how long a claim is taken back; then it is shown again, and proved anew by the first who asks. */
const WITHDRAWN_MS = 3_600_000;
/** Projects with such files; it is rare, and only a page's claim is shown again when one is forgotten. */
const MAX_PROJECTS = 1_000;

const NONE: ReadonlySet<string> = new Set();

/** Remembers for a while which claims of core metadata came to nothing, one link at a time. */
export class WithdrawnMetadata {
  /** By project: until when each link is withdrawn; milliseconds since the epoch. */
  readonly #projects = new LRUCache<string, ReadonlyMap<string, number>>({ max: MAX_PROJECTS });
  readonly #now: () => number;

  constructor({ now }: { readonly now: () => number }) {
    this.#now = now;
  }

  /** The files of a project, by the URL that clients know, that have no core metadata in spite of their page. */
  of(index: string, project: ProjectName): ReadonlySet<string> {
    if (this.#projects.size === 0) return NONE;
    const until = this.#current(index, project);
    return until.size === 0 ? NONE : new Set(until.keys());
  }

  /** For an hour from now on; other links of the project keep their time. */
  withdraw(index: string, project: ProjectName, link: string): void {
    const until = new Map(this.#current(index, project)).set(link, this.#now() + WITHDRAWN_MS);
    this.#projects.set(key(index, project), until);
  }

  /** It is there after all. */
  restore(index: string, project: ProjectName, link: string): void {
    const until = new Map(this.#current(index, project));
    if (!until.delete(link)) return;
    if (until.size === 0) this.#projects.delete(key(index, project));
    else this.#projects.set(key(index, project), until);
  }

  #current(index: string, project: ProjectName): ReadonlyMap<string, number> {
    const now = this.#now();
    const until = this.#projects.get(key(index, project));
    if (until === undefined || [...until.values()].every((time) => time > now)) return until ?? new Map();
    const current = new Map([...until].filter(([, time]) => time > now));
    this.#projects.set(key(index, project), current);
    return current;
  }
}

function key(index: string, project: ProjectName): string {
  return `${index} ${project}`;
}
