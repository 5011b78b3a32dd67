// One fetch, many readers: large files are sent while they arrive, each reader at its own pace, and what nobody reads
// any more is finished only when the rest is worth it.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { until } from '../support/clock/until.ts';
import { storedBlobs, temporaryFiles } from '../support/disk/stored-files.ts';
import { fileWorld, LARGE, SMALL } from '../support/proxy/file-world.ts';
import { fetchAll, get } from '../support/proxy/http-client.ts';
import * as faults from '../support/upstream/faults.ts';
import { wheel } from '../support/upstream/wheels.ts';

const HELD_BACK = 64 * 1024;

test('the first byte of a large file is sent long before its last one has arrived', async (t) => {
  const { index, file, path, url } = await fileWorld(t, { sizeBytes: LARGE });
  index.fault(path, faults.rate(6_000_000));
  const answer = await get(url);
  assert.equal(answer.sha256, file.sha256);
  assert.ok(
    answer.firstByteMs < answer.totalMs - 300,
    `first byte after ${answer.firstByteMs} of ${answer.totalMs} ms`,
  );
});

test('while it arrives a file is tagged by its flight, once it is verified by its digest', async (t) => {
  const { index, file, path, url } = await fileWorld(t, { sizeBytes: LARGE });
  index.fault(path, faults.rate(30_000_000));
  const flying = await get(url);
  assert.match(flying.field('etag')!, /^"flight-/);
  await until(async () => (await get(url)).field('etag') === `"${file.sha256}"`);
});

test('the last 64 KB are held back until the hash is right: of a wrong file nobody gets more', async (t) => {
  const { index, path, url, file } = await fileWorld(t, { sizeBytes: LARGE });
  index.fault(path, faults.wrongByte(-1));
  const answer = await get(url);
  assert.deepEqual([answer.status, answer.complete], [200, false]);
  assert.ok(answer.sizeBytes <= file.bytes.length - HELD_BACK, `${answer.sizeBytes} of ${file.bytes.length} bytes`);
  assert.equal(Number(answer.field('content-length')), file.bytes.length);
});

test('hold_back says how much that is', async (t) => {
  const config = { holdBackBytes: 1_000_000 };
  const { index, path, url, file } = await fileWorld(t, { sizeBytes: LARGE, config });
  index.fault(path, faults.silenceAfter(file.bytes.length - 1));
  const expected = file.bytes.length - config.holdBackBytes;
  const answer = await fetchAll(url, { abortAfterBytes: expected });
  assert.equal(answer.sizeBytes, expected);
});

test('a file that stalls before its last 64 KB has been sent up to there', async (t) => {
  const { index, path, url, file } = await fileWorld(t, { sizeBytes: LARGE });
  index.fault(path, faults.silenceAfter(file.bytes.length - 1));
  const expected = file.bytes.length - HELD_BACK;
  const answer = await fetchAll(url, { abortAfterBytes: expected });
  assert.equal(answer.sizeBytes, expected);
});

for (const sizeBytes of [SMALL, LARGE]) {
  test(`a hundred clients for one cold file of ${sizeBytes} bytes cost one upstream request`, async (t) => {
    const { index, file, path, url, proxy } = await fileWorld(t, { sizeBytes });
    index.fault(path, faults.delay(100, faults.rate(20_000_000)));
    const answers = await Promise.all(Array.from({ length: 100 }, () => fetchAll(url, { keepBody: false })));
    assert.deepEqual(
      new Set(answers.map(({ sha256, complete }) => `${sha256} ${complete}`)),
      new Set([`${file.sha256} true`]),
    );
    assert.equal(index.requests(path), 1);
    // A client that comes when the file has landed is a hit, counted when its answer has ended, a moment after it has it
    // all; every other one shared the fetch.
    await until(async () => {
      const metrics = await proxy.metrics();
      const collapsed = metrics['wheelkeep_collapsed_requests_total{kind="file"}'] ?? 0;
      const hits = metrics['wheelkeep_requests_total{kind="file",outcome="hit",status="2xx"}'] ?? 0;
      assert.ok(collapsed > 0);
      return collapsed + hits === 99;
    });
  });
}

test('a client that joins in the middle of a transfer gets the file from its first byte', async (t) => {
  const { index, file, path, url } = await fileWorld(t, { sizeBytes: 2 * LARGE });
  index.fault(path, faults.rate(10_000_000));
  const leader = get(url);
  await new Promise((resolve) => setTimeout(resolve, 300));
  const follower = await get(url);
  assert.match(follower.field('cache-status') ?? '', /collapsed/, 'it came too late to join');
  assert.deepEqual([follower.sha256, (await leader).sha256], [file.sha256, file.sha256]);
  assert.equal(index.requests(path), 1);
});

test('the client that began the transfer may leave: nine others get their file from the same request', async (t) => {
  const { index, file, path, url } = await fileWorld(t, { sizeBytes: LARGE });
  index.fault(path, faults.rate(10_000_000));
  const leader = fetchAll(url, { abortAfterBytes: 100_000 });
  await index.waitForRequest(path);
  const others = await Promise.all(Array.from({ length: 9 }, () => get(url)));
  assert.equal((await leader).complete, false);
  for (const { sha256 } of others) assert.equal(sha256, file.sha256);
  assert.equal(index.requests(path), 1);
});

test('a client that reads slowly holds up neither the transfer nor another client', async (t) => {
  const { index, file, path, url } = await fileWorld(t, { sizeBytes: 12_000_000 });
  index.fault(path, faults.rate(40_000_000));
  const control = new AbortController();
  const slow = fetchAll(url, { bytesPerSecond: 50_000, signal: control.signal });
  await index.waitForRequest(path);
  const fast = await get(url);
  assert.equal(fast.sha256, file.sha256);
  assert.ok(fast.totalMs < 2_000, `${fast.totalMs} ms`);
  control.abort();
  assert.equal((await slow).complete, false);
});

test('a slow client gets the whole file from the disk after the transfer has ended', async (t) => {
  const { index, file, path, url, proxy } = await fileWorld(t, { sizeBytes: 12_000_000 });
  const slow = fetchAll(url, { bytesPerSecond: 12_000_000 });
  await until(async () => (await storedBlobs(proxy.dataDir)).length === 1);
  const answer = await slow;
  assert.deepEqual([answer.complete, answer.sha256], [true, file.sha256]);
  assert.equal(index.requests(path), 1);
});

test('when nobody is left a fetch of which little is missing goes on', async (t) => {
  const { index, path, url, proxy } = await fileWorld(t, { sizeBytes: LARGE });
  index.fault(path, faults.rate(6_000_000));
  assert.equal((await fetchAll(url, { abortAfterBytes: 1 })).complete, false);
  await until(async () => (await storedBlobs(proxy.dataDir)).length === 1);
  assert.equal((await get(url)).complete, true);
  assert.equal(index.requests(path), 1);
});

test('when nobody is left a fetch of which much is missing ends at once and leaves nothing behind', async (t) => {
  const { index, path, url, proxy } = await fileWorld(t, { sizeBytes: 40_000_000 });
  index.fault(path, faults.rate(2_000_000));
  const before = index.openConnections;
  assert.equal((await fetchAll(url, { abortAfterBytes: 1 })).complete, false);
  await index.waitFor(() => index.openConnections <= before, 1_000);
  await until(async () => (await temporaryFiles(proxy.dataDir)).length === 0);
  assert.deepEqual(await storedBlobs(proxy.dataDir), []);
});

test('finish_abandoned says how much may be missing: anything, or nothing but the second half', async (t) => {
  const everything = await fileWorld(t, { sizeBytes: 40_000_000, config: { finishAbandonedBytes: Infinity } });
  everything.index.fault(everything.path, faults.rate(80_000_000));
  assert.equal((await fetchAll(everything.url, { abortAfterBytes: 1 })).complete, false);
  await until(
    async () => (await storedBlobs(everything.proxy.dataDir)).length === 1,
    'the whole file is stored',
    20_000,
  );
  assert.equal(everything.index.requests(everything.path), 1);

  const half = await fileWorld(t, { sizeBytes: LARGE, config: { finishAbandonedBytes: 0 } });
  half.index.fault(half.path, faults.rate(4_000_000));
  const before = half.index.openConnections;
  assert.equal((await fetchAll(half.url, { abortAfterBytes: 1 })).complete, false);
  await half.index.waitFor(() => half.index.openConnections <= before, 1_000);
  assert.deepEqual(await storedBlobs(half.proxy.dataDir), []);
  assert.equal((await fetchAll(half.url, { abortAfterBytes: 2_000_000 })).complete, false);
  await until(async () => (await storedBlobs(half.proxy.dataDir)).length === 1);
});

test('a file without a hash is sent while it arrives, too, and stored with a short lifetime', async (t) => {
  const now = { ms: Date.now() };
  const { index, file, path, url, proxy } = await fileWorld(t, {
    sizeBytes: LARGE,
    listing: { hashes: {} },
    now: () => now.ms,
  });
  assert.equal((await get(url)).sha256, file.sha256);
  await until(async () => (await storedBlobs(proxy.dataDir)).length === 1);
  const stored = await get(url);
  assert.equal(stored.field('cache-control'), 'public, max-age=600');
  assert.equal(index.requests(path), 1);
  now.ms += 601_000;
  assert.equal((await get(url)).sha256, file.sha256);
  assert.equal(index.requests(path), 2);
});

for (const algorithm of ['md5', 'sha512'] as const) {
  test(`a file with a ${algorithm} hash only is verified by it`, async (t) => {
    const hex = createHash(algorithm)
      .update(wheel({ name: 'demo', version: '1.0', sizeBytes: SMALL }).bytes)
      .digest('hex');
    const { index, file, path, url } = await fileWorld(t, { listing: { hashes: { [algorithm]: hex.toUpperCase() } } });
    index.fault(path, faults.wrongByte(9), { times: 3 });
    assert.equal((await get(url)).status, 502);
    const right = await get(url);
    assert.deepEqual([right.status, right.sha256], [200, file.sha256]);
    assert.match(right.field('cache-control')!, /immutable/);
  });
}
