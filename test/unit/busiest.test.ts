// What is asked for most and what took longest.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { AccessRecord } from '../../src/observe/access-log.ts';
import { Busiest } from '../../src/observe/busiest.ts';
import { RecentlyStale } from '../../src/observe/recently-stale.ts';

const HOUR_MS = 3_600_000;

function record(target: string, time: number, firstByteMs = 1, kind: AccessRecord['kind'] = 'page'): AccessRecord {
  const rest = { requestNumber: 1, method: 'GET', status: 200, bytes: 1, client: '', user: undefined };
  return { ...rest, time, target, kind, outcome: 'hit', durationMs: firstByteMs, firstByteMs, userAgent: undefined };
}

test('the most asked come first, without their queries, for an hour or two; our own pages do not count', () => {
  const busiest = new Busiest();
  for (const target of ['/simple/a/', '/simple/b/', '/simple/b/?x', '/simple/a/', '/simple/b/']) {
    busiest.note(record(target, 10 * HOUR_MS));
  }
  busiest.note(record('/metrics', 10 * HOUR_MS, 1, 'metrics'));
  const b = { path: '/simple/b/', answers: 3 };
  assert.deepEqual(busiest.hottest(10 * HOUR_MS, 10), [b, { path: '/simple/a/', answers: 2 }]);
  assert.deepEqual(busiest.hottest(11.9 * HOUR_MS, 1), [b]);
  assert.deepEqual(busiest.hottest(12 * HOUR_MS, 10), []);
});

test('the slowest come first, at most twenty, and are forgotten when they are old', () => {
  const busiest = new Busiest();
  for (let ms = 1; ms <= 30; ms++) busiest.note(record(`/simple/p${ms}/`, 10 * HOUR_MS, ms));
  const slowest = busiest.slowest(10 * HOUR_MS);
  assert.deepEqual([slowest.length, slowest[0]!.firstByteMs, slowest.at(-1)!.firstByteMs], [20, 30, 11]);
  busiest.note(record('/simple/as-slow/', 10 * HOUR_MS, 11.4));
  assert.equal(busiest.slowest(10 * HOUR_MS).at(-1)!.path, '/simple/p11/');
  busiest.note(record('/simple/late/', 11 * HOUR_MS, 500));
  assert.deepEqual(
    busiest.slowest(12 * HOUR_MS).map(({ path }) => path),
    ['/simple/late/'],
  );
});

test('whoever invents paths fills no memory and hides nothing that is asked for often', () => {
  const busiest = new Busiest();
  for (let i = 0; i < 100; i++) busiest.note(record('/simple/hot/', HOUR_MS));
  for (let i = 0; i < 20_000; i++) busiest.note(record(`/simple/x${i}/`, HOUR_MS));
  assert.deepEqual(busiest.hottest(HOUR_MS, 1), [{ path: '/simple/hot/', answers: 100 }]);
  assert.ok(busiest.hottest(HOUR_MS, 10_000).length <= 4_000);
});

test('long targets are kept as short paths, in memory of their own', () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const used = () => {
    collect();
    return process.memoryUsage().heapUsed;
  };
  const busiest = new Busiest();
  const stale = new RecentlyStale();
  const note = (n: number) => {
    // As it comes off the wire: a text of its own.
    const long = Buffer.alloc(20_000, 'a').toString();
    for (const target of [`/simple/${n}/?${long}`, `/raw/x/${n}/${long}`]) {
      busiest.note(record(target, 10 * HOUR_MS));
      stale.note({ target, outcome: 'stale-if-error', time: 10 * HOUR_MS });
    }
  };
  note(0);
  const before = used();
  for (let n = 1; n < 1_000; n++) note(n);
  const grown = used() - before;
  assert.ok(grown < 3_000_000, `${grown} bytes`);
  assert.ok(busiest.hottest(10 * HOUR_MS, 5_000).every(({ path }) => path.length <= 300));
  assert.equal(stale.list(10 * HOUR_MS).length, 2_000);
});
