// The lock files that a command line names, read.

import { readFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { parse as parseToml, TomlError } from 'smol-toml';
import { type Folder, type Lock, UnreadableLock } from '../locks/lock.ts';
import { readLock } from '../locks/read-lock.ts';
import { type Table, table, text } from '../locks/values.ts';

/** A lock file of the command line, read. */
export interface NamedLock {
  /** As it was typed. */
  readonly path: string;
  readonly lock: Lock;
  /** The projects that are built from their folders. */
  readonly folders: readonly Folder[];
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

/** Of the folders those that hold a project which is built, and not one that only has dependencies. */
async function projectsIn(base: string, folders: readonly Folder[]): Promise<Folder[]> {
  const built: Folder[] = [];
  for (const folder of folders) {
    // A file that is missing or unreadable says nothing.
    const read = (name: string) => readFile(join(resolve(base, folder.path), name), 'utf8').catch(() => undefined);
    const [pyproject = '', ...setup] = await Promise.all(['pyproject.toml', 'setup.py', 'setup.cfg'].map(read));
    const { tool, project } = tomlOf(pyproject);
    if (table(table(tool).pdm).distribution === false || table(table(tool).uv).package === false) continue;
    if (setup.some((content) => content !== undefined) || text(table(project).name) !== undefined) built.push(folder);
  }
  return built;
}

/** An empty table for what is no TOML. */
function tomlOf(content: string): Table {
  try {
    return table(parseToml(content));
  } catch (error) {
    if (error instanceof TomlError) return {};
    throw error;
  }
}
