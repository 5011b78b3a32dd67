import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ServedDays } from '../../src/observe/served-days.ts';

const DAY_MS = 86_400_000;

test('a month is remembered and no more', () => {
  const days = new ServedDays();
  for (let day = 0; day < 40; day++) days.note({ kind: 'file', status: 200, time: day * DAY_MS, bytes: 7 });
  const list = days.list();
  assert.deepEqual([list.length, list[0]?.day, list.at(-1)?.day], [31, '1970-01-10', '1970-02-09']);
});

test('only what was served counts: no errors, no requests of other kinds', () => {
  const days = new ServedDays();
  const note = (kind: 'page' | 'file' | 'metadata' | 'health', status: number) =>
    days.note({ kind, status, time: 0, bytes: 10 });
  for (const status of [0, 404, 502]) note('page', status);
  note('health', 200);
  assert.deepEqual(days.list(), []);
  note('page', 304);
  note('file', 206);
  note('metadata', 200);
  assert.deepEqual(days.list(), [{ day: '1970-01-01', pages: 1, files: 1, metadata: 1, bytes: 30 }]);
});
