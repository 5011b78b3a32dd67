// The matrix of faults is kept with the design, F01 to F84; each row is proved by a scenario that bears its number.
// Rows without one stand here with the reason.

import assert from 'node:assert/strict';
import { glob, readFile } from 'node:fs/promises';
import { test } from 'node:test';

const ROWS = 84;
/** A title, or the name from which a loop makes titles: one literal in which a row is named. */
const LITERAL = /(['"`])(?:(?!\1|\n).|\\.)*?\bF\d\d\b(?:(?!\1|\n).|\\.)*?\1/g;

const NOT_PLAYED: Readonly<Record<number, string>> = {
  54: 'reading errors of a disk need a device that fails; damaged and short blobs are played (F55, F56)',
  58: 'the kernel here cannot slow a disk down; that nobody waits for one is measured by the bench',
  64: 'a million files are a figure of the bench (`npm run bench`), not a test',
};

test('every row of the fault matrix is named by a test, or is known not to be played', async () => {
  const named = new Set<number>();
  for await (const path of glob('test/**/*.test.ts')) {
    if (path.endsWith('fault-rows.test.ts')) continue;
    const titles = (await readFile(path, 'utf8')).match(LITERAL) ?? [];
    for (const title of titles) for (const [, number] of title.matchAll(/\bF(\d\d)\b/g)) named.add(Number(number));
  }
  const rows = Array.from({ length: ROWS }, (_, i) => i + 1);
  const missing = rows.filter((row) => !named.has(row) && NOT_PLAYED[row] === undefined);
  assert.deepEqual(missing, []);
});
