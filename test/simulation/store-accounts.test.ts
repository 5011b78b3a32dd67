// A day in the life of the blob store, on a real disk: every hour of it ends by a kill -9 in the middle of something, or in
// good order, and another process goes on.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { utimes } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Random, seedOf } from '../fuzz/random.ts';
import { storedBlobs, temporaryFiles } from '../support/disk/stored-files.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import type { LifeFigures } from './store-life.ts';

const LIFE = fileURLToPath(new URL('store-life.ts', import.meta.url));
const HOURS = 24;
const STEPS_AN_HOUR = 120;
const seed = seedOf(Date.now() % 1_000_000);

test(`24 hours of storing, reading, damage, removals, evictions and kills leave an exact account (seed ${seed})`, async (t) => {
  const dataDir = await temporaryFolder(t);
  const random = new Random(seed);
  const total = { stored: 0, read: 0, missed: 0, damaged: 0, evicted: 0 };
  let kills = 0;
  for (let hour = 0; hour < HOURS; hour++) {
    const killAfter = random.chance(0.5) ? 1 + random.below(STEPS_AN_HOUR) : 0;
    const args = [dataDir, String(random.below(1e9)), String(hour), String(STEPS_AN_HOUR), String(killAfter)];
    const { signal, stdout, stderr } = await run(args);
    assert.deepEqual([signal, stderr], [killAfter > 0 ? 'SIGKILL' : undefined, ''], `hour ${hour}`);
    // Every body is what its name says; the temp files are old enough to be swept by who comes next.
    await storedBlobs(dataDir);
    const longAgo = new Date(Date.now() - 3_600_000);
    for (const place of await temporaryFiles(dataDir)) await utimes(place, longAgo, longAgo);
    if (killAfter > 0) kills++;
    else {
      const figures = JSON.parse(stdout) as LifeFigures;
      for (const name of Object.keys(total) as (keyof LifeFigures)[]) total[name] += figures[name];
    }
  }
  t.diagnostic(`${kills} kills, and in the hours without: ${JSON.stringify(total)}`);
  assert.ok(total.evicted > 100, 'hardly anything was evicted');
});

function run(args: readonly string[]): Promise<{ signal: string | undefined; stdout: string; stderr: string }> {
  const flags = ['--disable-warning=ExperimentalWarning'];
  return new Promise((resolve) => {
    execFile(process.execPath, [...flags, LIFE, ...args], (error, stdout, stderr) => {
      resolve({ signal: error?.signal ?? undefined, stdout, stderr });
    });
  });
}
