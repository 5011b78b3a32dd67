import assert from 'node:assert/strict';
import { readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { sweepTempFiles } from '../../src/store/blobs/temp-files.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';

/** No process of this number can exist. */
const DEAD = 2 ** 22 + 1;

test('temporary files of the dead leave at the start; those of the living, of ours and young ones stay', async (t) => {
  const folder = await temporaryFolder(t);
  const now = Date.now();
  const files = { dead: `${DEAD}-a`, predecessor: `${process.pid}-old-a`, ours: `${process.pid}-new-a` };
  const others = { peer: `${process.ppid}-a`, young: `${DEAD}-b` };
  for (const name of Object.values({ ...files, ...others })) await writeFile(join(folder, name), 'x');
  const longAgo = new Date(now - 3_600_000);
  const lately = new Date(now - 600_000);
  for (const name of Object.values(files)) await utimes(join(folder, name), longAgo, longAgo);
  await utimes(join(folder, others.peer), lately, lately);
  assert.equal(await sweepTempFiles(folder, `${process.pid}-new-`, now), 2);
  assert.deepEqual((await readdir(folder)).sort(), [files.ours, others.peer, others.young].sort());
  // Nothing has been written to it for an hour: somebody else has the pid now.
  assert.equal(await sweepTempFiles(folder, `${process.pid}-new-`, now + 3_600_000), 2);
  assert.deepEqual(await readdir(folder), [files.ours]);
});
