// Publishing through the proxy: after an upload, whatever its answer, the project's page is validated before it is used.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IndexConfig } from '../../src/config/config.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { get } from '../support/proxy/http-client.ts';
import { getPage } from '../support/proxy/page-client.ts';
import { type RunningProxy, startProxy } from '../support/proxy/proxy.ts';
import { upload, uploadIndex } from '../support/upstream/upload-index.ts';

const HOUR_MS = 3_600_000;
const CONFIG = { uploads: true, pageFreshMs: HOUR_MS, negativeFreshMs: HOUR_MS } as const;
const FIRST = 'demo_pkg-1.0.tar.gz';
const SECOND = 'demo_pkg-2.0.tar.gz';

async function listed(proxy: Pick<RunningProxy, 'url'>, path = '/simple/demo-pkg/'): Promise<string[] | number> {
  const answer = await get(`${proxy.url}${path}`, { accept: 'application/vnd.pypi.simple.v1+json' });
  if (answer.status !== 200) return answer.status;
  return (answer.json() as { files: { filename: string }[] }).files.map(({ filename }) => filename);
}

test('a new file is seen at once after its upload: a page that is hot, and one that was said not to exist', async (t) => {
  const index = await uploadIndex(t);
  const proxy = await startProxy({ upstreams: [index.url], config: CONFIG });
  t.after(() => proxy.close());
  assert.equal(await listed(proxy), 404);
  assert.equal(await upload(`${proxy.url}/legacy/`, 'Demo_Pkg', FIRST), 200);
  assert.deepEqual(index.authorizations, ['Basic bWU6c2VjcmV0']);
  assert.deepEqual(await listed(proxy), [FIRST]);
  for (let round = 0; round < 3; round++) assert.deepEqual(await listed(proxy), [FIRST]);
  const asked = index.asked.length;
  assert.equal(await upload(`${proxy.url}/legacy/`, 'demo-pkg', SECOND), 200);
  assert.deepEqual(await listed(proxy), [FIRST, SECOND]);
  for (let round = 0; round < 3; round++) assert.deepEqual(await listed(proxy), [FIRST, SECOND]);
  assert.deepEqual(
    index.asked.slice(asked),
    ['POST /legacy/', 'GET /simple/demo-pkg/'],
    'asked once, then fresh again',
  );
  const file = await get(`${proxy.url}/files/${index.url.replace('://', '/').replace('/simple/', `/files/${SECOND}`)}`);
  assert.equal(file.text(), `bytes of ${SECOND}`);
});

test('whatever final answer an upload has, or none, the page is validated; other pages are not', async (t) => {
  for (const status of [200, 201, 204, 302, 400, 401, 403, 409, 500, 503, 'reset'] as const) {
    const index = await uploadIndex(t);
    const proxy = await startProxy({ upstreams: [index.url], config: CONFIG });
    t.after(() => proxy.close());
    await upload(index.url.replace('/simple/', '/legacy/'), 'demo-pkg', FIRST);
    await upload(index.url.replace('/simple/', '/legacy/'), 'other', 'other-1.0.tar.gz');
    assert.deepEqual(await listed(proxy), [FIRST]);
    await listed(proxy, '/simple/other/');
    index.refuse(status, true);
    const answered = await upload(`${proxy.url}/legacy/`, 'demo-pkg', SECOND);
    assert.equal(answered, status === 'reset' ? 502 : status);
    const asked = index.asked.length;
    assert.deepEqual(await listed(proxy), [FIRST, SECOND], String(status));
    await listed(proxy, '/simple/other/');
    assert.deepEqual(index.asked.slice(asked), ['GET /simple/demo-pkg/']);
  }
});

test('the last good copy is served when upstream is gone after the upload, also after a restart', async (t) => {
  const index = await uploadIndex(t);
  const dataDir = await temporaryFolder(t);
  let proxy = await startProxy({ upstreams: [index.url], config: CONFIG, dataDir });
  await upload(`${proxy.url}/legacy/`, 'demo-pkg', FIRST);
  assert.deepEqual(await listed(proxy), [FIRST]);
  await upload(`${proxy.url}/legacy/`, 'demo-pkg', SECOND);
  // Nobody has asked since: a process that starts now knows nothing but what the disk says.
  await proxy.close();
  proxy = await startProxy({ upstreams: [index.url], config: CONFIG, dataDir });
  assert.deepEqual(await listed(proxy), [FIRST, SECOND]);
  await upload(`${proxy.url}/legacy/`, 'demo-pkg', 'demo_pkg-3.0.tar.gz');
  index.down();
  assert.deepEqual(await listed(proxy), [FIRST, SECOND]);
  await proxy.close();
});

test('a page that was on its way during the upload is not what clients get afterwards', async (t) => {
  const index = await uploadIndex(t);
  const proxy = await startProxy({ upstreams: [index.url], config: CONFIG });
  t.after(() => proxy.close());
  await upload(`${proxy.url}/legacy/`, 'demo-pkg', FIRST);
  const { promise, resolve } = Promise.withResolvers<void>();
  index.holdPage(promise);
  const early = getPage(proxy, 'demo-pkg');
  while (index.asked.at(-1) !== 'GET /simple/demo-pkg/') await new Promise((done) => setImmediate(done));
  await upload(`${proxy.url}/legacy/`, 'demo-pkg', SECOND);
  const late = listed(proxy);
  resolve();
  await early;
  assert.deepEqual(await late, [FIRST, SECOND]);
  assert.deepEqual(await listed(proxy), [FIRST, SECOND]);
});

test('each index takes uploads at its upload_url, and at /legacy/ of its first upstream without one', async (t) => {
  const [first, second] = [await uploadIndex(t), await uploadIndex(t, '/api/upload?to=x')];
  const common = { missingStatuses: [], pageOrigins: [], accept: 'any' } as const;
  const indexes: IndexConfig[] = [
    { ...common, name: 'first', upstreams: [{ url: first.url }] },
    {
      ...common,
      name: 'second',
      upstreams: [{ url: second.url }],
      uploadUrl: second.url.replace('/simple/', '/api/upload?to=x'),
    },
  ];
  const fileOrigins = [first, second].map(({ url }) => new URL(url).origin);
  const proxy = await startProxy({
    upstreams: [first.url],
    config: { ...CONFIG, indexes, defaultIndexes: ['first', 'second'], fileOrigins },
  });
  t.after(() => proxy.close());
  assert.equal(await listed(proxy, '/second/simple/demo-pkg/'), 404);
  assert.equal(await listed(proxy), 404);
  assert.equal(await upload(`${proxy.url}/second/legacy/`, 'demo-pkg', FIRST), 200);
  assert.deepEqual([first.list('demo-pkg'), second.list('demo-pkg')], [[], [FIRST]]);
  assert.deepEqual(await listed(proxy, '/second/simple/demo-pkg/'), [FIRST]);
  assert.deepEqual(await listed(proxy), [FIRST]);
  assert.equal(await upload(`${proxy.url}/legacy`, 'demo-pkg', SECOND), 200);
  assert.deepEqual([first.list('demo-pkg'), second.list('demo-pkg')], [[SECOND], [FIRST]]);
  assert.deepEqual(await listed(proxy), [SECOND]);
  assert.equal(await upload(`${proxy.url}/third/legacy/`, 'demo-pkg', FIRST), 404);
  assert.equal((await get(`${proxy.url}/second/legacy/`)).status, 405);
});
