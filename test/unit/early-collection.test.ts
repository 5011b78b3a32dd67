import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EarlyCollection } from '../../src/app/early-collection.ts';

test('buffers are collected whenever 12 MB have come, thoroughly when more than 40 MB are left', () => {
  let buffers = 5e6;
  let needed = 5e6;
  const collected: string[] = [];
  const collection = new EarlyCollection({
    bufferBytes: () => buffers,
    collect: (what) => {
      collected.push(what);
      buffers = what === 'minor' ? Math.max(needed, buffers - 10e6) : needed;
    },
  });
  collection.look();
  assert.deepEqual(collected, []);
  buffers = 13e6;
  collection.look();
  assert.deepEqual(collected.splice(0), ['minor']);
  buffers = 16e6;
  collection.look();
  assert.deepEqual(collected, []);
  buffers = 60e6;
  collection.look();
  assert.deepEqual(collected.splice(0), ['minor', 'major']);
  // What is needed is not collected for again and again.
  needed = 50e6;
  buffers = 50e6;
  collection.look();
  collection.look();
  assert.deepEqual(collected.splice(0), ['minor', 'major']);
});
