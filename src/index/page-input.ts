// What a page is read from, and how much of it is accepted.

import type { ProjectName } from '../pages/project-name.ts';

/** Bounds on what a page may make us build; its size in bytes is bounded by who receives it. */
export interface PageLimits {
  /** Files of a project, or links of an HTML page. */
  readonly maxFiles: number;
  readonly maxProjects: number;
  /** Nesting of the JSON; the specification's own pages need five levels. */
  readonly maxDepth: number;
}

export const DEFAULT_PAGE_LIMITS: PageLimits = { maxFiles: 250_000, maxProjects: 5_000_000, maxDepth: 32 };

/** The body of a 200 answer, its content coding removed, and what is needed to understand it. */
export interface PageInput {
  readonly body: Buffer;
  readonly contentType: string | undefined;
  /** The URL that answered, after redirects: links resolve against it. */
  readonly url: string;
  /** The X-PyPI-Last-Serial field, where upstream sends it. */
  readonly serialHeader?: string | undefined;
  /** The project that was asked for; a page that names another one is refused. */
  readonly expectedName?: ProjectName | undefined;
  /** True for an upstream whose empty pages are bare: HTML without links, version and heading is a page then. */
  readonly allowBarePages?: boolean | undefined;
}
