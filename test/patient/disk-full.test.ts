// A disk that takes nothing costs the copy on disk, never the answer: clients get whole files, writing pauses and goes
// on when there is room again.

import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { until } from '../support/clock/until.ts';
import { cannotMount, remount, smallDisk } from '../support/disk/small-disk.ts';
import { storedBlobs } from '../support/disk/stored-files.ts';
import { makeFolder, removeFolder } from '../support/disk/temporary-folder.ts';
import { fetchAll, get } from '../support/proxy/http-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { filesWorld } from '../support/proxy/small-world.ts';
import { spawnProxy } from '../support/proxy/spawned-proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import * as faults from '../support/upstream/faults.ts';
import { type Distribution, wheel } from '../support/upstream/wheels.ts';

const MEGABYTE = 1_000_000;
/** The disk is asked every two seconds. */
const BACK_WITHIN_MS = 10_000;

test('a disk that fills up in the middle of a file: all clients get it whole, old files leave, storing goes on', {
  skip: cannotMount,
}, async (t) => {
  const disk = await smallDisk(t, 'size=24m');
  const { index, proxy, files, url } = await filesWorld(
    t,
    [9, 9, 9, 3].map((n) => n * MEGABYTE),
    { dataDir: disk },
  );
  for (const file of files.slice(0, 2)) assert.equal((await get(url(file))).sha256, file.sha256);
  await until(async () => (await storedBlobs(disk)).length === 2);
  const [, , third, fourth] = files as [Distribution, Distribution, Distribution, Distribution];
  index.fault(index.pathOf(third), faults.rate(20 * MEGABYTE));
  const clients = Array.from({ length: 5 }, () => fetchAll(url(third), { keepBody: false }));
  const slow = fetchAll(url(third), { keepBody: false, bytesPerSecond: 8 * MEGABYTE });
  for (const answer of await Promise.all([...clients, slow])) {
    assert.deepEqual([answer.complete, answer.sha256], [true, third.sha256]);
  }
  const metrics = await proxy.metrics();
  assert.ok(metrics['wheelkeep_disk_write_failures_total{reason="full"}']! >= 1);
  assert.ok(metrics['wheelkeep_evictions_total{reason="free-space"}']! >= 1);
  await until(
    async () => (await proxy.metrics()).wheelkeep_disk_writes_paused === 0,
    'the disk is written to again',
    BACK_WITHIN_MS,
  );
  assert.equal((await get(url(fourth))).sha256, fourth.sha256);
  await until(async () => (await storedBlobs(disk)).some((place) => place.includes(fourth.sha256)));
});

test('a disk without room for anything serves every file whole, and stores again once there is room', {
  skip: cannotMount,
}, async (t) => {
  const disk = await smallDisk(t, 'size=6m');
  const { proxy, files, url } = await filesWorld(
    t,
    [0.1, 1, 3].map((n) => n * MEGABYTE),
    { dataDir: disk },
  );
  await writeFile(`${disk}/ballast`, Buffer.alloc(5.9 * MEGABYTE)).catch(() => {});
  for (const file of [...files, ...files]) {
    const answer = await get(url(file));
    assert.deepEqual([answer.status, answer.complete, answer.sha256], [200, true, file.sha256]);
  }
  assert.deepEqual(await storedBlobs(disk), []);
  assert.equal((await proxy.metrics()).wheelkeep_disk_writes_paused, 1);
  await rm(`${disk}/ballast`);
  // Nobody has to ask for anything.
  await until(
    async () => (await proxy.metrics()).wheelkeep_disk_writes_paused === 0,
    'the disk is written to again',
    BACK_WITHIN_MS,
  );
  await get(url(files[2]!));
  await until(async () => (await storedBlobs(disk)).length === 1);
});

test('a disk without inodes serves every file whole', { skip: cannotMount }, async (t) => {
  const disk = await smallDisk(t, 'size=30m,nr_inodes=40');
  const { files, url } = await filesWorld(
    t,
    [0.1, 3].map((n) => n * MEGABYTE),
    { dataDir: disk },
  );
  for (let i = 0; i < 60; i++) await writeFile(`${disk}/ballast${i}`, '').catch(() => {});
  for (const file of [...files, ...files]) assert.equal((await get(url(file))).sha256, file.sha256);
});

test('a data folder that is read-only serves what it holds, and everything else whole', {
  skip: cannotMount,
}, async (t) => {
  const disk = await smallDisk(t, 'size=30m');
  const first = await filesWorld(
    t,
    [3, 3, 0.1].map((n) => n * MEGABYTE),
    { dataDir: disk },
  );
  const [held, large, small] = first.files as [Distribution, Distribution, Distribution];
  await get(first.url(held));
  await until(async () => (await storedBlobs(disk)).length === 1);
  await first.proxy.close();
  remount(disk, 'ro');
  const proxy = await startProxy({ upstreams: [first.index.url], dataDir: disk });
  t.after(() => proxy.close());
  for (const file of [held, large, small, large]) {
    const url = first.url(file).replace(first.proxy.url, proxy.url);
    assert.equal((await get(url)).sha256, file.sha256);
  }
  assert.equal(first.index.requests(first.index.pathOf(held)), 1);
  assert.equal((await get(`${proxy.url}/-/ready`)).status, 200);
});

test('a limit on the size of files costs larger ones their place in the store, nothing else', async (t) => {
  const folder = await makeFolder();
  t.after(() => removeFolder(folder));
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const [large, small] = [12, 1].map((n) => wheel({ name: `demo${n}`, version: '1.0', sizeBytes: n * MEGABYTE }));
  index.add('demo12', large!);
  index.add('demo1', small!);
  const proxy = await spawnProxy({ dataDir: folder, upstreams: [index.url], limit: '-f 8192' });
  t.after(() => proxy.stop('SIGKILL'));
  for (const file of [large!, small!, large!]) {
    const url = `${proxy.url}/files/http/${new URL(index.url).host}${index.pathOf(file)}`;
    const answer = await get(url);
    assert.deepEqual([answer.status, answer.complete, answer.sha256], [200, true, file.sha256]);
  }
  await until(async () => (await storedBlobs(folder)).length === 1);
});
