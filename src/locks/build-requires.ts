// What building a source distribution requires, as far as it says so itself: `[build-system]` of its pyproject.toml
// (PEP 518). A backend may ask for more when it runs (PEP 517), which only a build can tell.

import { pipeline, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { parse as parseToml, TomlError } from 'smol-toml';
import { table, texts } from './values.ts';

/** What pip and uv take where the file says nothing. */
const DEFAULT = ['setuptools>=40.8.0'];
const BLOCK_BYTES = 512;
const MAX_PYPROJECT_BYTES = 4 << 20;
/** The one at the top of the archive's one folder. */
const PYPROJECT = /^[^/]+\/pyproject\.toml$/;

/** From the bytes of a .tar.gz. Undefined for an archive that cannot be read, or a table that is not as it must be. */
export async function buildRequires(archive: Readable): Promise<readonly string[] | undefined> {
  const tar = createGunzip();
  // Its failures, and those of the archive, arrive where the tar is read.
  pipeline(archive, tar, () => {});
  try {
    const content = await member(tar, PYPROJECT);
    if (content === undefined) return DEFAULT;
    const { 'build-system': system } = parseToml(content);
    return system === undefined ? DEFAULT : texts(table(system).requires);
  } catch (error) {
    if (error instanceof TomlError || (error instanceof Error && 'code' in error)) return undefined;
    throw error;
  }
}

/** The first regular file of that name in a tar stream (POSIX ustar; longer names in other records are not looked for). */
async function member(tar: AsyncIterable<Buffer>, name: RegExp): Promise<string | undefined> {
  let held = Buffer.alloc(0);
  let skip = 0;
  for await (const chunk of tar) {
    held = Buffer.concat([held, chunk]);
    for (;;) {
      const skipped = Math.min(skip, held.length);
      held = held.subarray(skipped);
      skip -= skipped;
      if (skip > 0 || held.length < BLOCK_BYTES) break;
      const sizeBytes = Number.parseInt(held.toString('latin1', 124, 136), 8) || 0;
      const isWanted =
        name.test(held.toString('utf8', 0, 100).replace(/\0.*$/s, '')) && sizeBytes <= MAX_PYPROJECT_BYTES;
      if (isWanted && held.length < BLOCK_BYTES + sizeBytes) break;
      if (isWanted) return held.toString('utf8', BLOCK_BYTES, BLOCK_BYTES + sizeBytes);
      skip = BLOCK_BYTES + Math.ceil(sizeBytes / BLOCK_BYTES) * BLOCK_BYTES;
    }
  }
  return undefined;
}
