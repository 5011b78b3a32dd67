// Far more asked for than the cache may hold: 5 GB by 50 clients of 200 MB, and small files by 200 clients (L7).

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
  const { mostBytes, roundingBytes, downloads, refused, hitRate, evictions } = found;
  assert.equal(refused, 0);
  t.diagnostic(`${downloads} downloads, ${Math.round(hitRate * 100)} % of them hits, ${evictions} evictions`);
  t.diagnostic(`at most ${(mostBytes / MEGABYTE).toFixed(1)} MB on disk`);
  assert.ok(mostBytes <= quotaBytes + roundingBytes, `${mostBytes} bytes on disk`);
  assert.ok(evictions > 10);
});

test('L7: 200 clients keep a cache of 100 MB evicting all the time: every byte is right, and nobody else notices', async (t) => {
  const quotaBytes = 100 * MEGABYTE;
  const { mostBytes, roundingBytes, downloads, refused, evictions, loopLateMs } = await underPressure(t, {
    quotaBytes,
    askedBytes: 4_000 * MEGABYTE,
    clients: 200,
    // From 20 KB to 1 MB; 300 MB in all.
    sizes: Array.from({ length: 600 }, (_, i) => (0.02 + ((i * 37) % 600) / 600) * MEGABYTE),
  });
  const [median, p99] = loopLateMs.map((ms) => ms.toFixed(1));
  t.diagnostic(
    `${downloads} downloads, ${evictions} evictions; the loop was ${median} ms late, ${p99} ms one time in a hundred`,
  );
  assert.ok(mostBytes <= quotaBytes + roundingBytes, `${mostBytes} bytes on disk`);
  assert.ok(evictions > 1_000);
  assert.ok(refused < downloads / 100, `${refused} were told to come again`);
  assert.ok(loopLateMs[1] < 250);
});
