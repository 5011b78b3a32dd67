// Files that a lock gives by URLs that do not lead through a Wheelkeep: installers that follow them ask that host.

import type { LockedVersion } from './lock.ts';

/** How our own links look, whatever host and index stand before them (file-links.ts). */
const OURS = /\/files\/https?\//;

export interface FollowedUrls {
  readonly host: string;
  readonly files: number;
}

/** By host; none for formats that name files without URLs, because their installers ask the index. */
export function urlsPastUs(versions: readonly LockedVersion[]): FollowedUrls[] {
  const hosts = new Map<string, number>();
  for (const { url } of versions.flatMap(({ files }) => files)) {
    const parsed = url === undefined ? null : URL.parse(url);
    if (parsed === null || OURS.test(parsed.pathname)) continue;
    hosts.set(parsed.host, (hosts.get(parsed.host) ?? 0) + 1);
  }
  return [...hosts].map(([host, files]) => ({ host, files }));
}
