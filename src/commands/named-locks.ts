// The lock files that a command line names, read.

import { readFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { type Lock, UnreadableLock } from '../locks/lock.ts';
import { readLock } from '../locks/read-lock.ts';

export interface NamedLock {
  /** As it was typed. */
  readonly path: string;
  readonly lock: Lock;
}

/** Throws UnreadableLock with the path in its message. */
export async function readLocks(paths: readonly string[], cwd: string): Promise<NamedLock[]> {
  return Promise.all(
    paths.map(async (path) => {
      try {
        return { path, lock: readLock(basename(path), await readFile(resolve(cwd, path), 'utf8')) };
      } catch (error) {
        if (error instanceof UnreadableLock) throw new UnreadableLock(`${path}: ${error.message}`);
        const { code } = error as NodeJS.ErrnoException;
        if (code === undefined) throw error;
        throw new UnreadableLock(`${path}: cannot be read (${code}); is the path right?`);
      }
    }),
  );
}
