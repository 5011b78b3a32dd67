// The faults (F01 to F84) and the security requirements (S01 to S50) are kept with the design, by number; each is proved
// by a test that bears its number. Those without one stand here with the reason.

import assert from 'node:assert/strict';
import { glob, readFile } from 'node:fs/promises';
import { before, test } from 'node:test';

/** A title, or the name from which a loop makes titles: one literal in which a row is named. */
const LITERAL = /(['"`])(?:(?!\1|\n).|\\.)*?\b[FS]\d\d\b(?:(?!\1|\n).|\\.)*?\1/g;

const LISTS: Readonly<Record<string, { readonly rows: number; readonly without: Readonly<Record<string, string>> }>> = {
  F: {
    rows: 84,
    without: {
      F64: 'a million files are a figure of the bench (`npm run bench`), not a test',
    },
  },
  S: {
    rows: 50,
    without: {
      S38: 'there are no rules of an operator but the binding of names, which is read at the start',
      S40: 'there is no feed of malware',
      S41: 'there is no cooldown',
      S42: 'there is no cooldown',
      S44: 'an image cannot be built in a test; deploy-files.test.ts reads what is deployed',
      S45: 'package.test.ts and architecture.test.ts hold the package and its dependencies together',
      S50: 'SECURITY.md',
    },
  },
};

const named = new Set<string>();

before(async () => {
  for await (const path of glob('test/**/*.test.ts')) {
    if (path.endsWith('fault-rows.test.ts')) continue;
    const titles = (await readFile(path, 'utf8')).match(LITERAL) ?? [];
    for (const title of titles) for (const [row] of title.matchAll(/\b[FS]\d\d\b/g)) named.add(row);
  }
});

for (const [letter, { rows, without }] of Object.entries(LISTS)) {
  test(`every row from ${letter}01 to ${letter}${rows} is named by a test, or else has a reason why not`, () => {
    const all = Array.from({ length: rows }, (_, i) => `${letter}${String(i + 1).padStart(2, '0')}`);
    assert.deepEqual(
      all.filter((row) => named.has(row) === (without[row] !== undefined)),
      [],
    );
  });
}
