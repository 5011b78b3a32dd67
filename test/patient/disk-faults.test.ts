// Disks that fail in other ways than by being full: clients are served whole and right, the metric
// says what is so, and all is as before when the fault is over.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { DatabaseSync } from 'node:sqlite';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../support/clock/until.ts';
import { failReads, failWrites, slowDisk } from '../support/disk/disk-hooks.ts';
import { breakableDisk, cannotBreak, cannotMount, remount, smallDisk } from '../support/disk/small-disk.ts';
import { filesBelow, storedBlobs } from '../support/disk/stored-files.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { runCommand } from '../support/proxy/command.ts';
import { fileWorld, LARGE } from '../support/proxy/file-world.ts';
import { fetchAll, get } from '../support/proxy/http-client.ts';
import { type RunningProxy, startProxy } from '../support/proxy/proxy.ts';
import { filesWorld } from '../support/proxy/small-world.ts';
import { spawnProxy } from '../support/proxy/spawned-proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import * as faults from '../support/upstream/faults.ts';
import { wheel } from '../support/upstream/wheels.ts';

/** The disk is asked every two seconds. */
const BACK_WITHIN_MS = 10_000;

async function paused(proxy: RunningProxy): Promise<number | undefined> {
  return (await proxy.metrics()).wheelkeep_disk_writes_paused;
}

async function world(t: TestContext, dataDir: string, sizes: readonly number[] = [LARGE, LARGE, LARGE]) {
  const { index, proxy, files, url } = await filesWorld(t, sizes, { dataDir });
  const right = async (i: number) => {
    const { status, complete, sha256 } = await get(url(files[i]!));
    assert.deepEqual([status, complete, sha256], [200, true, files[i]!.sha256]);
  };
  return { index, proxy, files, url, right };
}

test('a disk that turns read-only in the middle of a write: everybody is served, and the process says it is ready', {
  skip: cannotBreak,
}, async (t) => {
  const disk = await breakableDisk(t);
  const { index, proxy, files, url, right } = await world(t, disk.folder);
  await right(0);
  await until(async () => (await storedBlobs(disk.folder)).length === 1);
  index.fault(index.pathOf(files[1]!), faults.rate(LARGE));
  const arriving = fetchAll(url(files[1]!));
  await until(async () => index.requests(index.pathOf(files[1]!)) === 1);
  disk.turnReadOnly();
  assert.equal((await arriving).sha256, files[1]!.sha256);
  for (const i of [0, 1, 2, 0]) await right(i);
  assert.equal(index.requests(index.pathOf(files[0]!)), 1);
  assert.equal(await paused(proxy), 1);
  assert.ok((await proxy.metrics())['wheelkeep_disk_write_failures_total{reason="read-only"}']! > 0);
  assert.equal((await get(`${proxy.url}/-/ready`)).status, 200);
  assert.equal((await get(`${proxy.url}/simple/demo2/`)).status, 200);
});

test('a disk that was read-only at the start takes everything as soon as it can be written to', {
  skip: cannotMount,
}, async (t) => {
  const disk = await smallDisk(t, 'size=30m');
  await mkdir(`${disk}/blobs/v1/tmp`, { recursive: true });
  await mkdir(`${disk}/bodies/v1`, { recursive: true });
  await mkdir(`${disk}/entries/v1`, { recursive: true });
  remount(disk, 'ro');
  const { proxy, right, index, files } = await world(t, disk);
  await right(0);
  assert.equal(await paused(proxy), 1);
  remount(disk, 'rw');
  await until(async () => (await paused(proxy)) === 0, 'the disk is written to again', BACK_WITHIN_MS);
  await right(0);
  await until(async () => (await storedBlobs(disk)).length === 1);
  await right(0);
  assert.equal(index.requests(index.pathOf(files[0]!)), 2);
});

test('EIO before the first byte of a stored file: its client gets it from upstream, and so it is healed', async (t) => {
  const { index, proxy, url, file, path } = await fileWorld(t, { sizeBytes: LARGE });
  await get(url);
  await until(async () => (await storedBlobs(proxy.dataDir)).length === 1);
  const hook = failReads(t, 'EIO');
  const answer = await get(url);
  hook.restore();
  assert.ok(hook.met() > 0);
  assert.deepEqual([answer.status, answer.complete, answer.sha256], [200, true, file.sha256]);
  assert.equal(index.requests(path), 2);
  await until(async () => (await storedBlobs(proxy.dataDir)).length === 1);
  assert.equal((await get(url)).sha256, file.sha256);
  assert.equal(index.requests(path), 2);
});

test('EIO in the middle of a stored file breaks the connection, and the next client gets the file', async (t) => {
  // More than a connection takes without its client.
  const { proxy, url, file } = await fileWorld(t, { sizeBytes: 24_000_000 });
  await get(url);
  await until(async () => (await storedBlobs(proxy.dataDir)).length === 1);
  const [response] = (await once(request(url, { agent: false }).end(), 'response')) as [IncomingMessage];
  const hook = failReads(t, 'EIO');
  let received = 0;
  await assert.rejects(async () => {
    for await (const chunk of response as AsyncIterable<Buffer>) received += chunk.length;
  });
  assert.ok(received < file.bytes.length && !response.complete);
  assert.ok(hook.met() > 0);
  hook.restore();
  assert.equal((await get(url)).sha256, file.sha256);
});

test('EIO of every write costs the copy alone, and storing goes on when it is over', async (t) => {
  const { proxy, right } = await world(t, await temporaryFolder(t));
  const hook = await failWrites(t, 'EIO');
  for (const i of [0, 1, 0]) await right(i);
  assert.equal(await paused(proxy), 1);
  assert.ok((await proxy.metrics())['wheelkeep_disk_write_failures_total{reason="io"}']! > 0);
  assert.deepEqual(await storedBlobs(proxy.dataDir), []);
  hook.restore();
  await until(async () => (await paused(proxy)) === 0, 'the disk is written to again', BACK_WITHIN_MS);
  await right(0);
  await until(async () => (await storedBlobs(proxy.dataDir)).length === 1);
});

test('what clients got while the disk took nothing is stored when it is well again: an outage after a restart finds it', async (t) => {
  const dataDir = await temporaryFolder(t);
  const { index, proxy, right, url, files } = await world(t, dataDir, [10_000]);
  const hook = await failWrites(t, 'EIO');
  await right(0);
  assert.equal(await paused(proxy), 1);
  hook.restore();
  await until(async () => (await storedBlobs(dataDir)).length === 1, 'the file is stored', BACK_WITHIN_MS);
  await until(async () => (await filesBelow(`${dataDir}/bodies`)).length === 1, 'the page is stored');
  await proxy.close();
  await index.down();
  const again = await startProxy({ upstreams: [index.url], dataDir });
  t.after(() => again.close());
  assert.equal((await get(`${again.url}/simple/demo0/`)).status, 200);
  const place = new URL(url(files[0]!)).pathname;
  assert.equal((await get(again.url + place)).sha256, files[0]!.sha256);
});

test('what was purged while the disk took nothing does not come back with it', async (t) => {
  const { index, proxy, right } = await world(t, await temporaryFolder(t), [10_000]);
  const hook = await failWrites(t, 'EIO');
  await right(0);
  await runCommand(
    { index, dataDir: proxy.dataDir, env: { WHEELKEEP_PORT: new URL(proxy.url).port } },
    'purge',
    'demo0',
  );
  hook.restore();
  await until(async () => (await paused(proxy)) === 0, 'the disk is written to again', BACK_WITHIN_MS);
  await proxy.close();
  assert.deepEqual(await filesBelow(`${proxy.dataDir}/bodies`), []);
});

test('half a second for each call to the disk delays who waits for it, and nobody else', async (t) => {
  const { proxy, right } = await world(t, await temporaryFolder(t));
  await right(0);
  await get(`${proxy.url}/simple/demo0/`);
  const hook = await slowDisk(t, 500);
  const downloads = [right(0), right(1), right(2)];
  const times: number[] = [];
  for (let i = 0; i < 40; i++) times.push((await get(`${proxy.url}/simple/demo0/`)).totalMs);
  await Promise.all(downloads);
  assert.ok(hook.met() > 3);
  hook.restore();
  times.sort((a, b) => a - b);
  // The best of ten tells it from a machine that is busy with something else.
  assert.ok(times[30]! < 250, `pages took ${times.map(Math.round)} ms`);
});

test('a data folder that is missing is made', async (t) => {
  const parent = await temporaryFolder(t);
  const { right } = await world(t, `${parent}/some/where`);
  await right(0);
  await until(async () => (await storedBlobs(`${parent}/some/where`)).length === 1);
});

test('a data folder that can never be written to ends the start with one sentence', {
  skip: cannotMount,
}, async (t) => {
  const disk = await smallDisk(t, 'size=1m');
  await writeFile(`${disk}/file`, '');
  remount(disk, 'ro');
  const index = await FakeIndex.start();
  t.after(() => index.close());
  for (const dataDir of [`${disk}/new`, `${disk}/file`]) {
    const { code, stdout, stderr } = await runCommand({ index, dataDir, cwd: disk }, 'serve');
    assert.equal(code, 2);
    const said = (stdout + stderr).trim();
    assert.match(said, /data_dir = .*(cannot be written \(EROFS\)|file is not a folder); .*WHEELKEEP_DATA_DIR/);
    assert.doesNotMatch(said, /\n\s+at /);
  }
});

test('a start on a disk that is read-only by now serves what it holds, in an outage too', {
  skip: cannotMount,
}, async (t) => {
  const disk = await smallDisk(t, 'size=30m');
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const file = wheel({ name: 'demo', version: '1.0', sizeBytes: LARGE });
  index.add('demo', file);
  const path = `/files/http/${new URL(index.url).host}${index.pathOf(file)}`;
  const before = await spawnProxy({ dataDir: disk, upstreams: [index.url] });
  assert.equal((await get(before.url + path)).sha256, file.sha256);
  await until(async () => (await storedBlobs(disk)).length === 1);
  assert.equal(await before.stop(), 0);
  remount(disk, 'ro');
  await index.down();
  const after = await spawnProxy({ dataDir: disk, upstreams: [index.url] });
  t.after(() => after.stop('SIGKILL'));
  assert.equal((await get(after.url + path)).sha256, file.sha256);
  assert.equal((await get(`${after.url}/simple/demo/`)).status, 200);
});

test('a volume that is smaller than the free space that is to be left keeps files all the same', {
  skip: cannotMount,
}, async (t) => {
  const disk = await smallDisk(t, 'size=30m');
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const proxy = await spawnProxy({ dataDir: disk, upstreams: [index.url] });
  t.after(() => proxy.stop('SIGKILL'));
  const files = ['one', 'two', 'three'].map((name) => wheel({ name, version: '1.0', sizeBytes: LARGE }));
  const url = (i: number) => `${proxy.url}/files/http/${new URL(index.url).host}${index.pathOf(files[i]!)}`;
  for (const [i, file] of files.entries()) {
    index.add(['one', 'two', 'three'][i]!, file);
    assert.equal((await get(url(i))).sha256, file.sha256);
    await until(async () => (await storedBlobs(disk)).some((place) => place.includes(file.sha256)));
    // The free space is looked at once a second.
    await sleep(1_100);
  }
  await index.down();
  for (const [i, file] of files.entries()) assert.equal((await get(url(i))).sha256, file.sha256);
});

test('a disk that is full at the start serves everything, and stores when there is room', {
  skip: cannotMount,
}, async (t) => {
  const disk = await smallDisk(t, 'size=8m');
  execFileSync('sh', ['-c', `dd if=/dev/zero of="${disk}/ballast" bs=64k 2>/dev/null || true`]);
  const { proxy, right } = await world(t, disk);
  for (const i of [0, 1, 0]) await right(i);
  assert.equal(await paused(proxy), 1);
  execFileSync('rm', [`${disk}/ballast`]);
  await until(async () => (await paused(proxy)) === 0, 'the disk is written to again', BACK_WITHIN_MS);
  await right(0);
  await until(async () => (await storedBlobs(disk)).length === 1);
});

test('a database that somebody else keeps locked costs nobody an answer', async (t) => {
  const { proxy, right, index, files } = await world(t, await temporaryFolder(t));
  await right(0);
  await until(async () => (await storedBlobs(proxy.dataDir)).length === 1);
  const databases = ['entries/v1/entries.sqlite', 'blobs/v1/index.sqlite'].map(
    (name) => new DatabaseSync(`${proxy.dataDir}/${name}`),
  );
  for (const database of databases) database.exec('BEGIN IMMEDIATE');
  const startedAt = performance.now();
  for (const i of [0, 1, 2, 1]) await right(i);
  // Waiting for a lock holds up everybody: that is done once, not for every page and file.
  assert.ok(performance.now() - startedAt < 5_000);
  for (const database of databases) {
    database.exec('ROLLBACK');
    database.close();
  }
  await until(async () => (await storedBlobs(proxy.dataDir)).length === 3);
  for (const i of [0, 1, 2]) {
    await right(i);
    assert.equal(index.requests(index.pathOf(files[i]!)), 1);
  }
});
