import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BLOCK_BYTES, LatestBytes } from '../../src/cache/latest-bytes.ts';
import { seededBytes } from '../support/upstream/wheels.ts';

const LARGE = seededBytes('large', 64 * 1024);
const SMALL = seededBytes('small', 1000);

test('a large chunk is given out as it came, small ones and those for many readers are gathered', () => {
  const asItCame = new LatestBytes();
  asItCame.append(LARGE, false);
  assert.equal(asItCame.view(0, LARGE.length)!.buffer, LARGE.buffer);

  const gathered = new LatestBytes();
  for (const chunk of [LARGE, SMALL, LARGE]) gathered.append(chunk, true);
  const all = Buffer.concat([LARGE, SMALL, LARGE]);
  assert.ok(gathered.view(0, all.length)!.equals(all));
});

test('every byte is found again, whatever the sizes of the chunks and however they were taken', () => {
  const latest = new LatestBytes();
  const chunks = [SMALL, LARGE, SMALL, LARGE, seededBytes('huge', 700_000), SMALL, LARGE];
  for (const [n, chunk] of chunks.entries()) latest.append(chunk, n % 3 === 1);
  const all = Buffer.concat(chunks);
  assert.equal(latest.end, all.length);
  for (let position = 0; position < all.length; position += 997) {
    const view = latest.view(position, all.length)!;
    assert.ok(view.length > 0 && view.equals(all.subarray(position, position + view.length)));
  }
  assert.ok(Buffer.concat(latest.piecesFrom(1234)).equals(all.subarray(1234)));
  assert.equal(latest.view(5, 9)!.length, 4);
});

test('what is given up is whole blocks before the position, and never of the last bytes that are to be kept', () => {
  const latest = new LatestBytes();
  for (let n = 0; n < 5; n++) latest.append(Buffer.alloc(BLOCK_BYTES), false);
  latest.giveUp(2.5 * BLOCK_BYTES, 0);
  assert.equal(latest.start, 2 * BLOCK_BYTES);
  assert.equal(latest.view(2 * BLOCK_BYTES - 1, latest.end), undefined);
  latest.giveUp(5 * BLOCK_BYTES, 2 * BLOCK_BYTES);
  assert.equal(latest.start, 3 * BLOCK_BYTES);
});
