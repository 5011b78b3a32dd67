// What rendering a page needs to know beside the page.

import type { FileRecord } from '../pages/page.ts';

export interface RenderOptions {
  /** The link to give for a file's absolute upstream URL (file-links.ts). */
  readonly fileLink: (url: string) => string;
  /** The link to give for a file's provenance URL; upstream's own without it. */
  readonly provenanceLink?: (url: string) => string;
  /** True announces core metadata where upstream offers none: it is cut out of the file. */
  readonly extractsCoreMetadata?: (file: FileRecord) => boolean;
  /** False takes back upstream's claim of core metadata: pip fails the install when that cannot be had. */
  readonly offersCoreMetadata?: (file: FileRecord) => boolean;
}
