// Which keys of the stores hold what can be had again, and to which project they belong.

import { projectOfFilename } from '../pages/distribution-name.ts';
import { filenameOfUrl } from '../pages/file-links.ts';

/** The first words of such keys, and of what is known of files beside them; the rest is our own book-keeping. */
export const PURGEABLE_KINDS = ['page', 'list', 'json', 'provenance', 'alias', 'file', 'raw', 'known'] as const;

/** Whether what lies under the key can be had again. */
export function isPurgeable(key: string): boolean {
  const kind = key.slice(0, key.indexOf(':'));
  return PURGEABLE_KINDS.some((one) => one === kind);
}

/**
 * The project that the key names by itself; undefined where it names none. A file whose name leads to another project
 * is known to that project by its alias, which only a look into the store finds.
 */
export function projectOfKey(key: string): string | undefined {
  const [, kind, rest = ''] = /^(\w+):[^:]*:(.*)$/s.exec(key) ?? [];
  switch (kind) {
    case 'page':
      return rest;
    case 'json':
    case 'known':
      return rest.split(':', 1)[0];
    case 'provenance':
      return /^integrity\/([^/]+)\//.exec(rest)?.[1];
    case 'file':
      return projectOfFilename(distributionOfKey(key));
    default:
      return undefined;
  }
}

/** What an order to purge speaks of, as plain data: other processes look for it in what they have under way. */
export interface PurgeScope {
  /** Undefined: everything that can be had again. */
  readonly project: string | undefined;
  /** Files of the project whose names lead elsewhere. */
  readonly strays: readonly string[];
}

/** Tells the keys that the order means, at every index. */
export function keysOf({ project, strays }: PurgeScope): (key: string) => boolean {
  if (project === undefined) return isPurgeable;
  const astray = new Set(strays);
  return (key) => projectOfKey(key) === project || (key.startsWith('file:') && astray.has(distributionOfKey(key)));
}

/** What the other processes of this node do when one of them purges. */
export type PurgePart =
  /** Before anything is removed: what they fetch of it, begun until then (milliseconds since the epoch), is not stored. */
  | { readonly kind: 'overtake'; readonly scope: PurgeScope; readonly until: number }
  /** Afterwards: what they remember of these keys is forgotten. */
  | { readonly kind: 'forget'; readonly keys: readonly string[] };

/** The distribution file that a `file:` key is, or that its metadata or signature belongs to. */
export function distributionOfKey(key: string): string {
  return filenameOfUrl(key).replace(/\.(?:metadata|asc)$/, '');
}
