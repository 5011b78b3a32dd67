// Which keys an order to purge speaks of, and until when.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isPurgeable, projectOfKey } from '../../src/admin/cache-keys.ts';
import { PurgeMarks } from '../../src/store/redis/purge-marks.ts';
import { isBehind } from '../../src/store/redis/redis-purges.ts';

test('keys tell their project: pages, documents, provenance, files with their metadata', () => {
  const expected = {
    'page:main:demo': 'demo',
    'json:main:demo': 'demo',
    'json:main:demo:1.0': 'demo',
    'provenance:main:integrity/demo/1.0/demo-1.0.tar.gz/provenance': 'demo',
    'file:main:https://files.example/a/my_demo-1.0-py3-none-any.whl': 'my-demo',
    'file:main:https://files.example/a/My.Demo-1.0.tar.gz.metadata': 'my-demo',
    'list:main:': undefined,
    'raw:builds:https://builds.example/demo-1.0.tar.gz': undefined,
    'agreed:main': undefined,
    constructor: undefined,
  };
  for (const [key, project] of Object.entries(expected)) assert.equal(projectOfKey(key), project, key);
  assert.ok(
    isPurgeable('raw:builds:x') && isPurgeable('alias:main:x') && !isPurgeable('agreed:main') && !isPurgeable(''),
  );
});

test('an order speaks of its project until its time, one for everything of all that can be had again', () => {
  const marks = new PurgeMarks({ projectOf: projectOfKey, isPurgeable });
  assert.ok(!marks.isPurged('page:main:demo', 0));
  marks.note({ project: 'demo', until: 1_000 });
  marks.note({ project: 'demo', until: 500 });
  assert.ok(marks.isPurged('page:main:demo', 1_000));
  assert.ok(!marks.isPurged('page:main:demo', 1_001));
  assert.ok(!marks.isPurged('page:main:other', 1));
  marks.note({ project: undefined, until: 2_000 });
  assert.ok(marks.isPurged('page:main:other', 2_000) && marks.isPurged('list:main:', 2_000));
  assert.ok(!marks.isPurged('page:main:other', 2_001));
  assert.ok(!marks.isPurged('agreed:main', 1));
});

test('positions of a stream are compared as numbers', () => {
  assert.ok(isBehind('1700000000000-10', '1700000000000-9'));
  assert.ok(isBehind('1700000000001-0', '1700000000000-9'));
  assert.ok(isBehind('1700000000000-0', '0-0'));
  assert.ok(!isBehind('999-0', '1000-0') && !isBehind('1-1', '1-1'));
});
