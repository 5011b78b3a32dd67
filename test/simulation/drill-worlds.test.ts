// `wheelkeep drill` against the truth in many small worlds: caches that hold all or part of what an install asks for,
// lock files of several formats, and what pip and uv then do with upstream gone. A difference names its seed.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seedOf } from '../fuzz/random.ts';
import { tool } from '../installer/tools.ts';
import { playWorld } from '../support/drill-play.ts';

const pip = tool('WHEELKEEP_TEST_PIP');
const uv = tool('WHEELKEEP_TEST_UV');
const WORLDS = Number(process.env.WHEELKEEP_TEST_WORLDS ?? 25);

test('what the drill predicts is what pip and uv do, file by file, in both directions', {
  skip: pip.skip || uv.skip,
}, async () => {
  const first = seedOf(1000);
  const differences: string[] = [];
  for (let seed = first; seed < first + WORLDS; seed++) {
    differences.push(...(await playWorld(seed, { pip: pip.path, uv: uv.path }, 2)));
  }
  assert.deepEqual(differences, []);
});
