import assert from 'node:assert/strict';
import { it } from 'node:test';
import { MEMORY_HOLDERS, memoryShare } from '../../src/app/context.ts';

it('all who keep bytes in memory hold the budget together, and no more', () => {
  const memoryBytes = 64_000_000;
  const shares = MEMORY_HOLDERS.map((holder) => memoryShare({ config: { memoryBytes } }, holder));
  const sum = shares.reduce((bytes, share) => bytes + share, 0);
  assert.ok(sum <= memoryBytes && sum > memoryBytes - shares.length, `${sum} bytes`);
});
