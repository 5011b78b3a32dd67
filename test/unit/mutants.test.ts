// `npm run test:mutations` takes long and is run now and then: that its changes still fit the code is seen at once.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { MUTANTS } from '../mutations/mutants.ts';

test('what a mutant changes stands once in its file, and its tests are there', async () => {
  for (const { name, file, before, after, tests } of MUTANTS) {
    const source = await readFile(file, 'utf8');
    assert.equal(source.split(before).length, 2, name);
    assert.notEqual(before, after, name);
    for (const path of tests) assert.ok(existsSync(path), `${name}: ${path}`);
  }
});
