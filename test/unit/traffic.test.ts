// The counts behind the charts of the status page, and what is stale now.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RecentlyStale } from '../../src/observe/recently-stale.ts';
import { sumOf, Traffic } from '../../src/observe/traffic.ts';

const HOUR = 3_600_000;
const NOW = Date.UTC(2026, 10, 22, 21, 5);

test('answers are counted in the hour and the day of their end, empty periods are there', () => {
  const traffic = new Traffic();
  traffic.note({ time: NOW - 22 * HOUR, kind: 'file', outcome: 'miss', bytes: 1000 });
  traffic.note({ time: NOW, kind: 'file', outcome: 'hit', bytes: 1000 });
  traffic.note({ time: NOW, kind: 'page', outcome: 'stale-if-error', bytes: 10 });
  traffic.note({ time: NOW, kind: 'page', outcome: 'failed', bytes: 1 });
  const hours = traffic.hours(NOW);
  assert.equal(hours.length, 24);
  assert.deepEqual(hours.at(-1), {
    start: Date.UTC(2026, 10, 22, 21),
    answers: 3,
    fromCache: 2,
    stale: 1,
    failed: 1,
    bytes: 1011,
    savedBytes: 1010,
  });
  assert.deepEqual([hours[1]!.answers, hours[1]!.savedBytes], [1, 0]);
  assert.equal(sumOf(hours).answers, 4);
  const days = traffic.days(NOW);
  assert.deepEqual([days.length, days.at(-1)!.answers, days.at(-2)!.answers], [31, 3, 1]);
});

test('a day later the hours are empty, a month later the days', () => {
  const traffic = new Traffic();
  traffic.note({ time: NOW, kind: 'page', outcome: 'hit', bytes: 1 });
  assert.equal(sumOf(traffic.hours(NOW + 24 * HOUR)).answers, 0);
  assert.equal(sumOf(traffic.days(NOW + 24 * HOUR)).answers, 1);
  assert.equal(sumOf(traffic.days(NOW + 31 * 24 * HOUR)).answers, 0);
  traffic.note({ time: NOW + 24 * HOUR, kind: 'page', outcome: 'hit', bytes: 1 });
  assert.equal(traffic.hours(NOW + 24 * HOUR).at(-1)!.answers, 1);
});

test('what is refused and what is about ourselves is not counted', () => {
  const traffic = new Traffic();
  traffic.note({ time: NOW, kind: 'page', outcome: 'denied', bytes: 1 });
  for (const kind of ['status', 'health', 'metrics', 'admin', 'other'] as const) {
    traffic.note({ time: NOW, kind, outcome: 'hit', bytes: 1 });
  }
  assert.equal(sumOf(traffic.days(NOW)).answers, 0);
});

test('a path is stale until it is answered otherwise, or nobody has asked for ten minutes', () => {
  const stale = new RecentlyStale();
  const note = (target: string, outcome: 'hit' | 'stale-if-error', time: number) =>
    stale.note({ target, outcome, time });
  note('/simple/a/?format=x', 'stale-if-error', NOW);
  note('/simple/b/', 'stale-if-error', NOW + 1);
  note('/simple/a/', 'stale-if-error', NOW + 2);
  assert.deepEqual(stale.list(NOW + 3), [
    { path: '/simple/a/', answers: 2, lastAt: NOW + 2 },
    { path: '/simple/b/', answers: 1, lastAt: NOW + 1 },
  ]);
  note('/simple/a/', 'hit', NOW + 4);
  assert.deepEqual(
    stale.list(NOW + 5).map(({ path }) => path),
    ['/simple/b/'],
  );
  assert.deepEqual(stale.list(NOW + 600_001), []);
});

test('the list of stale paths is bounded: the oldest go', () => {
  const stale = new RecentlyStale();
  for (let i = 0; i < 2_100; i++) stale.note({ target: `/simple/p${i}/`, outcome: 'stale-if-error', time: NOW });
  const list = stale.list(NOW);
  assert.deepEqual([list.length, list[0]!.path], [2_000, '/simple/p2099/']);
});
