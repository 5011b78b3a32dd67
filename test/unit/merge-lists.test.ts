import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergeLists } from '../../src/pages/merge-lists.ts';
import { NameRouting } from '../../src/pages/name-routing.ts';
import type { ProjectList } from '../../src/pages/page.ts';

const list = (apiVersion: string, projects: readonly object[]): ProjectList => ({
  apiVersion,
  htmlVersion: apiVersion,
  serial: 7,
  names: [],
  source: { meta: { 'api-version': apiVersion }, projects },
  remarks: [],
});

test('each name once, as the first index that has it spells it, with all that it says of it', () => {
  const merged = mergeLists(
    [
      { index: 'a', list: list('1.4', [{ name: 'Foo.Bar', extra: 1 }]) },
      {
        index: 'b',
        list: list('1.1', [{ name: 'foo-bar', extra: 2 }, { name: 'baz' }, { name: 7 }, { name: '../x' }, null!]),
      },
    ],
    new NameRouting([]),
  );
  assert.deepEqual(merged.source, { projects: [{ name: 'Foo.Bar', extra: 1 }, { name: 'baz' }] });
  assert.deepEqual([merged.names, merged.apiVersion, merged.serial], [['Foo.Bar', 'baz'], '1.1', undefined]);
});

test('a bound name is listed by its own index alone, also one from an HTML page', () => {
  const routing = new NameRouting([
    { names: ['acme-*'], index: 'b' },
    { names: ['gone'], index: 'elsewhere' },
  ]);
  const html = { ...list('1.0', []), names: ['acme-x', 'gone', 'free'], source: {} };
  const merged = mergeLists(
    [
      { index: 'a', list: html },
      { index: 'b', list: list('1.0', [{ name: 'acme-y' }]) },
    ],
    routing,
  );
  assert.deepEqual(merged.names, ['free', 'acme-y']);
});
