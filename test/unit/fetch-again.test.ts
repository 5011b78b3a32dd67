// What `verify` removed is asked for by the very requests that it answers.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pathsTo } from '../../src/commands/fetch-again.ts';
import { routeOf } from '../../src/http/routes.ts';
import { BlobFolders } from '../../src/store/blobs/folders.ts';
import { pageRecord } from '../contract/entry-store.contract.ts';
import { openStore } from '../support/disk/entry-stores.ts';

const FILE = 'https://files.example/packages/ab/demo-1.0-py3-none-any.whl';
const OURS = 'default/files/https/files.example/packages/ab/demo-1.0-py3-none-any.whl';
/** The keys of all kinds, the requests behind them, and the routes that these take. */
const KINDS: readonly (readonly [key: string, path: string | undefined, route?: string])[] = [
  ['page:default@0a:demo', 'default/simple/demo/', 'detail'],
  ['list:default@0a', 'default/simple/', 'list'],
  ['json:default@0a:demo', 'default/pypi/demo/json', 'legacy-json'],
  ['json:default@0a:demo:1.0+local', 'default/pypi/demo/1.0+local/json', 'legacy-json'],
  [
    'provenance:default@0a:integrity/demo/1.0/demo-1.0-py3-none-any.whl/provenance',
    'default/integrity/demo/1.0/demo-1.0-py3-none-any.whl/provenance',
    'provenance',
  ],
  [`file:default@0a:${FILE}`, OURS, 'file'],
  [`file:default@0a:${FILE}.metadata`, `${OURS}.metadata`, 'file'],
  [`file:default@0a:${FILE}#metadata`, undefined],
  ['raw:builds:https://builds.example/releases/a/b.tar.gz?x=1', 'raw/builds/a/b.tar.gz?x=1', 'raw'],
  ['page:default@0b:demo', undefined],
  [`file:default:${FILE}`, undefined],
  ['raw:gone:https://gone.example/a', undefined],
];

test('every kind of stored body leads to the request that it answers', async () => {
  const { store, dataDir } = await openStore();
  for (const [key] of KINDS) await store.set(key, pageRecord(1));
  await store.close();
  const folders = new BlobFolders(dataDir);
  const raw = [{ name: 'builds', origin: 'https://builds.example/releases/' }];
  const scopes = new Map([['default', 'default@0a']]);
  const { signal } = new AbortController();
  for (const [key, path, route] of KINDS) {
    const wrong = [{ kind: 'page', name: folders.bodyName(key) }] as const;
    assert.deepEqual(
      await pathsTo(wrong, { folders, dataDir, raw, scopes, signal }),
      path === undefined ? [] : [path],
      key,
    );
    if (path !== undefined) assert.equal(routeOf(`/${path}`, new Set(['default'])).kind, route, path);
  }
});
