// Compares the index of blobs with the folders, beside serving: after a process was killed a few blobs are missing in
// it, and a new index knows none. One folder of 256 at a time. Of files only those that are not known are looked at; the
// body of a page may have another size than its predecessor.

import * as fs from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import type { BlobIndex, BlobKind } from '../store/blobs/blob-index.ts';
import { BLOB_KINDS, type BlobFolders, shards } from '../store/blobs/folders.ts';

const AT_ONCE = 16;

/** Resolves when the index holds what the folders hold; false when the signal ended it before. */
export async function reconcile(index: BlobIndex, folders: BlobFolders, signal: AbortSignal): Promise<boolean> {
  for (const kind of BLOB_KINDS) {
    for (const shard of shards()) {
      const found = await folders.names(kind, shard);
      if (signal.aborted) return false;
      const known = index.names(kind, shard);
      for (let i = 0; i < found.length; i += AT_ONCE) {
        const doubtful = found.slice(i, i + AT_ONCE).filter((name) => !known.delete(name) || kind === 'page');
        await Promise.all(doubtful.map((name) => look(index, folders, kind, name)));
        if (signal.aborted) return false;
      }
      for (const name of known) await drop(index, folders, kind, name);
      if (signal.aborted) return false;
      await turn();
    }
  }
  return true;
}

async function look(index: BlobIndex, folders: BlobFolders, kind: BlobKind, name: string): Promise<void> {
  const stats = await fs.promises.lstat(folders.path(kind, name)).catch(() => undefined);
  if (stats?.isFile() === true) index.found(kind, name, stats.size, stats.mtimeMs);
}

/** It may have been stored while we looked. */
async function drop(index: BlobIndex, folders: BlobFolders, kind: BlobKind, name: string): Promise<void> {
  const gone = await fs.promises.lstat(folders.path(kind, name)).then(
    () => false,
    (error: NodeJS.ErrnoException) => error.code === 'ENOENT',
  );
  if (gone) index.removed(kind, name);
}
