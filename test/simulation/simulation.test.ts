// The short form of `npm run simulate`: every kind of outage, each for a few minutes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OUTAGES } from './outages.ts';
import { simulate } from './simulation.ts';

test('in every outage of the past all that was seen before is answered right, and what is cold fails clearly', async (t) => {
  const outages = OUTAGES.map((outage) => ({ ...outage, minutes: Math.min(20, outage.minutes) }));
  const { upstream, through, cold } = await simulate({ outages, factor: 1_000, seed: 1 });
  t.diagnostic(`upstream alone ${upstream.share}, through Wheelkeep ${through.share}`);
  assert.ok(upstream.share < 0.9, 'the outages were none');
  assert.deepEqual(through.wrong, []);
  assert.deepEqual(cold.wrong, []);
});
