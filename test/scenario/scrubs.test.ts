// The scrubber reads everything back: it removes what is wrong, leaves what is right, and may run beside a server.

import assert from 'node:assert/strict';
import { renameSync, writeFileSync } from 'node:fs';
import { open, readFile, rm, stat, utimes } from 'node:fs/promises';
import { test } from 'node:test';
import { BlobFolders } from '../../src/store/blobs/folders.ts';
import { type ScrubOptions, type ScrubProgress, scrub } from '../../src/store/blobs/scrub.ts';
import { until } from '../support/clock/until.ts';
import { filesBelow, storedBlobs } from '../support/disk/stored-files.ts';
import { fileWorld, LARGE } from '../support/proxy/file-world.ts';
import { get } from '../support/proxy/http-client.ts';

async function scrubbed(dataDir: string): Promise<ScrubProgress[]> {
  const seen: ScrubProgress[] = [];
  const folders = new BlobFolders(dataDir);
  const remove: ScrubOptions['remove'] = (kind, name) => rm(folders.path(kind, name));
  for await (const progress of scrub({ folders, remove, signal: new AbortController().signal })) seen.push(progress);
  return seen;
}

/** Changes a byte as a failing disk does: the times stay. */
async function rot(place: string): Promise<void> {
  const { atime, mtime } = await stat(place);
  const file = await open(place, 'r+');
  await file.write(Buffer.from([0xff]), 0, 1, 12_345 % (await file.stat()).size);
  await file.close();
  await utimes(place, atime, mtime);
}

test('sound bodies are counted and left alone', async (t) => {
  const { proxy, url, file } = await fileWorld(t, { sizeBytes: LARGE });
  await get(url);
  await get(`${url}.metadata`);
  await until(async () => (await storedBlobs(proxy.dataDir)).length === 2);
  const last = (await scrubbed(proxy.dataDir)).at(-1)!;
  assert.deepEqual([last.checked, last.damaged], [3, 0]);
  assert.ok(last.bytes > file.bytes.length);
  assert.equal((await storedBlobs(proxy.dataDir)).length, 2);
});

test('a rotten file and a rotten page are removed beside the running server, which fetches them again', async (t) => {
  const now = { ms: Date.now() };
  const { proxy, url, file, index, path } = await fileWorld(t, { sizeBytes: LARGE, now: () => now.ms });
  await get(url);
  await until(async () => (await storedBlobs(proxy.dataDir)).length === 1);
  const [blob] = await storedBlobs(proxy.dataDir);
  const [body] = await filesBelow(`${proxy.dataDir}/bodies`);
  await rot(blob!);
  await rot(body!);
  const seen = await scrubbed(proxy.dataDir);
  assert.equal(seen.at(-1)!.damaged, 2);
  assert.deepEqual(new Set(seen.map(({ removed }) => removed?.kind)), new Set(['file', 'page']));
  now.ms += 1_500;
  assert.equal((await get(url)).sha256, file.sha256);
  assert.equal(index.requests(path), 2);
});

test('a wrong body that somebody replaces while it is read is not removed', async (t) => {
  const now = { ms: Date.now() };
  const { proxy, url, file } = await fileWorld(t, { sizeBytes: LARGE, now: () => now.ms });
  await get(url);
  await until(async () => (await storedBlobs(proxy.dataDir)).length === 1);
  const [blob] = await storedBlobs(proxy.dataDir);
  const right = await readFile(blob!);
  await rot(blob!);
  const onRead = () => {
    writeFileSync(`${blob}.new`, right);
    renameSync(`${blob}.new`, blob!);
  };
  const folders = new BlobFolders(proxy.dataDir);
  const { signal } = new AbortController();
  for await (const { damaged } of scrub({ folders, onRead, remove: assert.fail, signal })) assert.equal(damaged, 0);
  now.ms += 1_500;
  assert.equal((await get(url)).sha256, file.sha256);
});

test('a scrub that is told to stop does so after the body in hand', async (t) => {
  const { proxy, url } = await fileWorld(t);
  await get(url);
  await get(`${url}.metadata`);
  const control = new AbortController();
  let checked = 0;
  for await (const _ of scrub({
    folders: new BlobFolders(proxy.dataDir),
    remove: assert.fail,
    signal: control.signal,
    bytesPerSecond: 1e6,
  })) {
    checked++;
    control.abort();
  }
  assert.equal(checked, 1);
});
