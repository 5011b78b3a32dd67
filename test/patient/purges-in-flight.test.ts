// A purge while the same thing is being fetched: what was asked for before it is not stored, and nothing that comes
// afterwards is lost.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { fileWorld, LARGE, SMALL } from '../support/proxy/file-world.ts';
import { fetchAll, get } from '../support/proxy/http-client.ts';
import type { RunningProxy } from '../support/proxy/proxy.ts';
import { spawnTeam } from '../support/proxy/workers.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import type { Answer } from '../support/upstream/fake-server.ts';
import type { Fault } from '../support/upstream/fault-plan.ts';
import { wheel } from '../support/upstream/wheels.ts';

const JSON_PAGE = { accept: 'application/vnd.pypi.simple.v1+json' };
const FIRST = wheel({ name: 'demo', version: '1.0' });
const SECOND = wheel({ name: 'demo', version: '2.0' });

/** The answer as it was when the request came, sent when it is let go. */
function held(): { readonly fault: Fault; readonly letGo: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  const fault: Fault = async ({ answer, send }) => {
    const asItWas: Answer = answer;
    await promise;
    send(asItWas);
  };
  return { fault, letGo: resolve };
}

async function purge(proxy: { readonly url: string; readonly dataDir: string }, body: object): Promise<number> {
  const token = (await readFile(join(proxy.dataDir, 'admin-token'), 'utf8')).trim();
  const fields = { authorization: `Bearer ${token}` };
  const order = { method: 'POST', fields, body: JSON.stringify(body) };
  const answer = await fetchAll(`${proxy.url}/-/api/purge`, order);
  assert.equal(answer.status, 200, answer.text());
  return (answer.json() as { readonly removed: number }).removed;
}

async function filenames(proxy: Pick<RunningProxy, 'url'>): Promise<string[]> {
  const answer = await get(`${proxy.url}/simple/demo/`, JSON_PAGE);
  assert.equal(answer.status, 200, answer.text());
  return (answer.json() as { readonly files: readonly { readonly filename: string }[] }).files.map(
    ({ filename }) => filename,
  );
}

for (const order of [{ project: 'demo' }, { all: true }]) {
  const ordered = JSON.stringify(order);

  test(`a page that was asked for first when it was purged is not stored (${ordered})`, async (t) => {
    const { index, proxy } = await fileWorld(t);
    const { fault, letGo } = held();
    const end = index.fault('/simple/demo/', fault);
    const before = filenames(proxy);
    await index.waitForRequest('/simple/demo/');
    await purge(proxy, order);
    end();
    index.add('demo', SECOND);
    letGo();
    assert.deepEqual(await before, [FIRST.filename]);
    assert.deepEqual((await filenames(proxy)).sort(), [FIRST.filename, SECOND.filename]);
  });

  for (const sizeBytes of [SMALL, LARGE]) {
    test(`a file of ${sizeBytes} bytes that is on its way when it is purged is not stored (${ordered})`, async (t) => {
      const { index, proxy, url, path, file } = await fileWorld(t, { sizeBytes });
      const { fault, letGo } = held();
      const end = index.fault(path, fault);
      const before = get(url);
      await index.waitForRequest(path);
      await purge(proxy, order);
      end();
      letGo();
      assert.equal((await before).sha256, file.sha256);
      assert.equal((await get(url)).sha256, file.sha256);
      assert.equal(index.requests(path), 2);
    });
  }

  test(`a purge during a slow revalidation: the page of after it outlives the answer of before it, and a restart in an outage (${ordered})`, async (t) => {
    const clock = { ms: Date.now() };
    const world = await fileWorld(t, { now: () => clock.ms });
    const { index } = world;
    assert.deepEqual(await filenames(world.proxy), [FIRST.filename]);
    clock.ms += 61_000;
    index.bumpSerial('demo');
    const { fault, letGo } = held();
    const end = index.fault('/simple/demo/', fault);
    // Its client has the copy when its patience ends; the question stays under way.
    const revalidating = filenames(world.proxy);
    await index.waitFor((one) => one.requests('/simple/demo/') === 2);
    await purge(world.proxy, order);
    end();
    await revalidating;
    index.add('demo', SECOND);
    const names = await filenames(world.proxy);
    assert.equal(names.length, 2);
    letGo();
    await world.proxy.app.stored();
    assert.deepEqual(await filenames(world.proxy), names);
    await index.down();
    await world.restart();
    assert.deepEqual(await filenames(world.proxy), names);
  });
}

test('what is purged is counted, by its reason and its bytes', async (t) => {
  const { proxy, url, file } = await fileWorld(t, { sizeBytes: LARGE });
  await get(url);
  await proxy.app.stored();
  assert.equal(await purge(proxy, { all: true }), 2);
  const seen = await proxy.metrics();
  assert.equal(seen['wheelkeep_evictions_total{reason="purge"}'], 2);
  assert.ok(seen.wheelkeep_evicted_bytes_total! > file.bytes.length);
  assert.equal(await purge(proxy, { all: true }), 0);
  assert.equal((await proxy.metrics())['wheelkeep_evictions_total{reason="purge"}'], 2);
});

async function team(t: TestContext) {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const dataDir = await temporaryFolder(t);
  const started = await spawnTeam(2, { dataDir, upstreams: [index.url] });
  t.after(() => started.stop('SIGKILL'));
  return { index, proxy: { ...started, dataDir } };
}

test('what another worker fetches for the first time is overtaken by a purge as well', async (t) => {
  const { index, proxy } = await team(t);
  index.add('demo', FIRST);
  for (let round = 0; round < 6; round++) {
    const asked = index.requests('/simple/demo/');
    const { fault, letGo } = held();
    const end = index.fault('/simple/demo/', fault);
    // Of the two workers one or the other fetches, and one or the other takes the order.
    const before = filenames(proxy);
    await index.waitFor((one) => one.requests('/simple/demo/') > asked);
    await purge(proxy, { project: 'demo' });
    end();
    index.bumpSerial('demo');
    letGo();
    await before;
    const fetched = index.requests('/simple/demo/');
    await filenames(proxy);
    assert.equal(index.requests('/simple/demo/'), fetched + 1, `round ${round}`);
    await purge(proxy, { project: 'demo' });
  }
});

test('a purge of everything waits for a stopped worker once, not once for every few entries', async (t) => {
  const { index, proxy } = await team(t);
  const names = Array.from({ length: 400 }, (_, i) => `demo${i}`);
  for (const name of names) index.add(name, wheel({ name, version: '1.0' }));
  const statuses = new Set<number>();
  for (let i = 0; i < names.length; i += 40) {
    const answers = names.slice(i, i + 40).map((name) => get(`${proxy.url}/simple/${name}/`));
    for (const { status } of await Promise.all(answers)) statuses.add(status);
  }
  assert.deepEqual([...statuses], [200]);
  const [stopped] = proxy.workers();
  process.kill(stopped!, 'SIGSTOP');
  const startedAt = performance.now();
  const removed = await purge(proxy, { all: true });
  const tookMs = performance.now() - startedAt;
  process.kill(stopped!, 'SIGCONT');
  assert.equal(removed, names.length);
  assert.ok(tookMs < 4_000, `${tookMs} ms`);
});
