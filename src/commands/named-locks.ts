// The lock files that a command line names, read.

import { readFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { isBuiltHere, type ProjectFiles, TELLING_FILES } from '../locks/build-requires.ts';
import { type Folder, type Lock, UnreadableLock } from '../locks/lock.ts';
import { readLock } from '../locks/read-lock.ts';

export interface NamedLock {
  /** As it was typed. */
  readonly path: string;
  readonly lock: Lock;
  /** The projects that are built from their folders. */
  readonly folders: readonly FolderProject[];
}

export interface FolderProject extends Folder {
  readonly files: ProjectFiles;
}

/** Throws UnreadableLock with the path in its message. */
export async function readLocks(paths: readonly string[], cwd: string): Promise<NamedLock[]> {
  return Promise.all(
    paths.map(async (path) => {
      try {
        const lock = readLock(basename(path), await readFile(resolve(cwd, path), 'utf8'));
        return { path, lock, folders: await projectsIn(dirname(resolve(cwd, path)), lock.folders ?? []) };
      } catch (error) {
        if (error instanceof UnreadableLock) throw new UnreadableLock(`${path}: ${error.message}`);
        const { code } = error as NodeJS.ErrnoException;
        if (code === undefined) throw error;
        throw new UnreadableLock(`${path}: cannot be read (${code}); is the path right?`);
      }
    }),
  );
}

async function projectsIn(base: string, folders: readonly Folder[]): Promise<FolderProject[]> {
  const projects: FolderProject[] = [];
  for (const folder of folders) {
    const files = new Map<string, string>();
    for (const name of TELLING_FILES) {
      // A folder that is not there, and a file that is none, cannot be built by anybody.
      const content = await readFile(join(resolve(base, folder.path), name), 'utf8').catch(() => undefined);
      if (content !== undefined) files.set(name, content);
    }
    if (isBuiltHere(files)) projects.push({ ...folder, files });
  }
  return projects;
}
