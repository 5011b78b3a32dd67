// Looks at what lies in a data folder, without asking the product: for tests that promise what is stored there.

import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** Which state of a file was found right: tests ask again and again until one is there. */
const foundRight = new Map<string, string>();

/** Every stored blob by its path; rejects when one of them does not have the digest that names it. */
export async function storedBlobs(dataDir: string): Promise<string[]> {
  const found: string[] = [];
  for (const place of await filesBelow(join(dataDir, 'blobs', 'v1'))) {
    const name = place.split('/').at(-1)!;
    if (!/^[0-9a-f]{64}$/.test(name)) continue;
    if (await isStored(place, name)) found.push(place);
  }
  return found;
}

/** False when it has left the store since it was listed: somebody else's write may need its room. */
async function isStored(place: string, name: string): Promise<boolean> {
  try {
    const { ino, size, ctimeNs } = await stat(place, { bigint: true });
    const state = `${ino} ${size} ${ctimeNs}`;
    if (foundRight.get(place) === state) return true;
    const bytes = await readFile(place);
    const digest = createHash('sha256').update(bytes).digest('hex');
    if (digest !== name) throw new Error(`${place} holds bytes with the digest ${digest}`);
    foundRight.set(place, state);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

/** Temporary files: bodies that are being written, or were left behind. */
export function temporaryFiles(dataDir: string): Promise<string[]> {
  return filesBelow(join(dataDir, 'blobs', 'v1', 'tmp'));
}

/** All files below `folder`, whatever they are; none when there is no such folder. */
export async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}
