// What a lock file names, whichever tool wrote it: projects, versions, and the files that an installer may ask for.

import { filenameOfUrl } from '../pages/file-links.ts';
import { type ProjectName, parseProjectName } from '../pages/project-name.ts';

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
  /** Where it is installed at all (PEP 508); undefined is everywhere. */
  readonly marker?: string | undefined;
  /** Of its own requirements those of these extras count as well. */
  readonly extras?: readonly string[];
}

/** What one lock file names, whichever tool wrote it. */
export interface Lock {
  readonly versions: readonly LockedVersion[];
  /**
   * Those that are installed where markers hold as `holds` says; undefined is those whose own marker holds. All groups
   * and extras that the lock has count as asked for.
   */
  readonly installed?: (holds: (marker: string) => boolean) => ReadonlySet<LockedVersion>;
  /** Where installers resolve what is listed, and may take more than that: the options that decide it. */
  readonly resolving?: Resolving;
  /** Projects that are built where they lie and installed. */
  readonly folders?: readonly Folder[];
  /** What comes from elsewhere than an index (a repository, a folder, a direct URL): a name and the reason each. */
  readonly elsewhere: readonly string[];
}

/** A project in a folder. */
export interface Folder {
  /** From the lock file's own folder. */
  readonly path: string;
  readonly isEditable: boolean;
}

/** The options of a requirements file that decide what is chosen. */
export interface Resolving {
  readonly kindsOf: (project: ProjectName) => FileKinds;
  /** `--require-hashes`, or what the installer makes of hashes beside some requirements. */
  readonly requiresHashes: boolean;
}

/** Which kinds of files may be taken. */
export interface FileKinds {
  readonly wheels: boolean;
  readonly sources: boolean;
}

/** Wheels and source distributions. */
export const ALL_KINDS: FileKinds = { wheels: true, sources: true };

/** The file cannot be understood; the message says what to do instead. */
export class UnreadableLock extends Error {}

/** The version under its normal project name. Throws UnreadableLock for a name that no index can have. */
export function lockedVersion(
  name: string,
  version: string,
  files: readonly LockedFile[],
  marker?: string,
): LockedVersion {
  const project = parseProjectName(name)?.name;
  if (project === undefined) throw new UnreadableLock(`${JSON.stringify(name)} is no valid project name`);
  return { project, version, files, ...(marker !== undefined && { marker }) };
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
