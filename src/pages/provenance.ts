// Where a file's attestations are (PEP 740): at `/integrity/<project>/<version>/<file>/provenance` of an index, and in
// the same place below our own root when clients reach us over https, for the specification wants absolute URLs.

import { parseProjectName } from './project-name.ts';

const PLACE = /\/(integrity\/([^/?#]+)\/([^/?#]+)\/([^/?#]+)\/provenance)$/;

/** What a provenance URL names. */
export interface ProvenancePlace {
  /** Relative to the root of the index, in upstream's spelling. */
  readonly path: string;
  readonly project: string;
  readonly version: string;
  readonly filename: string;
}

/** The place that a URL from a page names; undefined for a URL of another shape, which we do not serve. */
export function provenancePlace(url: string): ProvenancePlace | undefined {
  const match = PLACE.exec(url);
  if (match === null) return undefined;
  const [, path, ...segments] = match;
  try {
    const [project, version, filename] = segments.map(decodeURIComponent);
    const name = parseProjectName(project!)?.name;
    return name === undefined ? undefined : { path: path!, project: name, version: version!, filename: filename! };
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    return undefined;
  }
}

/** The link to give out: below `root` where we can serve it, else upstream's own. */
export function provenanceLink(url: string, root: string | undefined): string {
  const path = root === undefined ? undefined : provenancePlace(url)?.path;
  return path === undefined ? url : `${root}${path}`;
}
