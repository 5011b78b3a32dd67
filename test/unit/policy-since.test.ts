// From when a file's age counts: claims, first sight, back-dated files, and releases that ripen together.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ageOf, type PageView, readInstant, ripeningTimes } from '../../src/policy/since.ts';

const HOUR = 3_600_000;
const HELD = Date.UTC(2026, 11, 1);
const page = (more: Partial<PageView> = {}): PageView => ({
  ...{ heldValidatedAt: HELD, validatedAt: HELD + HOUR },
  ...more,
});

test('an upload time is read strictly: RFC 3339, UTC without a zone, garbage is missing', () => {
  const noon = Date.UTC(2026, 7, 1, 12);
  for (const text of [
    '2026-08-01T12:00:00Z',
    '2026-08-01T12:00:00.000000',
    '2026-08-01 14:00:00+02:00',
    '2026-08-01T12:00z',
  ]) {
    assert.equal(readInstant(text), noon, text);
  }
  assert.equal(readInstant('2026-08-01'), Date.UTC(2026, 7, 1));
  const garbage = [
    '',
    'tomorrow',
    '2026-13-01',
    '2026-02-30T00:00:00Z',
    '01 Aug 2026',
    '2026-08-01T25:00:00Z',
    '20260801',
    '1e3',
  ];
  for (const text of garbage) assert.equal(readInstant(text), undefined, text);
});

test('a new file cannot claim to be older than a day before the last look at its page', () => {
  assert.equal(ageOf(HELD - 23 * HOUR, page()).since, HELD - 23 * HOUR);
  assert.deepEqual(ageOf(HELD - 25 * HOUR, page()), { since: HELD, from: 'back-dated' });
  // On the first page ever seen nothing contradicts the claim.
  const first = page({ heldValidatedAt: undefined });
  assert.equal(ageOf(HELD - 9_000 * HOUR, first).since, HELD - 9_000 * HOUR);
});

test('without an upload time the first sight counts, and what the first page listed is old', () => {
  assert.deepEqual(ageOf(undefined, page()), { since: HELD + HOUR, from: 'first-seen' });
  assert.equal(ageOf(undefined, page({ heldValidatedAt: undefined })).since, Number.NEGATIVE_INFINITY);
});

test('an upload time ahead of our clock counts from the first sight', () => {
  assert.deepEqual(ageOf(HELD + 9_000 * HOUR, page()), { since: HELD + HOUR, from: 'first-seen' });
});

test('files of one version within a day of its first ripen with the newest of them, later ones alone', () => {
  const file = (version: string | undefined, hours: number) => ({ version, since: HELD + hours * HOUR });
  const given = [file('1', 5), file('1', 0), file('1', 24), file('1', 25), file('2', 3), file(undefined, 1)];
  const hours = ripeningTimes(given).map((at) => (at - HELD) / HOUR);
  assert.deepEqual(hours, [24, 24, 24, 25, 3, 1]);
  assert.deepEqual(ripeningTimes([{ version: '1', since: Number.NEGATIVE_INFINITY }]), [Number.NEGATIVE_INFINITY]);
});
