// The large load cases: one cold file for a thousand clients (L1), five hundred who do not read (F80), and a thousand
// connections that never say what they want (F81).

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { type TestContext, test } from 'node:test';
import { FakeIndex } from '../support/fake-index.ts';
import { fetchAll, get } from '../support/http-client.ts';
import { getPage } from '../support/page-client.ts';
import { spawnProxy } from '../support/spawned-proxy.ts';
import { eventually } from '../support/stored-files.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { wheel } from '../support/wheels.ts';
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

test('L1: a thousand clients for one cold file of 8 MB are one request upstream, and each gets every byte', async (t) => {
  const { index, proxy, file, path } = await world(t);
  const clients = Array.from({ length: 1_000 }, () => download(proxy.port, path));
  const meanwhile = slowest(`${proxy.url}/simple/foo/`, 30);
  for (const sha256 of await Promise.all(clients)) assert.equal(sha256, file.sha256);
  t.diagnostic(`a page meanwhile: ${Math.round(await meanwhile)} ms at most`);
  t.diagnostic(`resident: ${Math.round((await residentBytes(proxy.pid)) / 1e6)} MB`);
  assert.equal(index.requests(index.pathOf(file)), 1);
  assert.ok((await residentBytes(proxy.pid)) < 350e6);
  await eventually(async () => ((await proxy.metrics()).wheelkeep_open_connections ?? 0) <= 2);
});

for (const state of ['hot', 'cold']) {
  test(`F80: five hundred clients that do not read a ${state} file slow nobody down`, async (t) => {
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

test('F81: connections that say nothing, or half of it, are cut within half a minute and disturb nobody', async (t) => {
  const { proxy } = await world(t);
  const sockets = await burden(t, proxy.port, 500, '');
  sockets.push(...(await burden(t, proxy.port, 500, 'GET /simple/foo/ HTTP/1.1\r\nhost: x\r\nx-a: ')));
  assert.ok((await slowest(`${proxy.url}/simple/foo/`, 200)) < 250);
  for (const socket of sockets) socket.resume();
  const start = performance.now();
  await Promise.all(sockets.map((socket) => (socket.closed ? undefined : once(socket, 'close'))));
  assert.ok(performance.now() - start < 35_000);
  await eventually(async () => ((await proxy.metrics()).wheelkeep_open_connections ?? 0) <= 2);
});

/** The digest of the body, which is not kept. */
async function download(port: number, path: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write(`GET ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`);
  const hash = createHash('sha256');
  let inBody = false;
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    const start = inBody ? 0 : chunk.indexOf('\r\n\r\n') + 4;
    inBody = true;
    hash.update(chunk.subarray(start));
  }
  return hash.digest('hex');
}
