// How much room the file system of a folder has.

import { statfs } from 'node:fs/promises';

/** What we may still write; root has more. Rejects with the disk's error. */
export async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}
