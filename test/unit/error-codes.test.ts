// The codes of errors are part of the product: one style, none that nothing ever says.

import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ERROR_CODES } from '../../src/core/errors.ts';

const CODES = Object.keys(ERROR_CODES);
const SOURCES = globSync('src/**/*.ts').filter((file) => !file.endsWith('error-codes.ts'));

test('every code is in kebab case', () => {
  assert.deepEqual(
    CODES.filter((code) => !/^[a-z]+(-[a-z]+)*$/.test(code)),
    [],
  );
});

test('every code of the table is said somewhere', () => {
  const text = SOURCES.map((file) => readFileSync(file, 'utf8')).join('\n');
  // Those of upstream's failures are made of the kind.
  const unsaid = CODES.filter((code) => !text.includes(`'${code.replace(/^upstream-/, '')}'`));
  assert.deepEqual(unsaid, []);
});
