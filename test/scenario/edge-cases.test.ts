// The list of edge cases is kept with the protocol, by number; each is proved by a scenario that bears its number. Those
// that are about one page or one file stand in edge-cases-pages and edge-cases-files, the others with their subject.

import assert from 'node:assert/strict';
import { glob, readFile } from 'node:fs/promises';
import { test } from 'node:test';

const CASES = 53;
/** A title, or the name from which a loop makes titles: one literal in which a case is named. */
const LITERAL = /(['"`])(?:(?!\1|\n).|\\.)*?\bcase \d+(?:(?!\1|\n).|\\.)*?\1/g;

test('every one of the 53 edge cases of the protocol is named by a test', async () => {
  const named = new Set<number>();
  for await (const path of glob('test/**/*.test.ts')) {
    const titles = (await readFile(path, 'utf8')).match(LITERAL) ?? [];
    for (const title of titles) for (const [, number] of title.matchAll(/\bcase (\d+)\b/g)) named.add(Number(number));
  }
  assert.deepEqual(
    [...named].sort((a, b) => a - b),
    Array.from({ length: CASES }, (_, i) => i + 1),
  );
});
