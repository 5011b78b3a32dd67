import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FairShares } from '../../src/core/fair-shares.ts';

/** Takes for this client until it may not any more; how many it got. */
function takeAll(shares: FairShares, client: string): number {
  let got = 0;
  for (; shares.mayTake(client); got += 1) shares.take(client);
  return got;
}

test('who is alone gets the whole limit, and no more', () => {
  assert.equal(takeAll(new FairShares(64), 'a'), 64);
});

test('who comes late finds places that were kept back, up to a quarter of the limit', () => {
  const shares = new FairShares(64);
  assert.equal(takeAll(shares, 'a'), 64);
  assert.equal(takeAll(shares, 'b'), 16);
  assert.equal(takeAll(shares, 'c'), 0);
  assert.equal(shares.count, 80);
});

test('who has an equal share gets none of what is kept back', () => {
  const shares = new FairShares(4);
  for (const client of ['a', 'b', 'c', 'd']) shares.take(client);
  for (const client of ['a', 'd', 'e']) assert.equal(shares.mayTake(client), false, client);
});

test('what is given back may be taken by anybody as long as the limit is not reached', () => {
  const shares = new FairShares(4);
  takeAll(shares, 'a');
  shares.take('b');
  shares.giveBack('a');
  assert.deepEqual([shares.mayTake('a'), shares.mayTake('b')], [false, true]);
  shares.giveBack('b');
  assert.equal(shares.mayTake('a'), true);
  for (let i = 0; i < 3; i += 1) shares.giveBack('a');
  assert.equal(shares.count, 0);
});
