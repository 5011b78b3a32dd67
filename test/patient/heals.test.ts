// Bit rot: bytes that changed on disk are never served. They are noticed, removed and fetched again, and the client
// that asks next simply gets its file.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, open, readFile, rm, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { until } from '../support/clock/until.ts';
import { storedBlobs } from '../support/disk/stored-files.ts';
import { fileWorld, LARGE, SMALL } from '../support/proxy/file-world.ts';
import { fetchAll, get } from '../support/proxy/http-client.ts';

const DAMAGE: Readonly<Record<string, (place: string) => Promise<unknown>>> = {
  'a flipped byte': async (place) => {
    const bytes = await readFile(place);
    bytes[1000]! ^= 1;
    const file = await open(place, 'r+');
    await file.write(bytes, 1000, 1, 1000);
    await file.close();
  },
  truncation: (place) => truncate(place, 500),
  'truncation to nothing': (place) => truncate(place, 0),
  deletion: (place) => rm(place),
  'a block of zeros': async (place) => writeFile(place, Buffer.alloc((await stat(place)).size)),
  'bytes at the end': async (place) => writeFile(place, Buffer.concat([await readFile(place), Buffer.from('x')])),
  'a symbolic link in its place': async (place) => {
    await rm(place);
    await symlink('/etc/hostname', place);
  },
  'a folder in its place': async (place) => {
    await rm(place);
    await mkdir(place);
    await writeFile(`${place}/file`, 'x');
  },
  'a named pipe in its place': async (place) => {
    await rm(place);
    execFileSync('mkfifo', [place]);
  },
};

for (const [what, damage] of Object.entries(DAMAGE)) {
  for (const sizeBytes of [SMALL, LARGE]) {
    test(`${what} between two processes: a file of ${sizeBytes} bytes is fetched again, once`, async (t) => {
      const world = await fileWorld(t, { sizeBytes });
      assert.equal((await get(world.url)).status, 200);
      await until(async () => (await storedBlobs(world.proxy.dataDir)).length === 1);
      const [place] = await storedBlobs(world.proxy.dataDir);
      await damage(place!);
      await world.restart();
      const healed = await get(world.url);
      assert.deepEqual([healed.status, healed.complete, healed.sha256], [200, true, world.file.sha256]);
      assert.equal(world.index.requests(world.path), 2);
      await until(async () => (await storedBlobs(world.proxy.dataDir)).length === 1);
      assert.equal((await get(world.url)).sha256, world.file.sha256);
      assert.equal(world.index.requests(world.path), 2);
    });
  }

  test(`${what} beneath a running process is noticed within a second or two`, async (t) => {
    const now = { ms: Date.now() };
    const world = await fileWorld(t, { sizeBytes: LARGE, now: () => now.ms });
    assert.equal((await get(world.url)).status, 200);
    await until(async () => (await storedBlobs(world.proxy.dataDir)).length === 1);
    assert.equal((await get(world.url)).status, 200);
    const [place] = await storedBlobs(world.proxy.dataDir);
    await damage(place!);
    now.ms += 1_500;
    const healed = await get(world.url);
    assert.deepEqual([healed.status, healed.complete, healed.sha256], [200, true, world.file.sha256]);
    assert.equal(world.index.requests(world.path), 2);
  });
}

test('a blob that an operator deletes during a download is read to its end from the open descriptor', async (t) => {
  const { proxy, url, file } = await fileWorld(t, { sizeBytes: 12_000_000 });
  assert.equal((await get(url)).status, 200);
  await until(async () => (await storedBlobs(proxy.dataDir)).length === 1);
  const download = fetchAll(url, { bytesPerSecond: 20_000_000 });
  const [place] = await storedBlobs(proxy.dataDir);
  await rm(place!);
  assert.equal((await download).sha256, file.sha256);
});

for (const what of ['a flipped byte', 'truncation', 'a block of zeros']) {
  test(`${what} while a client reads breaks the connection, and the next client gets the file`, async (t) => {
    const { proxy, url, file, index, path } = await fileWorld(t, { sizeBytes: 30_000_000 });
    assert.equal((await get(url)).status, 200);
    await until(async () => (await storedBlobs(proxy.dataDir)).length === 1);
    assert.equal((await get(url)).sha256, file.sha256);
    const [place] = await storedBlobs(proxy.dataDir);
    const begun = Promise.withResolvers<void>();
    const reading = fetchAll(url, { bytesPerSecond: 60_000_000, keepBody: false, onFirstByte: begun.resolve });
    await begun.promise;
    await DAMAGE[what]!(place!);
    assert.equal((await reading).complete, false);
    const healed = await get(url);
    assert.deepEqual([healed.complete, healed.sha256, index.requests(path)], [true, file.sha256, 2]);
  });
}

test('with upstream away damaged bytes are an error, not an answer', async (t) => {
  const world = await fileWorld(t, { sizeBytes: LARGE });
  assert.equal((await get(world.url)).status, 200);
  await until(async () => (await storedBlobs(world.proxy.dataDir)).length === 1);
  await DAMAGE['a flipped byte']!((await storedBlobs(world.proxy.dataDir))[0]!);
  await world.restart();
  await world.index.down();
  assert.equal((await get(world.url)).status, 502);
  assert.equal((await world.proxy.metrics())['wheelkeep_integrity_failures_total{kind="damaged-blob"}'], 1);
});

test('the entry database may be lost: stored files are found by the digest their page gives', async (t) => {
  const world = await fileWorld(t, { sizeBytes: LARGE });
  assert.equal((await get(world.url)).status, 200);
  await until(async () => (await storedBlobs(world.proxy.dataDir)).length === 1);
  await world.proxy.close();
  await rm(`${world.proxy.dataDir}/entries`, { recursive: true });
  await world.restart();
  assert.equal((await get(world.url)).sha256, world.file.sha256);
  assert.equal(world.index.requests(world.path), 1);
});
