import assert from 'node:assert/strict';
import { test } from 'node:test';
import { indexScope } from '../../src/index/index-scope.ts';

const BASE = 'https://index.example/team/simple/';

test('an index keeps its scope under every spelling of its address', () => {
  const spellings = [
    'https://index.example/team/simple',
    'HTTPS://INDEX.EXAMPLE:443/team/simple/',
    'https://index.example./team/simple/',
    'https://index.example/other/../team/simple/',
    'https://index.example/%74eam/simple/',
    'https://user:password@index.example/team/simple/',
  ];
  for (const spelling of spellings)
    assert.equal(indexScope('default', spelling), indexScope('default', BASE), spelling);
  assert.equal(
    indexScope('default', 'https://index.example/a%2fb/'),
    indexScope('default', 'https://index.example/a%2Fb/'),
  );
});

test('another origin, path or name is another scope', () => {
  const others = [
    ['default', 'http://index.example/team/simple/'],
    ['default', 'https://index.example:8443/team/simple/'],
    ['default', 'https://index.example/Team/simple/'],
    ['default', 'https://index.example/team%2Fsimple/'],
    ['default', 'https://index.example/simple/'],
    ['other', BASE],
  ] as const;
  const scopes = others.map(([name, base]) => indexScope(name, base));
  assert.equal(new Set([...scopes, indexScope('default', BASE)]).size, others.length + 1);
});

test('a scope is one part of a key: its name, and nothing that separates parts', () => {
  assert.match(indexScope('my.index_1-x', BASE), /^my\.index_1-x@[0-9a-f]{16}$/);
});
