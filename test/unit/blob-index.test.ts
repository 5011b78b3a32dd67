import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { BlobIndex, evictionRank } from '../../src/store/blobs/blob-index.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { sha256 } from '../support/upstream/wheels.ts';

const INDEX = new URL('../../src/store/blobs/blob-index.ts', import.meta.url).href;
/** Says so on its output when it has the index open. */
const OPENS_AND_WAITS = `
  const { BlobIndex } = await import('${INDEX}');
  BlobIndex.open({ path: process.argv[1], now: Date.now });
  console.log('open');
  setInterval(() => {}, 1000);
`;

const DAY_MS = 86_400_000;
const name = (i: number) => sha256(`blob ${i}`);

test('what is old, large and seldom used leaves first', () => {
  const now = Date.UTC(2026, 0, 1);
  const rank = (ageDays: number, sizeBytes: number, uses = 1) => evictionRank(now - ageDays * DAY_MS, sizeBytes, uses);
  assert.ok(rank(2, 1e6) < rank(1, 1e6));
  assert.ok(rank(0, 1e8) < rank(0, 1e5));
  assert.ok(rank(0, 1e6, 1) < rank(0, 1e6, 8));
  // A small file of last week is worth more than a large one of yesterday, but not for ever.
  assert.ok(rank(1, 1e9) < rank(5, 5e4));
  assert.ok(rank(1, 1e9) > rank(30, 5e4));
});

test('24 hours of stores, uses, removals and restarts leave an exact account', async (t) => {
  const path = join(await temporaryFolder(t), 'index.sqlite');
  let now = Date.UTC(2026, 0, 1);
  let index = BlobIndex.open({ path, now: () => now });
  assert.equal(index.complete, false);
  const truth = new Map<string, number>();
  let state = 7;
  const random = (below: number) => {
    state = (Math.imul(state, 48_271) >>> 0) % 0x7fffffff;
    return state % below;
  };
  for (let step = 0; step < 20_000; step++, now += DAY_MS / 20_000) {
    const blob = name(random(500));
    const action = random(10);
    if (action < 5) {
      const size = 1 + random(1e8);
      index.put('file', blob, size);
      truth.set(blob, size);
    } else if (action < 8) index.used('file', blob);
    else {
      index.removed('file', blob);
      truth.delete(blob);
    }
    if (step % 5_000 === 4_999) {
      index.close(true);
      index = BlobIndex.open({ path, now: () => now });
      assert.equal(index.complete, true);
    }
  }
  index.flush();
  const bytes = [...truth.values()].reduce((sum, size) => sum + size, 0);
  assert.deepEqual(index.totals, { bytes, count: truth.size });
  const listed = index.leastWorth('file', undefined, 1_000);
  assert.deepEqual(new Set(listed.map((blob) => blob.name)), new Set(truth.keys()));
  assert.deepEqual(
    listed.map((blob) => blob.rank),
    listed.map((blob) => blob.rank).sort((a, b) => a - b),
  );
  index.close(true);
});

test('two processes on one folder keep one account', async (t) => {
  const path = join(await temporaryFolder(t), 'index.sqlite');
  const [one, two] = [BlobIndex.open({ path, now: Date.now }), BlobIndex.open({ path, now: Date.now })];
  one.put('file', name(1), 100);
  two.put('file', name(2), 200);
  one.flush();
  two.flush();
  assert.deepEqual(two.totals, { bytes: 300, count: 2 });
  one.close(true);
  two.close(true);
});

test('while the database is locked the account goes on, what leaves is not counted any more, and nothing is lost', async (t) => {
  const path = join(await temporaryFolder(t), 'index.sqlite');
  const index = BlobIndex.open({ path, now: Date.now });
  for (let i = 0; i < 4; i++) index.put('file', name(i), 100);
  index.flush();
  const other = new DatabaseSync(path);
  other.exec('BEGIN IMMEDIATE');
  index.put('file', name(4), 50);
  index.put('file', name(4), 60);
  index.removed('file', name(0));
  index.removed('file', name(0));
  index.removed('file', name(9));
  index.flush();
  assert.deepEqual(index.totals, { bytes: 360, count: 4 });
  other.exec('ROLLBACK');
  other.close();
  index.flush();
  assert.deepEqual(index.totals, { bytes: 360, count: 4 });
  const names = index.leastWorth('file', undefined, 10).map((blob) => blob.name);
  assert.deepEqual(new Set(names), new Set([1, 2, 3, 4].map(name)));
  index.close(true);
});

test('after one of two processes was killed the next one looks at the folders, though the other ended well', async (t) => {
  const path = join(await temporaryFolder(t), 'index.sqlite');
  BlobIndex.open({ path, now: Date.now }).close(true);
  const killed = spawn(process.execPath, ['--input-type=module', '-e', OPENS_AND_WAITS, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(killed.stdout, 'data');
  const survivor = BlobIndex.open({ path, now: Date.now });
  assert.equal(survivor.complete, true);
  killed.kill('SIGKILL');
  await once(killed, 'exit');
  survivor.close(true);
  const next = BlobIndex.open({ path, now: Date.now });
  assert.equal(next.complete, false);
  next.close(true);
  const last = BlobIndex.open({ path, now: Date.now });
  assert.equal(last.complete, true);
  last.close(true);
});

test('an index that another process has locked is left to it, and memory has to do', async (t) => {
  const path = join(await temporaryFolder(t), 'index.sqlite');
  const first = BlobIndex.open({ path, now: Date.now });
  first.put('file', name(1), 100);
  first.flush();
  const other = new DatabaseSync(path);
  other.exec('BEGIN IMMEDIATE');
  const second = BlobIndex.open({ path, now: Date.now });
  assert.deepEqual([second.complete, second.totals], [false, { bytes: 0, count: 0 }]);
  other.exec('ROLLBACK');
  other.close();
  second.close(true);
  first.close(true);
  const third = BlobIndex.open({ path, now: Date.now });
  assert.deepEqual(third.totals, { bytes: 100, count: 1 });
  third.close(true);
});

test('a damaged index is begun anew and says that it is not complete', async (t) => {
  const path = join(await temporaryFolder(t), 'index.sqlite');
  await writeFile(path, Buffer.alloc(10_000, 'x'));
  const index = BlobIndex.open({ path, now: Date.now });
  assert.deepEqual([index.complete, index.totals], [false, { bytes: 0, count: 0 }]);
  index.close(true);
});

test('a folder that cannot be written to leaves an index in memory', async (t) => {
  const noFolder = join(await temporaryFolder(t), 'file');
  await writeFile(noFolder, '');
  const index = BlobIndex.open({ path: join(noFolder, 'index.sqlite'), now: Date.now });
  index.put('file', name(1), 5);
  index.flush();
  assert.deepEqual(index.totals, { bytes: 5, count: 1 });
  index.close(true);
});

test('what was chosen to leave is not what has taken its place meanwhile', async (t) => {
  let now = Date.UTC(2026, 0, 1);
  const index = BlobIndex.open({ path: join(await temporaryFolder(t), 'index.sqlite'), now: () => now });
  t.after(() => index.close(true));
  for (const i of [0, 1, 2, 3]) index.put('page', name(i), 1_000);
  const chosen = new Map(index.leastWorth('page', undefined, 10).map((blob) => [blob.name, blob]));
  const isStill = (i: number) => index.isStill('page', name(i), chosen.get(name(i))!.rank);
  now += DAY_MS;
  index.removed('page', name(1));
  index.removed('page', name(2));
  index.put('page', name(2), 1_000);
  index.used('page', name(3));
  assert.deepEqual([0, 1, 2, 3].map(isStill), [true, false, false, true], 'while it is only noted');
  index.flush();
  assert.deepEqual([0, 1, 2].map(isStill), [true, false, false], 'when it is written');
});
