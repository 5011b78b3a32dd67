import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseProjectName } from '../../src/pages/project-name.ts';

test('a name in normal form is canonical', () => {
  for (const text of ['foo', 'foo-bar', 'a', '7', '2to3-x', 'index-html', 'simple', 'json', 'namespaces']) {
    assert.deepEqual(parseProjectName(text), { name: text, canonical: true });
  }
});

test('case and runs of separators are normalised, and that is said', () => {
  for (const text of ['Foo-Bar', 'foo_bar', 'foo.bar', 'foo--bar', 'FOO._-bar', 'foo-_bar']) {
    assert.deepEqual(parseProjectName(text), { name: 'foo-bar', canonical: false });
  }
  assert.deepEqual(parseProjectName('index.html'), { name: 'index-html', canonical: false });
});

test('names that are no project are refused', () => {
  const wrong = [
    '',
    '.',
    '..',
    '-foo',
    'foo-',
    '_',
    'foo.',
    'a b',
    'a/b',
    'a\\b',
    'a%2fb',
    'a\0b',
    'a\r\nb',
    'ünicode',
    'foo\n',
  ];
  for (const text of [...wrong, 'a'.repeat(201)]) assert.equal(parseProjectName(text), undefined, JSON.stringify(text));
  assert.equal(parseProjectName('a'.repeat(200))?.name, 'a'.repeat(200));
});

test('names of members of Object.prototype are ordinary projects where they are valid', () => {
  assert.deepEqual(parseProjectName('constructor'), { name: 'constructor', canonical: true });
  assert.deepEqual(parseProjectName('toString'), { name: 'tostring', canonical: false });
  assert.equal(parseProjectName('__proto__'), undefined);
});
