// The cache stays within its quota whatever is asked for, evicts what is worth least, and never what is being read.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { rm, stat } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { type TestContext, test } from 'node:test';
import { underPressure } from '../soak/quota-pressure.ts';
import { until } from '../support/clock/until.ts';
import { filesBelow, storedBlobs } from '../support/disk/stored-files.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { fetchAll, get } from '../support/proxy/http-client.ts';
import { type RunningProxy, startProxy } from '../support/proxy/proxy.ts';
import { filesWorld } from '../support/proxy/small-world.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import * as faults from '../support/upstream/faults.ts';
import { jsonDocument } from '../support/upstream/json-documents.ts';
import { type Distribution, wheel } from '../support/upstream/wheels.ts';

const MEGABYTE = 1_000_000;

/** A cache that may hold so much, and an index with a file of each size. */
const world = (t: TestContext, quotaBytes: number, sizes: readonly number[], now = Date.now) =>
  filesWorld(t, sizes, { config: { diskQuotaBytes: quotaBytes }, now });

/** A client that has read the head of its answer and nothing of the body; `rest` reads it to its end, for its sha256. */
async function pausedClient(url: string): Promise<{ readonly rest: () => Promise<string> }> {
  const [response] = (await once(request(url, { agent: false }).end(), 'response')) as [IncomingMessage];
  return {
    rest: async () => {
      const hash = createHash('sha256');
      for await (const chunk of response as AsyncIterable<Buffer>) hash.update(chunk);
      return hash.digest('hex');
    },
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
  const quotaBytes = 10 * MEGABYTE;
  const { mostBytes, roundingBytes, evictions, downloads, hitRate } = await underPressure(t, {
    quotaBytes,
    askedBytes: 60 * MEGABYTE,
    clients: 12,
    sizes: Array.from({ length: 40 }, (_, i) => [0.05, 0.2, 0.6, 1.3, 2.5][i % 5]! * MEGABYTE),
  });
  t.diagnostic(`${downloads} downloads, ${Math.round(hitRate * 100)} % of them hits`);
  assert.ok(mostBytes <= quotaBytes + roundingBytes, `${mostBytes} bytes on disk`);
  assert.ok(evictions > 10);
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
  const stored = async () => (await storedBlobs(proxy.dataDir)).map((place) => place.slice(-64));
  for (const file of [small, first, second, third]) {
    assert.equal((await get(url(file))).status, 200);
    // It counts as used when it is in its place, which is after its client has it: the clock must not go on before.
    await until(async () => (await stored()).includes(file.sha256));
    clock.ms += 60_000;
  }
  assert.equal((await get(url(first))).status, 200);
  clock.ms += 60_000;
  assert.equal((await get(url(fourth))).status, 200);
  await until(async () => !(await stored()).includes(second.sha256));
  await until(async () => (await stored()).includes(fourth.sha256));
  const left = await stored();
  for (const file of [small, first, third]) assert.ok(left.includes(file.sha256));
  // What was evicted is simply fetched again.
  assert.equal((await get(url(second))).sha256, second.sha256);
  assert.equal(index.requests(index.pathOf(second)), 2);
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

test('a page that comes while downloads have used the quota up is kept: an outage after a restart finds it', async (t) => {
  const dataDir = await temporaryFolder(t);
  // More than a connection takes without its client.
  const sizes = Array.from({ length: 3 }, () => 16 * MEGABYTE);
  const config = { diskQuotaBytes: 40 * MEGABYTE };
  const { index, proxy, files, url } = await filesWorld(t, sizes, { config, dataDir });
  // So slowly that it is written in small pieces, of which the last one that fits leaves little room.
  for (const file of files) index.fault(index.pathOf(file), faults.rate(40 * MEGABYTE));
  const clients = await Promise.all(files.map((file) => pausedClient(url(file))));
  const refused = 'wheelkeep_disk_write_failures_total{reason="quota"}';
  await until(async () => (await proxy.metrics())[refused]! > 0);
  const listed = Array.from({ length: 3_000 }, (_, i) => ({
    filename: `late-1.${i}.tar.gz`,
    url: `https://files.example/packages/${i}/late-1.${i}.tar.gz`,
    hashes: { sha256: i.toString(16).padStart(64, '0') },
  }));
  const page = { meta: { 'api-version': '1.0' }, name: 'late', files: listed };
  index.fault('/simple/late/', jsonDocument(page, 'application/vnd.pypi.simple.v1+json'));
  assert.equal((await get(`${proxy.url}/simple/late/`)).status, 200);
  assert.ok((await bytesOf(dataDir)) <= config.diskQuotaBytes);
  for (const [i, client] of clients.entries()) assert.equal(await client.rest(), files[i]!.sha256);
  await proxy.close();
  await index.down();
  const again = await startProxy({ upstreams: [index.url], config, dataDir });
  t.after(() => again.close());
  assert.equal((await get(`${again.url}/simple/late/`)).status, 200);
});

for (const state of ['stored', 'arriving']) {
  test(`a file whose client has stopped reading is not evicted beneath it when it was ${state}`, async (t) => {
    const clock = { ms: Date.now() };
    // More than a connection takes without its client.
    const { proxy, files, url } = await world(
      t,
      40 * MEGABYTE,
      [16, 7, 7, 7, 7, 7].map((n) => n * MEGABYTE),
      () => clock.ms,
    );
    const [first, ...others] = files as [Distribution, ...Distribution[]];
    const holds = async (file: Distribution) =>
      (await storedBlobs(proxy.dataDir)).some((place) => place.includes(file.sha256));
    if (state === 'stored') await get(url(first));
    const client = await pausedClient(url(first));
    await until(() => holds(first));
    for (const file of others) assert.equal((await get(url(file))).sha256, file.sha256);
    assert.equal(await holds(first), true);
    assert.ok((await proxy.metrics())['wheelkeep_evictions_total{reason="quota"}']! > 0);
    assert.equal(await client.rest(), first.sha256);
    // When its client has it, it is one among others again, and one that nobody has asked for lately.
    clock.ms += 30 * 86_400_000;
    for (const file of others) assert.equal((await get(url(file))).sha256, file.sha256);
    await until(async () => !(await holds(first)));
  });
}

test('a small file that is evicted the moment it lands still reaches everybody who waits for it', async (t) => {
  const quota = 3 * MEGABYTE;
  const { index, proxy, files, url } = await world(
    t,
    quota,
    Array.from({ length: 12 }, () => 0.9 * MEGABYTE),
  );
  const rounds = Array.from({ length: 3 }, () => files).flat();
  const answers = await Promise.all(rounds.map((file) => fetchAll(url(file), { keepBody: false })));
  for (const [i, answer] of answers.entries()) {
    assert.deepEqual([answer.status, answer.sha256], [200, rounds[i]!.sha256]);
  }
  for (const file of files) assert.ok(index.requests(index.pathOf(file)) <= 3);
  assert.ok((await bytesOf(proxy.dataDir)) <= quota);
});

test('what the account says is what lies on disk, while files arrive and when all is quiet', async (t) => {
  const { proxy, files, url } = await world(
    t,
    40 * MEGABYTE,
    Array.from({ length: 4 }, () => 16 * MEGABYTE),
  );
  const accounted = async () => (await proxy.metrics())['wheelkeep_store_bytes{store="blobs"}'];
  const agrees = async () => (await accounted()) === (await bytesOf(proxy.dataDir));
  const client = await pausedClient(url(files[0]!));
  // In its place and still being sent: counted once.
  await until(async () => (await storedBlobs(proxy.dataDir)).length === 1);
  await until(agrees);
  for (const file of files) assert.equal((await get(url(file))).sha256, file.sha256);
  assert.equal(await client.rest(), files[0]!.sha256);
  await until(agrees);
});

test('a file larger than the quota reaches its client whole, and nothing of it stays', async (t) => {
  const { proxy, files, url } = await world(t, 5 * MEGABYTE, [30 * MEGABYTE]);
  const answer = await get(url(files[0]!));
  assert.deepEqual([answer.complete, answer.sha256], [true, files[0]!.sha256]);
  await until(async () => (await bytesOf(proxy.dataDir)) < MEGABYTE);
});

test('the account survives a restart, a kill and the loss of the index', async (t) => {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const file = wheel({ name: 'demo', version: '1.0', sizeBytes: 3 * MEGABYTE });
  index.add('demo', file);
  const dataDir = await temporaryFolder(t);
  const stored = async (proxy: RunningProxy) => (await proxy.metrics())['wheelkeep_store_bytes{store="blobs"}'];
  let proxy = await startProxy({ upstreams: [index.url], dataDir });
  await get(`${proxy.url}/files/http/${new URL(index.url).host}${index.pathOf(file)}`);
  await until(async () => (await storedBlobs(dataDir)).length === 1);
  const expected = await bytesOf(dataDir);
  await until(async () => (await stored(proxy)) === expected);
  await proxy.close();
  for (const lose of [[], ['index.sqlite'], ['index.sqlite', 'index.sqlite-wal', 'index.sqlite-shm']]) {
    for (const name of lose) await rm(`${dataDir}/blobs/v1/${name}`, { force: true });
    proxy = await startProxy({ upstreams: [index.url], dataDir });
    await until(async () => (await stored(proxy)) === expected);
    await proxy.close();
  }
});
