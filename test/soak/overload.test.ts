// Clients that want nothing but to be a burden: five hundred who do not read, and a thousand connections that never
// say what they want.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type TestContext, test } from 'node:test';
import { until } from '../support/clock/until.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { fetchAll, get } from '../support/proxy/http-client.ts';
import { getPage } from '../support/proxy/page-client.ts';
import { spawnProxy } from '../support/proxy/spawned-proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { wheel } from '../support/upstream/wheels.ts';
import { burden, request, residentBytes, slowest } from './crowd.ts';

async function world(t: TestContext) {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const file = wheel({ name: 'foo', version: '1.0', sizeBytes: 8_000_000 });
  index.add('foo', file);
  const proxy = await spawnProxy({ dataDir: await temporaryFolder(t), upstreams: [index.url] });
  t.after(() => proxy.stop('SIGKILL'));
  const page = await getPage(proxy, 'foo');
  assert.equal(page.status, 200);
  return { index, proxy, file, path: `/files/http/${new URL(index.url).host}${index.pathOf(file)}` };
}

for (const state of ['hot', 'cold']) {
  test(`five hundred clients that do not read a ${state} file slow nobody down`, async (t) => {
    const { index, proxy, file, path } = await world(t);
    if (state === 'hot') assert.equal((await get(proxy.url + path)).sha256, file.sha256);
    const before = await residentBytes(proxy.pid);
    await burden(t, proxy.port, 500, request(path));
    const p99 = await slowest(`${proxy.url}/simple/foo/`, 300);
    const grown = (await residentBytes(proxy.pid)) - before;
    t.diagnostic(`a page meanwhile: p99 ${p99.toFixed(1)} ms; memory ${Math.round(grown / 1e6)} MB more`);
    assert.ok(p99 < 250);
    assert.ok(grown < 500 * 300_000 + 60e6);
    assert.equal((await fetchAll(proxy.url + path)).sha256, file.sha256);
    assert.equal(index.requests(index.pathOf(file)), 1);
  });
}

test('connections that say nothing, or half of it, are cut within half a minute and disturb nobody', async (t) => {
  const { proxy } = await world(t);
  const sockets = await burden(t, proxy.port, 500, '');
  sockets.push(...(await burden(t, proxy.port, 500, 'GET /simple/foo/ HTTP/1.1\r\nhost: localhost\r\nx-a: ')));
  assert.ok((await slowest(`${proxy.url}/simple/foo/`, 200)) < 250);
  for (const socket of sockets) socket.resume();
  const start = performance.now();
  await Promise.all(sockets.map((socket) => (socket.closed ? undefined : once(socket, 'close'))));
  assert.ok(performance.now() - start < 35_000);
  await until(async () => ((await proxy.metrics()).wheelkeep_open_connections ?? 0) <= 2);
});
