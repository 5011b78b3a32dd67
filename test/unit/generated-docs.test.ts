// The generated parts of docs/, compared with the code.

import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { GENERATED_PAGES, sourceTree, withGeneratedPart } from '../../docs/generate.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

for (const page of GENERATED_PAGES) {
  test(`the generated part of docs/${page} is up to date`, () => {
    const text = readFileSync(`${ROOT}docs/${page}`, 'utf8');
    assert.ok(text === withGeneratedPart(page, text), `docs/${page} is behind the code; run: npm run docs`);
  });
}

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
  const call = () => withGeneratedPart('configuration.md', '<!-- options -->');
  assert.throws(call, /docs\/configuration.md needs the lines <!-- options -->/);
});
