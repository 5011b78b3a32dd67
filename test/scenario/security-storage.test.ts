// What lies in the data folder is for our user alone, and a link that somebody puts there leads nowhere.

import assert from 'node:assert/strict';
import { lstat, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { until } from '../support/clock/until.ts';
import { filesBelow, storedBlobs, temporaryFiles } from '../support/disk/stored-files.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { fileWorld, LARGE } from '../support/proxy/file-world.ts';
import { get } from '../support/proxy/http-client.ts';
import { getPage } from '../support/proxy/page-client.ts';
import { loginPage, truncated } from '../support/upstream/faults.ts';
import { wheel } from '../support/upstream/wheels.ts';

test('folders are 0700 and files 0600, whatever the umask', async (t) => {
  const mask = process.umask(0);
  t.after(() => process.umask(mask));
  const { proxy, url } = await fileWorld(t, { sizeBytes: LARGE });
  assert.equal((await get(url)).status, 200);
  await get(`${url}.metadata`);
  await getPage(proxy, 'nothing');
  // Copies reach their places behind the answers, with the mode that they were made with.
  await until(async () => (await temporaryFiles(proxy.dataDir)).length === 0);
  const entries = await readdir(proxy.dataDir, { recursive: true, withFileTypes: true });
  assert.ok(entries.length > 10);
  for (const entry of entries) {
    const place = join(entry.parentPath, entry.name);
    const { mode } = await stat(place);
    assert.equal((mode & 0o777).toString(8), entry.isDirectory() ? '700' : '600', place);
  }
});

test('a page for which a place was made while it arrived, and that is none or is cut, leaves nothing behind', async (t) => {
  const { proxy, index } = await fileWorld(t);
  const bodies = join(proxy.dataDir, 'bodies', 'v1');
  index.fault('/simple/login/', loginPage());
  index.add('cut', wheel({ name: 'cut', version: '1.0' }));
  index.fault('/simple/cut/', truncated(10));
  const before = await filesBelow(bodies);
  for (const name of ['login', 'cut']) assert.equal((await getPage(proxy, name)).status, 502, name);
  // The place is given back behind the answer.
  await until(async () => (await temporaryFiles(proxy.dataDir)).length === 0);
  assert.deepEqual(await filesBelow(bodies), before);
});

async function swapped(t: TestContext, blobOf: (dataDir: string) => Promise<string>) {
  const world = await fileWorld(t);
  const first = await get(world.url);
  assert.equal(first.status, 200);
  await world.proxy.close();
  const outside = await temporaryFolder(t);
  const secret = join(outside, 'secret');
  await writeFile(secret, 'nobody may read this');
  const place = await blobOf(world.proxy.dataDir);
  await rm(place);
  await symlink(secret, place);
  await world.restart();
  return { ...world, url: world.url, secret, outside, first };
}

test('a link in the place of a stored file is not followed to a client, and what it leads to stays as it is', async (t) => {
  const { url, secret, outside, file } = await swapped(t, async (dataDir) => {
    const blobs = await storedBlobs(dataDir);
    return blobs[0]!;
  });
  const answer = await get(url);
  assert.equal(answer.sha256, file.sha256);
  assert.equal(await readFile(secret, 'utf8'), 'nobody may read this');
  assert.deepEqual(await readdir(outside), ['secret']);
});

test('a link that leads to the very bytes is not followed either: the file is stored anew in its place', async (t) => {
  let place = '';
  const { url, secret, file } = await swapped(t, async (dataDir) => {
    place = (await storedBlobs(dataDir))[0]!;
    return place;
  });
  await writeFile(secret, file.bytes);
  assert.equal((await get(url)).sha256, file.sha256);
  assert.ok((await lstat(place)).isFile());
});

test('a link in the place of a stored page is not followed either', async (t) => {
  const { proxy, secret, outside, file, restart } = await swapped(t, async (dataDir) => {
    const [page] = await filesBelow(join(dataDir, 'bodies', 'v1'));
    return page!;
  });
  await proxy.close();
  const again = await restart();
  const page = await getPage(again, 'demo', { 'cache-control': 'no-cache' });
  assert.equal(page.status, 200);
  assert.match(page.text(), new RegExp(file.sha256));
  assert.equal(await readFile(secret, 'utf8'), 'nobody may read this');
  assert.deepEqual(await readdir(outside), ['secret']);
});

test('a temporary folder that leads elsewhere gets nothing written over', async (t) => {
  const world = await fileWorld(t);
  const outside = await temporaryFolder(t);
  await writeFile(join(outside, 'mine'), 'mine');
  await rename(join(world.proxy.dataDir, 'blobs', 'v1', 'tmp'), join(world.proxy.dataDir, 'gone'));
  await symlink(outside, join(world.proxy.dataDir, 'blobs', 'v1', 'tmp'));
  assert.equal((await get(world.url)).sha256, world.file.sha256);
  assert.equal(await readFile(join(outside, 'mine'), 'utf8'), 'mine');
});
