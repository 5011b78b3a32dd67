import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RecentReads } from '../../src/store/blobs/open-files.ts';

const KB = 1024;
const BLOCK = 256 * KB;

test('what was read to the end of its blocks is taken to be in memory for ten seconds', () => {
  const reads = new RecentReads(3 * BLOCK + 10);
  assert.equal(reads.cover(0, 1, 0), false);
  reads.note(0, 2 * BLOCK, 1000);
  for (const [position, length, now, covered] of [
    [0, 2 * BLOCK, 1000, true],
    [10, BLOCK, 11_000, true],
    [10, BLOCK, 11_001, false],
    [0, 2 * BLOCK + 1, 1000, false],
    [2 * BLOCK, 1, 1000, false],
  ] as const) {
    assert.equal(reads.cover(position, length, now), covered, `${position}, ${length} at ${now}`);
  }
});

test('a block of which only the beginning was read does not count, the last one counts when the file ends', () => {
  const reads = new RecentReads(BLOCK + 10);
  reads.note(0, 64 * KB, 0);
  assert.equal(reads.cover(0, 64 * KB, 0), false);
  reads.note(64 * KB, BLOCK - 64 * KB, 0);
  assert.equal(reads.cover(0, BLOCK, 0), true);
  assert.equal(reads.cover(BLOCK, BLOCK, 0), false);
  reads.note(BLOCK, 10, 0);
  assert.equal(reads.cover(BLOCK, BLOCK, 0), true);
});

test('a read that came from the disk after all tells that memory is short: nothing counts any more', () => {
  const reads = new RecentReads(BLOCK);
  reads.note(0, BLOCK, 0);
  reads.took(1.9);
  assert.equal(reads.cover(0, BLOCK, 0), true);
  reads.took(2.1);
  assert.equal(reads.cover(0, BLOCK, 0), false);
});
