// Files out of a source distribution, a gzipped tar (PEP 625) or, as older ones are, a zip.

import { pipeline, type Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { createGunzip } from 'node:zlib';
import { inMemory, UnreadableWheel, zipContent, zipMembers } from '../files/zip-members.ts';

/** What is no archive of these kinds, or is damaged. */
export class UnreadableSdist extends Error {}

const BLOCK_BYTES = 512;
const MAX_MEMBER_BYTES = 4 << 20;

/** By their paths below the archive's one folder, those that are `wanted`. Rejects with UnreadableSdist. */
export async function sdistMembers(
  filename: string,
  archive: Readable,
  wanted: (path: string) => boolean,
): Promise<ReadonlyMap<string, string>> {
  const found = new Map<string, string>();
  const members = /\.zip$/i.test(filename) ? zipped(archive, wanted) : tarred(archive, wanted);
  try {
    for await (const [path, content] of members) if (!found.has(path)) found.set(path, content);
  } catch (error) {
    if (error instanceof UnreadableWheel || (error instanceof Error && 'code' in error)) {
      throw new UnreadableSdist(`${filename}: ${error.message}`);
    }
    throw error;
  }
  return found;
}

async function* zipped(archive: Readable, wanted: (path: string) => boolean): AsyncGenerator<[string, string]> {
  const bytes = inMemory(await buffer(archive));
  for (const member of await zipMembers(bytes, '')) {
    const path = belowFolder(member.path);
    if (wanted(path)) yield [path, (await zipContent(bytes, member)).toString()];
  }
}

/** A tar stream with ustar headers (POSIX 1003.1); longer names, in records of their own, are not looked for. */
async function* tarred(archive: Readable, wanted: (path: string) => boolean): AsyncGenerator<[string, string]> {
  const tar = createGunzip();
  // Its failures, and those of the archive, arrive where the tar is read.
  pipeline(archive, tar, () => {});
  let held: Buffer = Buffer.alloc(0);
  let skip = 0;
  for await (const chunk of tar as AsyncIterable<Buffer>) {
    held = Buffer.concat([held, chunk]);
    for (;;) {
      const skipped = Math.min(skip, held.length);
      held = held.subarray(skipped);
      skip -= skipped;
      if (skip > 0 || held.length < BLOCK_BYTES) break;
      const sizeBytes = tarSize(held);
      const path = belowFolder(tarPath(held));
      const isWanted = sizeBytes <= MAX_MEMBER_BYTES && wanted(path);
      if (isWanted && held.length < BLOCK_BYTES + sizeBytes) break;
      if (isWanted) yield [path, held.toString('utf8', BLOCK_BYTES, BLOCK_BYTES + sizeBytes)];
      skip = BLOCK_BYTES + Math.ceil(sizeBytes / BLOCK_BYTES) * BLOCK_BYTES;
    }
  }
}

/**
 * Octal digits between spaces and NULs (POSIX 1003.1, ustar); an empty field is 0. A sign would move the reading
 * position back, and the same header would be read again without end.
 */
function tarSize(header: Buffer): number {
  const text = header.toString('latin1', 124, 136).replace(/^[ \0]+|[ \0]+$/g, '');
  if (!/^[0-7]*$/.test(text)) throw new UnreadableSdist(`a tar member has the size ${JSON.stringify(text)}`);
  return Number.parseInt(text, 8) || 0;
}

/** The name field, behind that of its folder where there is one. */
function tarPath(header: Buffer): string {
  const field = (from: number, to: number) => header.toString('utf8', from, to).replace(/\0.*$/s, '');
  const folder = header.toString('latin1', 257, 262) === 'ustar' ? field(345, 500) : '';
  return folder === '' ? field(0, 100) : `${folder}/${field(0, 100)}`;
}

/** `./name-1/setup.py` and `name-1/setup.py` are `setup.py`. */
function belowFolder(path: string): string {
  return path.replace(/^(?:\.\/)?[^/]*\//, '');
}
