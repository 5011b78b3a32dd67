// What was fetched once outlives restarts, crashes and the loss of the entry database, also when upstream is away: the
// stored page bodies say of themselves what they are.

import assert from 'node:assert/strict';
import { readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { FakeClock } from '../support/clock/clock.ts';
import { slowDisk } from '../support/disk/disk-hooks.ts';
import { storedBlobs } from '../support/disk/stored-files.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { fileWorld, LARGE } from '../support/proxy/file-world.ts';
import { get } from '../support/proxy/http-client.ts';
import { getPage, JSON_TYPE } from '../support/proxy/page-client.ts';
import { type RunningProxy, startProxy } from '../support/proxy/proxy.ts';
import { type SpawnedProxy, spawnProxy } from '../support/proxy/spawned-proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { wheel } from '../support/upstream/wheels.ts';

const PROJECTS = ['foo', 'bar', 'baz'];

async function setting(test: TestContext) {
  const clock = new FakeClock();
  const index = await FakeIndex.start();
  test.after(() => index.close());
  for (const name of PROJECTS) index.add(name, wheel({ name, version: '1.0' }));
  const dataDir = await temporaryFolder(test);
  const start = () => startProxy({ upstreams: [index.url], dataDir, now: clock.now });
  return { clock, index, dataDir, start };
}

/** Pages in all formats and the list: status, tag and bytes. */
function everything(proxy: RunningProxy | SpawnedProxy) {
  const paths = ['/simple/', ...PROJECTS.map((name) => `/simple/${name}/`)];
  const formats = [JSON_TYPE, 'text/html'];
  return Promise.all(
    paths.flatMap((path) =>
      formats.map(async (accept) => {
        const answer = await get(`${proxy.url}${path}`, { accept, 'accept-encoding': 'gzip' });
        return { path, status: answer.status, etag: answer.field('etag'), sha256: answer.sha256 };
      }),
    ),
  );
}

describe('after a restart with upstream down', () => {
  it('pages have the same bytes and the same tags, fresh without a question and stale in time', async (test) => {
    const { clock, index, start } = await setting(test);
    const first = await start();
    const before = await everything(first);
    assert.ok(before.every(({ status }) => status === 200));
    await first.close();
    await index.down();
    const asked = index.requests();
    const second = await start();
    test.after(() => second.close());
    assert.deepEqual(await everything(second), before);
    assert.equal(index.requests(), asked);
    clock.advance(61_000);
    assert.deepEqual(await everything(second), before);
  });

  const DAMAGE: readonly (readonly [string, (folder: string) => Promise<void>])[] = [
    ['is gone', (folder) => rm(folder, { recursive: true })],
    ['is cut short', async (folder) => truncateAll(folder, 100)],
    ['is overwritten', async (folder) => overwriteAll(folder)],
  ];
  for (const [name, damage] of DAMAGE) {
    it(`pages come back from their bodies when the entry database ${name}`, async (test) => {
      const { index, dataDir, start } = await setting(test);
      const first = await start();
      const before = await everything(first);
      await first.close();
      await damage(join(dataDir, 'entries'));
      await index.down();
      const second = await start();
      test.after(() => second.close());
      assert.deepEqual(await everything(second), before);
      // What was never seen is an error as ever, not missing.
      assert.equal((await getPage(second, 'never')).status, 502);
    });
  }

  it('a page whose body is damaged is an error, not wrong bytes, and is fetched again when upstream is back', async (test) => {
    const { clock, index, dataDir, start } = await setting(test);
    const first = await start();
    const before = await everything(first);
    await first.close();
    await overwriteAll(join(dataDir, 'bodies'));
    await index.down();
    const second = await start();
    test.after(() => second.close());
    for (const { status } of await everything(second)) assert.equal(status, 502);
    await index.up();
    // What failed twice in a row is left alone for two seconds.
    clock.advance(2_500);
    assert.deepEqual(await everything(second), before);
  });

  it('the page on disk is served when the process died before it wrote the entry that belongs to it', async (test) => {
    const { clock, index, dataDir, start } = await setting(test);
    const first = await start();
    await everything(first);
    await first.close();
    const entries = await snapshot(join(dataDir, 'entries'));
    index.add('foo', wheel({ name: 'foo', version: '2.0' }));
    clock.advance(61_000);
    const second = await start();
    const newer = await getPage(second, 'foo');
    await second.close();
    await restore(entries);
    await index.down();
    const third = await start();
    test.after(() => third.close());
    const recovered = await getPage(third, 'foo');
    assert.equal(recovered.status, 200);
    assert.deepEqual(recovered.body, newer.body);
  });
});

it('kill -9 loses nothing that was answered', async (test) => {
  const { index, dataDir } = await setting(test);
  const first = await spawnProxy({ dataDir, upstreams: [index.url] });
  const before = await everything(first);
  assert.equal(await first.stop('SIGKILL'), 'SIGKILL');
  await index.down();
  const second = await spawnProxy({ dataDir, upstreams: [index.url] });
  test.after(() => second.stop('SIGKILL'));
  assert.deepEqual(await everything(second), before);
});

async function filesIn(folder: string): Promise<string[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  return found.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

async function truncateAll(folder: string, bytes: number): Promise<void> {
  for (const file of await filesIn(folder)) await truncate(file, bytes);
}

async function overwriteAll(folder: string): Promise<void> {
  for (const file of await filesIn(folder)) await writeFile(file, Buffer.alloc(5_000, 'damage'));
}

async function snapshot(folder: string) {
  const files = await filesIn(folder);
  return { folder, files: await Promise.all(files.map(async (file) => ({ file, bytes: await readFile(file) }))) };
}

async function restore({ folder, files }: Awaited<ReturnType<typeof snapshot>>): Promise<void> {
  for (const file of await filesIn(folder)) await rm(file);
  for (const { file, bytes } of files) await writeFile(file, bytes);
}

it('a file that its client has whole is stored, however slow the disk is and however soon the server ends', async (t) => {
  const world = await fileWorld(t, { sizeBytes: LARGE });
  const slow = await slowDisk(t, 300);
  assert.equal((await get(world.url)).sha256, world.file.sha256);
  assert.equal((await storedBlobs(world.proxy.dataDir)).length, 0);
  await world.proxy.close();
  assert.equal((await storedBlobs(world.proxy.dataDir)).length, 1);
  await world.restart();
  slow.restore();
  await world.index.down();
  assert.equal((await get(world.url)).sha256, world.file.sha256);
});
