// What a lock file names, whichever tool wrote it: projects, versions, and the files that an installer may ask for.

import { filenameOfUrl } from '../index/file-links.ts';
import { type ProjectName, parseProjectName } from '../index/project-name.ts';

/** One distribution file. Formats that give only hashes leave its name to the index's page. */
export interface LockedFile {
  readonly filename: string | undefined;
  readonly url: string | undefined;
  /** `<algorithm>:<hex>` in lower case, all of this one file. */
  readonly hashes: readonly string[];
}

/** One version of a project. Without files the list names no more than the version: any of its files may be wanted. */
export interface LockedVersion {
  readonly project: ProjectName;
  readonly version: string;
  readonly files: readonly LockedFile[];
}

export interface Lock {
  readonly versions: readonly LockedVersion[];
  /** What comes from elsewhere than an index (a repository, a folder, a direct URL): a name and the reason each. */
  readonly elsewhere: readonly string[];
}

/** The file cannot be understood; the message says what to do instead. */
export class UnreadableLock extends Error {}

/** The version under its normal project name. Throws UnreadableLock for a name that no index can have. */
export function lockedVersion(name: string, version: string, files: readonly LockedFile[]): LockedVersion {
  const project = parseProjectName(name)?.name;
  if (project === undefined) throw new UnreadableLock(`${JSON.stringify(name)} is no valid project name`);
  return { project, version, files };
}

/** A file that the lock gives by its URL, its name, or its hashes alone. */
export function lockedFile(given: {
  readonly filename?: string | undefined;
  readonly url?: string | undefined;
  readonly hashes: readonly string[];
}): LockedFile {
  const { url, hashes } = given;
  const filename = given.filename ?? (url === undefined ? undefined : filenameOfUrl(url));
  return { filename, url, hashes: hashes.map((hash) => hash.toLowerCase()) };
}
