// A disk that does not give what it holds, for a while: nothing good is removed, nobody gets a wrong byte, upstream is
// asked meanwhile, and what is stored is used again when it can be read.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync, statSync, truncateSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { digestOf } from '../../src/core/digest.ts';
import { DiskBlobs } from '../../src/store/blobs/disk-blobs.ts';
import { BlobFolders } from '../../src/store/blobs/folders.ts';
import { scrub } from '../../src/store/blobs/scrub.ts';
import { Random, seedOf } from '../fuzz/random.ts';
import { until } from '../support/clock/until.ts';
import { type ReadFault, troubleReads } from '../support/disk/disk-hooks.ts';
import { filesBelow, storedBlobs } from '../support/disk/stored-files.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { runCommand } from '../support/proxy/command.ts';
import { fileWorld, LARGE, SMALL } from '../support/proxy/file-world.ts';
import { get } from '../support/proxy/http-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { type Distribution, wheel } from '../support/upstream/wheels.ts';

const FAULTS: readonly ReadFault[] = ['EIO', 'EMFILE', 'ENFILE', 'EACCES', 'half', 'nothing'];
function hashOf(place: string): string {
  return createHash('sha256').update(readFileSync(place)).digest('hex');
}

/** Bodies of pages and files by their places, with their bytes' hashes. */
async function bodiesIn(dataDir: string): Promise<Map<string, string>> {
  const places = [...(await storedBlobs(dataDir)), ...(await filesBelow(`${dataDir}/bodies`))];
  return new Map(places.map((place) => [place, hashOf(place)]));
}

async function metric(proxy: { metrics(): Promise<Record<string, number>> }, name: string): Promise<number> {
  const samples = Object.entries(await proxy.metrics()).filter(([sample]) => sample.startsWith(name));
  return samples.reduce((sum, [, value]) => sum + value, 0);
}

for (const fault of FAULTS) {
  for (const sizeBytes of [SMALL, LARGE]) {
    test(`${fault} of every read: a file of ${sizeBytes} bytes is kept and had from upstream, in an outage it waits`, async (t) => {
      const world = await fileWorld(t, { sizeBytes });
      const { index, file, path, restart } = world;
      const { dataDir } = world.proxy;
      await get(world.url);
      await until(async () => (await bodiesIn(dataDir)).size === 2);
      await restart();
      const before = await bodiesIn(dataDir);
      const hook = troubleReads(t, dataDir, () => fault);
      const meanwhile = await get(world.url);
      // Half of what was asked for is no fault: it is asked for again.
      if (fault !== 'half') assert.equal(index.requests(path), 2);
      assert.deepEqual([meanwhile.status, meanwhile.complete, meanwhile.sha256], [200, true, file.sha256]);
      hook.restore();
      assert.deepEqual([...(await bodiesIn(dataDir)).keys()], [...before.keys()]);

      await restart();
      await index.down();
      const again = troubleReads(t, dataDir, () => fault);
      const refused = await get(world.url);
      if (fault !== 'half') assert.ok(refused.status >= 500 && refused.status !== 500, `${refused.status}`);
      again.restore();
      assert.deepEqual([...(await bodiesIn(dataDir)).keys()], [...before.keys()]);
      const served = await get(world.url);
      assert.deepEqual([served.status, served.sha256], [200, file.sha256]);
    });
  }
}

for (const database of ['here', 'lost']) {
  test(`a false "there is none" during the trouble takes the place of nothing (its database is ${database})`, async (t) => {
    const world = await fileWorld(t);
    const page = () => get(`${world.proxy.url}/simple/demo/`);
    const { status, sha256 } = await page();
    assert.equal(status, 200);
    const { dataDir } = world.proxy;
    await until(async () => (await filesBelow(`${dataDir}/bodies`)).length === 1);
    await world.proxy.close();
    if (database === 'lost') await rm(`${dataDir}/entries`, { recursive: true });
    await world.restart();
    world.index.remove('demo');
    const hook = troubleReads(t, dataDir, () => 'EIO');
    const answer = await page();
    assert.equal(answer.status, 503);
    hook.restore();
    const served = await page();
    assert.deepEqual([served.status, served.sha256], [200, sha256]);
  });
}

for (const mirrors of [1, 2]) {
  test(`a page that cannot be measured by the held one does not replace it, an equal one is served (${mirrors} upstreams)`, async (t) => {
    const indexes = await Promise.all(Array.from({ length: mirrors }, () => FakeIndex.start()));
    for (const index of indexes) t.after(() => index.close());
    const dataDir = await temporaryFolder(t);
    const upstreams = indexes.map(({ url }) => url);
    const file = wheel({ name: 'demo', version: '1.0' });
    for (const index of indexes) index.add('demo', file);
    const first = await startProxy({ upstreams, dataDir });
    const { sha256 } = await get(`${first.url}/simple/demo/`);
    await first.app.stored();
    await first.close();

    const proxy = await startProxy({ upstreams, dataDir });
    t.after(() => proxy.close());
    const page = () => get(`${proxy.url}/simple/demo/`);
    const hook = troubleReads(t, dataDir, () => 'EIO');
    const equal = await page();
    assert.deepEqual([equal.status, equal.sha256], [200, sha256]);
    hook.restore();
    await proxy.close();

    const later = await startProxy({ upstreams, dataDir });
    t.after(() => later.close());
    for (const index of indexes) {
      index.remove('demo');
      index.addListed('demo', file, { hashes: { sha256: 'e'.repeat(64) } });
    }
    const again = troubleReads(t, dataDir, () => 'EIO');
    const refused = await get(`${later.url}/simple/demo/`);
    assert.equal(refused.status, 503, refused.text());
    assert.equal((refused.json() as { readonly type: string }).type, 'about:blank#storage-unreadable');
    again.restore();
    const served = await get(`${later.url}/simple/demo/`);
    assert.deepEqual([served.status, served.sha256], [200, sha256]);
  });
}

test('a scrub keeps what it cannot read, and tells of it', async (t) => {
  const { proxy, url } = await fileWorld(t, { sizeBytes: LARGE });
  await get(url);
  await until(async () => (await bodiesIn(proxy.dataDir)).size === 2);
  for (const fault of FAULTS.filter((one) => one !== 'half')) {
    const hook = troubleReads(t, proxy.dataDir, () => fault);
    const kept: string[] = [];
    const options = { folders: new BlobFolders(proxy.dataDir), signal: new AbortController().signal };
    for await (const step of scrub({ ...options, remove: assert.fail })) {
      if (step.kept !== undefined) kept.push(step.kept.kind);
      assert.equal(step.damaged, 0);
    }
    hook.restore();
    assert.deepEqual(kept, ['file', 'page'], fault);
  }
});

test('an entry whose body cannot be looked at is not forgotten as one that leads to nothing', async (t) => {
  const dataDir = await temporaryFolder(t);
  const ignore = () => {};
  const store = new DiskBlobs({
    dataDir,
    memoryBytes: 1,
    quotaBytes: 1e9,
    freeSpaceFloorBytes: 0,
    now: Date.now,
    onEvicted: ignore,
    onPaused: ignore,
    onDamage: ignore,
    onUnreadable: ignore,
  });
  t.after(() => store.close());
  const digest = digestOf('body');
  assert.equal(await store.has(digest, 'page'), false);
  for (const fault of FAULTS.slice(0, 4)) {
    const hook = troubleReads(t, dataDir, () => fault);
    assert.equal(await store.has(digest, 'page'), true, fault);
    hook.restore();
  }
});

/** Beneath the command's own code: whatever opens a distribution file to read it is refused. */
const REFUSE_FILES = `import fs from 'node:fs';
const open = fs.promises.open;
fs.promises.open = (path, flags, ...rest) =>
  typeof flags === 'number' && path.includes('/blobs/v1/')
    ? Promise.reject(Object.assign(new Error('EIO'), { code: 'EIO' }))
    : open(path, flags, ...rest);`;

test('verify names what it cannot read, keeps it and says so by its exit code', async (t) => {
  const { index, proxy, url } = await fileWorld(t, { sizeBytes: LARGE });
  await get(url);
  await until(async () => (await bodiesIn(proxy.dataDir)).size === 2);
  const before = await bodiesIn(proxy.dataDir);
  const env = { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(REFUSE_FILES)}` };
  const { code, stdout } = await runCommand({ index, dataDir: proxy.dataDir, env }, 'verify');
  assert.match(stdout, /0 wrong, 1 cannot be read now\n {2}file [0-9a-f]{64} cannot be read \(EIO\) and is kept/);
  assert.equal(code, 1);
  assert.deepEqual(await bodiesIn(proxy.dataDir), before);
  assert.equal((await runCommand({ index, dataDir: proxy.dataDir }, 'verify')).code, 0);
});

test('a file that was cut short on the disk is damage: its hash is wrong, whoever reads it', async (t) => {
  const world = await fileWorld(t, { sizeBytes: LARGE });
  const { index, proxy, file, path, restart } = world;
  await get(world.url);
  await until(async () => (await storedBlobs(proxy.dataDir)).length === 1);
  const [blob] = await storedBlobs(proxy.dataDir);
  truncateSync(blob!, statSync(blob!).size - 1);
  const running = await restart();
  assert.equal((await get(world.url)).sha256, file.sha256);
  assert.equal(index.requests(path), 2);
  assert.equal(await metric(running, 'wheelkeep_integrity_failures_total{kind="damaged-blob"}'), 1);
  assert.equal(await metric(running, 'wheelkeep_disk_read_failures_total'), 0);
});

interface Play {
  readonly index: FakeIndex;
  readonly dataDir: string;
  readonly files: readonly Distribution[];
}

async function stage(t: TestContext): Promise<Play> {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const sizes = [1_000, SMALL, 300_000, LARGE];
  const files = sizes.map((sizeBytes, i) => wheel({ name: `demo${i}`, version: '1.0', sizeBytes }));
  for (const [i, file] of files.entries()) index.addListed(`demo${i}`, file, {});
  return { index, dataDir: await temporaryFolder(t), files };
}

for (const seed of [1, 2, 3].map((n) => seedOf(n))) {
  test(`reads that fail by chance: nothing good is ever removed and no wrong byte is served (seed ${seed})`, async (t) => {
    const random = new Random(seed);
    const { index, dataDir, files } = await stage(t);
    let aheadMs = 0;
    const start = () => startProxy({ upstreams: [index.url], dataDir, now: () => Date.now() + aheadMs });
    let proxy = await start();
    t.after(() => proxy.close());
    const host = new URL(index.url).host;
    const fileUrl = (i: number) => `${proxy.url}/files/http/${host}${index.pathOf(files[i]!)}`;
    const pageUrl = (i: number) => `${proxy.url}/simple/demo${i}/`;
    const pages: string[] = [];
    for (const i of files.keys()) {
      pages.push((await get(pageUrl(i))).sha256);
      assert.equal((await get(fileUrl(i))).sha256, files[i]!.sha256);
    }
    await until(async () => (await bodiesIn(dataDir)).size === 2 * files.length);
    const stored = [...(await bodiesIn(dataDir)).keys()].sort();

    let chance = 0;
    const hook = troubleReads(t, dataDir, () => (random.chance(chance) ? random.pick(FAULTS) : undefined));
    let isUp = true;
    for (let step = 0; step < 120; step++) {
      chance = random.pick([0, 0.05, 0.3, 1]);
      const i = random.below(files.length);
      const what = random.below(10);
      if (what < 4) {
        const answer = await get(fileUrl(i));
        if (answer.status === 200 && answer.complete) assert.equal(answer.sha256, files[i]!.sha256);
        else assert.ok(answer.status === 200 || answer.status >= 502, `${step}: a file is ${answer.status}`);
      } else if (what < 7) {
        const answer = await get(pageUrl(i));
        if (answer.status === 200 && answer.complete) assert.equal(answer.sha256, pages[i]);
        else assert.ok(answer.status === 200 || answer.status >= 502, `${step}: a page is ${answer.status}`);
      } else if (what === 7) {
        aheadMs += random.pick([2_000, 70_000]);
      } else if (what === 8) {
        await (isUp ? index.down() : index.up());
        isUp = !isUp;
      } else if (random.chance(0.5)) {
        const options = { folders: new BlobFolders(dataDir), signal: new AbortController().signal };
        for await (const { damaged } of scrub({ ...options, remove: assert.fail })) assert.equal(damaged, 0);
      } else {
        chance = 0;
        await proxy.close();
        proxy = await start();
      }
    }
    assert.ok(hook.met() > 20);
    assert.equal(await metric(proxy, 'wheelkeep_integrity_failures_total'), 0);
    hook.restore();
    if (isUp) await index.down();
    await proxy.close();
    assert.deepEqual([...(await bodiesIn(dataDir)).keys()].sort(), stored);
    proxy = await start();
    for (const i of files.keys()) {
      const [page, file] = [await get(pageUrl(i)), await get(fileUrl(i))];
      assert.deepEqual([page.status, page.sha256, file.status, file.sha256], [200, pages[i], 200, files[i]!.sha256]);
    }
  });
}
