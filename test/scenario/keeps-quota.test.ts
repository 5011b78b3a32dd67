// The cache stays within its quota whatever is asked for, evicts what is worth least, and never what is being read.

import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { FakeIndex } from '../support/fake-index.ts';
import * as faults from '../support/faults.ts';
import { fetchAll, get } from '../support/http-client.ts';
import { type RunningProxy, startProxy } from '../support/proxy.ts';
import { eventually, filesBelow, storedBlobs } from '../support/stored-files.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { type Distribution, wheel } from '../support/wheels.ts';

const MEGABYTE = 1_000_000;

interface World {
  readonly index: FakeIndex;
  readonly proxy: RunningProxy;
  readonly files: readonly Distribution[];
  url(file: Distribution): string;
}

async function world(t: TestContext, quotaBytes: number, sizes: readonly number[], now = Date.now): Promise<World> {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const files = sizes.map((sizeBytes, i) => wheel({ name: `demo${i}`, version: '1.0', sizeBytes }));
  for (const [i, file] of files.entries()) index.add(`demo${i}`, file);
  const dataDir = await temporaryFolder(t);
  const config = { diskQuotaBytes: quotaBytes };
  const proxy = await startProxy({ upstreams: [index.url], dataDir, config, now });
  t.after(() => proxy.close());
  return {
    index,
    proxy,
    files,
    url: (file) => `${proxy.url}/files/http/${new URL(index.url).host}${index.pathOf(file)}`,
  };
}

async function bytesOf(dataDir: string): Promise<number> {
  const places = [...(await filesBelow(`${dataDir}/blobs`)), ...(await filesBelow(`${dataDir}/bodies`))];
  const sizes = places
    .filter((place) => !place.includes('index.sqlite'))
    .map((place) => stat(place).catch(() => undefined));
  return (await Promise.all(sizes)).reduce((sum, stats) => sum + (stats?.size ?? 0), 0);
}

test('several times the quota is asked for by many clients: the disk never holds more, and every answer is right', async (t) => {
  const quota = 20 * MEGABYTE;
  const { proxy, files, url } = await world(
    t,
    quota,
    Array.from({ length: 50 }, (_, i) => (i % 5 === 0 ? 4 : 1.3) * MEGABYTE),
  );
  let most = 0;
  let done = false;
  const watch = (async () => {
    while (!done) most = Math.max(most, await bytesOf(proxy.dataDir));
  })();
  const queue = [...files, ...files];
  const client = async () => {
    for (let file = queue.pop(); file !== undefined; file = queue.pop()) {
      const answer = await fetchAll(url(file), { keepBody: false });
      assert.deepEqual([answer.status, answer.complete, answer.sha256], [200, true, file.sha256]);
    }
  };
  try {
    await Promise.all(Array.from({ length: 6 }, client));
  } finally {
    done = true;
    await watch;
  }
  assert.ok(most <= quota, `${most} bytes on disk`);
  assert.ok((await storedBlobs(proxy.dataDir)).length > 0);
  const metrics = await proxy.metrics();
  assert.ok(metrics['wheelkeep_evictions_total{reason="quota"}']! > 10);
  assert.ok(metrics.wheelkeep_evicted_bytes_total! > quota);
});

test('what was used last stays, and small files stay longer than large ones', async (t) => {
  const clock = { ms: Date.now() };
  const { proxy, files, url, index } = await world(
    t,
    12 * MEGABYTE,
    [3, 3, 0.1, 3, 3].map((n) => n * MEGABYTE),
    () => clock.ms,
  );
  const [first, second, small, third, fourth] = files as [
    Distribution,
    Distribution,
    Distribution,
    Distribution,
    Distribution,
  ];
  for (const file of [small, first, second, third]) {
    assert.equal((await get(url(file))).status, 200);
    clock.ms += 60_000;
    await eventually(async () => (await storedBlobs(proxy.dataDir)).some((place) => place.includes(file.sha256)));
  }
  assert.equal((await get(url(first))).status, 200);
  clock.ms += 60_000;
  assert.equal((await get(url(fourth))).status, 200);
  const stored = async () => (await storedBlobs(proxy.dataDir)).map((place) => place.slice(-64));
  // One of the two that were used once has to leave.
  const gone = async () => {
    const left = await stored();
    return [second, third].find((file) => !left.includes(file.sha256));
  };
  await eventually(async () => (await gone()) !== undefined);
  const left = await stored();
  assert.deepEqual([left.includes(small.sha256), left.includes(first.sha256)], [true, true]);
  // What was evicted is simply fetched again.
  const evicted = (await gone())!;
  assert.equal((await get(url(evicted))).sha256, evicted.sha256);
  assert.equal(index.requests(index.pathOf(evicted)), 2);
});

test('pages stay when files have to go, and are served in an outage afterwards', async (t) => {
  const { proxy, files, url, index } = await world(
    t,
    6 * MEGABYTE,
    Array.from({ length: 8 }, () => 2.5 * MEGABYTE),
  );
  for (const file of files) assert.equal((await get(url(file))).status, 200);
  assert.ok((await storedBlobs(proxy.dataDir)).length <= 2);
  await index.down();
  for (let i = 0; i < files.length; i++) {
    assert.equal((await get(`${proxy.url}/simple/demo${i}/`)).status, 200);
  }
});

test('a file that a slow client reads is not evicted beneath it', async (t) => {
  const { proxy, files, url } = await world(
    t,
    10 * MEGABYTE,
    [4, 4, 4, 4].map((n) => n * MEGABYTE),
  );
  const [first, ...others] = files as [Distribution, ...Distribution[]];
  await get(url(first));
  await eventually(async () => (await storedBlobs(proxy.dataDir)).length === 1);
  const slow = fetchAll(url(first), { bytesPerSecond: 4 * MEGABYTE });
  for (const file of others) assert.equal((await get(url(file))).sha256, file.sha256);
  assert.ok((await storedBlobs(proxy.dataDir)).some((place) => place.includes(first.sha256)));
  assert.equal((await slow).sha256, first.sha256);
});

test('a file larger than the quota reaches its client whole, and nothing of it stays', async (t) => {
  const { proxy, files, url } = await world(t, 5 * MEGABYTE, [30 * MEGABYTE]);
  const answer = await get(url(files[0]!));
  assert.deepEqual([answer.complete, answer.sha256], [true, files[0]!.sha256]);
  await eventually(async () => (await bytesOf(proxy.dataDir)) < MEGABYTE);
});

test('the account survives a restart, a kill and the loss of the index', async (t) => {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const file = wheel({ name: 'demo', version: '1.0', sizeBytes: 3 * MEGABYTE });
  index.add('demo', file);
  index.fault(/nothing/, faults.silence());
  const dataDir = await temporaryFolder(t);
  const { rm } = await import('node:fs/promises');
  const stored = async (proxy: RunningProxy) => (await proxy.metrics())['wheelkeep_store_bytes{store="blobs"}'];
  let proxy = await startProxy({ upstreams: [index.url], dataDir });
  await get(`${proxy.url}/files/http/${new URL(index.url).host}${index.pathOf(file)}`);
  await eventually(async () => (await storedBlobs(dataDir)).length === 1);
  const expected = await bytesOf(dataDir);
  await eventually(async () => (await stored(proxy)) === expected);
  await proxy.close();
  for (const lose of [[], ['index.sqlite'], ['index.sqlite', 'index.sqlite-wal', 'index.sqlite-shm']]) {
    for (const name of lose) await rm(`${dataDir}/blobs/v1/${name}`, { force: true });
    proxy = await startProxy({ upstreams: [index.url], dataDir });
    await eventually(async () => (await stored(proxy)) === expected);
    await proxy.close();
  }
});
