// Issue 6: 5 GB asked for by 50 clients of a cache that may hold 200 MB.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { underPressure } from './quota-pressure.ts';

const MEGABYTE = 1_000_000;

test('50 clients ask a quota of 200 MB for 5 GB: the disk never holds more, every byte is right, nobody is refused', async (t) => {
  const quotaBytes = 200 * MEGABYTE;
  const found = await underPressure(t, {
    quotaBytes,
    askedBytes: 5_000 * MEGABYTE,
    clients: 50,
    // From 0.1 to 40 MB, more small ones than large ones; 500 MB in all.
    sizes: Array.from({ length: 90 }, (_, i) => (0.1 + 40 * (((i * 37) % 90) / 90) ** 6) * MEGABYTE),
  });
  const { mostBytes, roundingBytes, downloads, hitRate, evictions } = found;
  t.diagnostic(`${downloads} downloads, ${Math.round(hitRate * 100)} % of them hits, ${evictions} evictions`);
  t.diagnostic(`at most ${(mostBytes / MEGABYTE).toFixed(1)} MB on disk`);
  assert.ok(mostBytes <= quotaBytes + roundingBytes, `${mostBytes} bytes on disk`);
  assert.ok(evictions > 10);
});
