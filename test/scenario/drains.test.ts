// The end of the process as operators see it: balancers are told, running downloads finish, the exit code is 0.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent } from 'node:http';
import { connect } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { fetchAll, get } from '../support/proxy/http-client.ts';
import { getPage, until } from '../support/proxy/page-client.ts';
import { type SpawnedProxy, spawnProxy } from '../support/proxy/spawned-proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { wheel } from '../support/upstream/wheels.ts';

const big = wheel({ name: 'big', version: '1.0', sizeBytes: 12_000_000 });

async function setting(test: TestContext, env: Readonly<Record<string, string>> = {}) {
  const index = await FakeIndex.start();
  test.after(() => index.close());
  index.add('big', big);
  const proxy = await spawnProxy({ dataDir: await temporaryFolder(test), upstreams: [index.url], env });
  test.after(() => proxy.stop('SIGKILL'));
  assert.equal((await getPage(proxy, 'big')).status, 200);
  const file = `${proxy.url}/files/http/${new URL(index.url).host}${index.pathOf(big)}`;
  return { index, proxy, file };
}

/** A download of about a second, under way; its connection would be kept. */
async function slowDownload(proxy: SpawnedProxy, file: string) {
  const agent = new Agent({ keepAlive: true });
  const download = fetchAll(file, { bytesPerSecond: 12_000_000, keepBody: false, agent });
  await until(
    () => get(`${proxy.url}/metrics`),
    (answer) => /^wheelkeep_upstream_received_bytes_total\{kind="file"\} [1-9]/m.test(answer.text()),
  );
  return { download, agent };
}

const notReady = (proxy: SpawnedProxy) =>
  until(
    () => get(`${proxy.url}/-/ready`),
    ({ status }) => status === 503,
  );

describe('SIGTERM', { concurrency: true }, () => {
  it('is told to balancers at once; until they have seen it requests are served, each closing its connection', async (test) => {
    const { proxy } = await setting(test, { WHEELKEEP_DRAIN: '2s' });
    const before = await getPage(proxy, 'big', { connection: 'keep-alive' });
    assert.equal(before.field('connection'), 'keep-alive');
    const started = performance.now();
    const ended = proxy.stop('SIGTERM');
    const ready = await notReady(proxy);
    assert.deepEqual(ready.json(), { ready: false, reasons: ['draining'] });
    assert.equal((await get(`${proxy.url}/-/live`)).status, 200);
    const page = await getPage(proxy, 'big', { connection: 'keep-alive' });
    assert.equal(page.status, 200);
    assert.equal(page.field('connection'), 'close');
    assert.equal(await ended, 0);
    const ms = performance.now() - started;
    assert.ok(ms >= 1_900 && ms < 6_000, `${ms} ms`);
    await assert.rejects(getPage(proxy, 'big'), { code: 'ECONNREFUSED' });
  });

  it('lets a running download finish, then ends without waiting for the kept connection', async (test) => {
    const { proxy, file } = await setting(test);
    const { download, agent } = await slowDownload(proxy, file);
    test.after(() => agent.destroy());
    const ended = proxy.stop('SIGTERM');
    const answer = await download;
    assert.ok(answer.complete);
    assert.equal(answer.sha256, big.sha256);
    const since = performance.now();
    assert.equal(await ended, 0);
    assert.ok(performance.now() - since < 3_000, 'it waited for a connection without a request');
  });

  it('ends by the grace although a client never finishes', async (test) => {
    const { proxy, file } = await setting(test, { WHEELKEEP_GRACE: '1s' });
    const stalled = connect(proxy.port, '127.0.0.1');
    test.after(() => stalled.destroy());
    stalled.on('error', () => {});
    stalled.write(`GET ${new URL(file).pathname} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n`);
    await once(stalled, 'readable');
    const since = performance.now();
    assert.equal(await proxy.stop('SIGTERM'), 0);
    const ms = performance.now() - since;
    assert.ok(ms >= 900 && ms < 5_000, `${ms} ms`);
  });

  it('for the second time ends at once', async (test) => {
    const { proxy } = await setting(test, { WHEELKEEP_DRAIN: '60s' });
    void proxy.stop('SIGTERM');
    await notReady(proxy);
    const since = performance.now();
    assert.equal(await proxy.stop('SIGTERM'), 143);
    assert.ok(performance.now() - since < 2_000);
  });
});

it('Ctrl-C ends an idle server without a drain', async (test) => {
  const { proxy } = await setting(test, { WHEELKEEP_DRAIN: '60s' });
  const since = performance.now();
  assert.equal(await proxy.stop('SIGINT'), 0);
  assert.ok(performance.now() - since < 3_000, `${performance.now() - since} ms`);
});
