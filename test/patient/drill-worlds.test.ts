// `wheelkeep drill` against the truth, in a few small worlds made by chance: what it predicts of caches that hold all or
// part of them is what pip and uv then do with upstream gone. `npm run test:long` plays many more.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { tool } from '../installer/tools.ts';
import { playWorld } from '../support/drill-play.ts';

const pip = tool('WHEELKEEP_TEST_PIP');
const uv = tool('WHEELKEEP_TEST_UV');

for (const seed of [3, 8]) {
  test(`what the drill says of world ${seed} is what pip and uv do, file by file`, {
    skip: pip.skip || uv.skip,
  }, async () => {
    assert.deepEqual(await playWorld(seed, { pip: pip.path, uv: uv.path }, 1), []);
  });
}
