// `wheelkeep verify`: finds what a disk changed behind our back.

import assert from 'node:assert/strict';
import { appendFile, mkdir, readdir, readlink, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { accountedBytes } from '../../src/store/blobs/blob-index.ts';
import { BlobFolders } from '../../src/store/blobs/folders.ts';
import { until } from '../support/clock/until.ts';
import { filesBelow, storedBlobs } from '../support/disk/stored-files.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { runCommand, startCommand } from '../support/proxy/command.ts';
import { type FileWorld, fileWorld, LARGE, SMALL } from '../support/proxy/file-world.ts';
import { get } from '../support/proxy/http-client.ts';

/** A running server with a stored page, a file and its metadata. */
async function filled(t: TestContext, sizeBytes = SMALL): Promise<FileWorld & { readonly dataDir: string }> {
  const world = await fileWorld(t, { sizeBytes });
  const { dataDir } = world.proxy;
  await get(world.url);
  // The end of a large file is sent a moment before the file is in its place.
  await until(async () => (await storedBlobs(dataDir)).length === 1);
  await get(`${world.url}.metadata`);
  await until(async () => (await storedBlobs(dataDir)).length === 2);
  return { ...world, url: world.url, proxy: world.proxy, dataDir };
}

test('a sound store is left alone, beside a running server too', async (t) => {
  const { dataDir, index, url } = await filled(t);
  const { code, stdout, stderr } = await runCommand({ index, dataDir }, 'verify');
  assert.deepEqual([code, stderr], [0, '']);
  assert.match(stdout, /^3 stored files checked, 10\d kB; 0 wrong\n$/);
  assert.equal((await get(url)).status, 200);
  // The metadata came out of the wheel.
  assert.equal(index.fileRequests, 1);
});

for (const sizeBytes of [SMALL, 10 * LARGE]) {
  test(`a wrong file of ${sizeBytes} bytes is removed, fetched again, and told with exit code 1`, async (t) => {
    const { dataDir, index, url, file, restart } = await filled(t, sizeBytes);
    const [blob] = (await storedBlobs(dataDir)).filter((place) => place.endsWith(file.sha256));
    await appendFile(blob!, 'x');
    const { code, stdout } = await runCommand({ index, dataDir }, 'verify', '--json');
    assert.equal(code, 1);
    const { checked, wrong, removed, fetchedAgain } = JSON.parse(stdout);
    assert.deepEqual([checked, wrong, removed], [3, [{ kind: 'file', name: file.sha256 }], true]);
    assert.deepEqual([fetchedAgain, (await storedBlobs(dataDir)).length, index.fileRequests], [1, 2, 2]);
    const proxy = await restart();
    assert.equal((await get(proxy.url + new URL(url).pathname)).sha256, file.sha256);
  });
}

test('a damaged page is found as well', async (t) => {
  const { dataDir, index } = await filled(t);
  const [body] = await filesBelow(`${dataDir}/bodies`);
  await appendFile(body!, 'x');
  const { code, stdout } = await runCommand({ index, dataDir }, 'verify');
  assert.equal(code, 1);
  assert.match(stdout, /1 wrong\n {2}page [0-9a-f]{64} was wrong and is removed\n1 of 1 fetched again\n/);
  assert.deepEqual(await filesBelow(`${dataDir}/bodies`), [body]);
});

test('a project list is fetched again too, and a folder in the place of a file is taken away', async (t) => {
  const { dataDir, index, proxy } = await filled(t);
  await get(`${proxy.url}/simple/`);
  const [file] = await storedBlobs(dataDir);
  await rm(file!);
  await mkdir(file!);
  const pages = await filesBelow(`${dataDir}/bodies`);
  assert.equal(pages.length, 2);
  for (const body of pages) await appendFile(body, 'x');
  const { code, stdout } = await runCommand({ index, dataDir }, 'verify');
  assert.equal(code, 1);
  assert.match(stdout, /; 3 wrong\n/);
  assert.match(stdout, /\n3 of 3 fetched again\n$/);
  assert.deepEqual((await filesBelow(`${dataDir}/bodies`)).sort(), pages.sort());
});

test('what it removed is not counted as stored any more', async (t) => {
  const { dataDir, index, proxy, file } = await filled(t);
  await proxy.close();
  const places = [...(await storedBlobs(dataDir)), ...(await filesBelow(`${dataDir}/bodies`))];
  const bytes = async () => (await Promise.all(places.map((place) => stat(place)))).reduce((sum, s) => sum + s.size, 0);
  const account = accountedBytes(new BlobFolders(dataDir).index);
  assert.equal(account, await bytes());
  await index.down();
  const wrong = places.find((place) => place.endsWith(file.sha256))!;
  const { size } = await stat(wrong);
  await appendFile(wrong, 'x');
  assert.equal((await runCommand({ index, dataDir }, 'verify')).code, 1);
  assert.equal(accountedBytes(new BlobFolders(dataDir).index), account! - size);
});

test('Ctrl-C in the middle of a large file ends it at once with 130 and what it knows; the file is not judged', async (t) => {
  const { dataDir, index, proxy } = await filled(t);
  await proxy.close();
  const [blob] = await storedBlobs(dataDir);
  // Takes several seconds to hash.
  const large = blob!.replace(/[0-9a-f]{64}$/, (name) => name.slice(0, 2).padEnd(64, '0'));
  await writeFile(large, '');
  await truncate(large, 16e9);
  const command = startCommand({ index, dataDir }, ['verify']);
  await until(async () => (await readlinks(`/proc/${command.process.pid}/fd`)).includes(large));
  command.process.kill('SIGINT');
  const startedAt = performance.now();
  const { code, stdout, stderr } = await command.ended;
  const endMs = performance.now() - startedAt;
  assert.ok(endMs < 1_500, `it ended after ${endMs} ms`);
  assert.equal(code, 130);
  assert.match(stdout, /^\d stored files? checked, .*; 0 wrong\n$/);
  assert.match(stderr, /stopped by SIGINT; the rest was not looked at/);
  assert.equal((await stat(large)).size, 16e9);
});

async function readlinks(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return Promise.all(names.map((name) => readlink(`${folder}/${name}`).catch(() => '')));
}

test('a running server that has nothing to do knows at once what it removed', async (t) => {
  const { dataDir, index, proxy, file } = await filled(t);
  const counted = async () => (await proxy.metrics())['wheelkeep_store_objects{store="blobs"}'];
  assert.equal(await counted(), 3);
  await index.down();
  const [blob] = (await storedBlobs(dataDir)).filter((place) => place.endsWith(file.sha256));
  await appendFile(blob!, 'x');
  assert.equal((await runCommand({ index, dataDir }, 'verify')).code, 1);
  assert.equal(await counted(), 2);
});

test('in an outage it says that what is wrong is not there again, and the next request fetches it', async (t) => {
  const { dataDir, index, url, file, restart } = await filled(t);
  for (const blob of await storedBlobs(dataDir)) await appendFile(blob, 'x');
  await index.down();
  const { code, stdout } = await runCommand({ index, dataDir }, 'verify');
  assert.equal(code, 1);
  assert.match(stdout, /\n0 of 2 fetched again; the rest is fetched when somebody asks for it\n/);
  await index.up();
  const proxy = await restart();
  assert.equal((await get(proxy.url + new URL(url).pathname)).sha256, file.sha256);
});

test('--keep only tells', async (t) => {
  const { dataDir, index } = await filled(t);
  const [blob] = await storedBlobs(dataDir);
  await appendFile(blob!, 'x');
  for (let round = 0; round < 2; round++) {
    const { code, stdout } = await runCommand({ index, dataDir }, 'verify', '--keep');
    assert.equal(code, 1);
    assert.match(stdout, /1 wrong\n {2}file [0-9a-f]{64} is wrong\n/);
  }
});

test('a folder in which nothing is stored is told of: it may be the wrong one', async (t) => {
  const { index } = await filled(t);
  const dataDir = await temporaryFolder(t);
  const { code, stderr } = await runCommand({ index, dataDir }, 'verify');
  assert.equal(code, 0);
  assert.match(stderr, /nothing is stored in .*; --data-dir names another folder/);
  assert.deepEqual(await filesBelow(dataDir), []);
});
