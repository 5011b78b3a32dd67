// README's generated parts, held against the code.

import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { sourceTree, withGeneratedParts } from '../../src/readme.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

test("README's options, metrics and tree are the generated ones", () => {
  const readme = readFileSync(`${ROOT}README.md`, 'utf8');
  assert.ok(readme === withGeneratedParts(readme), 'README.md is behind the code; run: npm run readme');
});

test('the tree has one line for each file of src, short enough to be read', () => {
  const lines = sourceTree()
    .split('\n')
    .filter((line) => line.startsWith('- '));
  const names = lines.map((line) => /^- `([^`]+)`: \S.*[.?!]$/.exec(line)?.[1] ?? line);
  const files = globSync('src/**/*.ts', { cwd: ROOT }).map((file) => basename(file));
  assert.deepEqual(names.sort(), files.sort());
  assert.deepEqual(
    lines.filter((line) => line.length > 180),
    [],
  );
});

test('a marker that is missing is named', () => {
  assert.throws(() => withGeneratedParts('<!-- options -->'), /README.md needs the lines <!-- options -->/);
});
