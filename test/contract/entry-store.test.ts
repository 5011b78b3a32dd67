// The entry store's promises on each set of tiers, and those of the embedded database: it survives kill -9, damage,
// a full disk and other processes.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { FakeClock } from '../support/clock/clock.ts';
import { until } from '../support/clock/until.ts';
import { openStore } from '../support/disk/entry-stores.ts';
import { lastingFolder } from '../support/disk/temporary-folder.ts';
import { RedisServer, redisMissing } from '../support/redis/redis-server.ts';
import { entryStoreContract, pageRecord } from './entry-store.contract.ts';

const WRITER = fileURLToPath(new URL('../support/disk/entry-writer.ts', import.meta.url));

/** A data folder that cannot be one: its parent is a file. */
function unusableFolder(): string {
  const file = join(lastingFolder(), 'file');
  writeFileSync(file, '');
  return join(file, 'data');
}

function databaseOf(dataDir: string): string {
  return join(dataDir, 'entries', 'v1', 'entries.sqlite');
}

entryStoreContract({
  name: 'memory only, because the disk is unusable',
  open: async () => (await openStore({ dataDir: unusableFolder() })).store,
  onDisk: false,
  skip: false,
});

entryStoreContract({
  name: 'memory and disk',
  open: async () => (await openStore()).store,
  onDisk: true,
  skip: false,
});

const redisServers: RedisServer[] = [];
after(() => Promise.all(redisServers.map((server) => server.kill())));

entryStoreContract({
  name: 'memory, disk and Redis',
  open: async () => {
    const server = await RedisServer.start();
    redisServers.push(server);
    const { store, redisStates } = await openStore({ redis: { url: server.url } });
    await until(() => redisStates.includes('up connected'), 'Redis is up');
    return store;
  },
  onDisk: true,
  skip: redisMissing,
});

describe('the embedded database', () => {
  test('belongs to this user alone', async () => {
    const { store, dataDir } = await openStore();
    await store.set('page/a', pageRecord(1));
    assert.equal(statSync(join(dataDir, 'entries', 'v1')).mode & 0o777, 0o700);
    assert.equal(statSync(databaseOf(dataDir)).mode & 0o777, 0o600);
    assert.equal(statSync(`${databaseOf(dataDir)}-wal`).mode & 0o777, 0o600);
    await store.close();
  });

  test('gives every record back after a restart, and closing leaves no log behind', async () => {
    const first = await openStore();
    await first.store.set('page/a', pageRecord(1));
    await first.store.close();
    assert.deepEqual(readdirSync(join(first.dataDir, 'entries', 'v1')), ['entries.sqlite']);
    const second = await openStore({ dataDir: first.dataDir });
    assert.equal(second.store.peek('page/a'), undefined);
    assert.deepEqual(await second.store.get('page/a'), pageRecord(1));
    assert.deepEqual(second.store.peek('page/a'), pageRecord(1));
    await second.store.close();
  });

  test('memory is bounded by bytes, and what it gives up is still on disk', async () => {
    const { store } = await openStore({ memoryBytes: 20_000 });
    for (let i = 0; i < 100; i++) await store.set(`page/${i}`, pageRecord(i));
    assert.ok(store.status().memoryBytes <= 20_000);
    assert.equal(store.peek('page/0'), undefined);
    assert.deepEqual(await store.get('page/0'), pageRecord(0));
    await store.close();
  });

  test('a record that another process changed or removed is seen within a second', async () => {
    const one = await openStore();
    const other = await openStore({ dataDir: one.dataDir });
    for (const key of ['page/changed', 'page/removed', 'page/same']) {
      await one.store.set(key, pageRecord(1));
      await other.store.get(key);
    }
    await other.store.set('page/changed', pageRecord(2));
    await other.store.delete('page/removed');
    assert.deepEqual(one.store.peek('page/changed'), pageRecord(1), 'peek reads no disk');
    const isSeen = () => one.store.peek('page/changed') === undefined && one.store.peek('page/removed') === undefined;
    await until(isSeen, 'the other process is seen', 1000);
    assert.deepEqual(await one.store.get('page/changed'), pageRecord(2));
    assert.equal(await one.store.get('page/removed'), undefined);
    assert.deepEqual(one.store.peek('page/same'), pageRecord(1), 'what nobody changed stays in memory');
    await one.store.close();
    await other.store.close();
  });

  test('a file that is no database is set aside, the application told once, and work goes on', async () => {
    const first = await openStore();
    await first.store.close();
    writeFileSync(databaseOf(first.dataDir), 'this is no database '.repeat(1000));
    const observed = await openStore({ dataDir: first.dataDir });
    assert.equal(observed.events.get('disk-damaged'), 1);
    assert.equal(observed.damaged, 0, 'never told before the store is in hand');
    await until(() => observed.damaged === 1, 'the application is told');
    await observed.store.set('page/a', pageRecord(1));
    assert.deepEqual(observed.store.keys('', '', 10), ['page/a']);
    const names = readdirSync(join(observed.dataDir, 'entries', 'v1'));
    assert.equal(names.filter((name) => name.startsWith('entries.sqlite.damaged-')).length, 1);
    await observed.store.close();
  });

  test('pages overwritten under a running process are noticed, set aside and replaced', async () => {
    const first = await openStore();
    for (let i = 0; i < 500; i++) await first.store.set(`page/${i}`, pageRecord(i));
    await first.store.close();
    const pages = statSync(databaseOf(first.dataDir)).size;
    const observed = await openStore({ dataDir: first.dataDir });
    writeFileSync(databaseOf(first.dataDir), Buffer.alloc(pages - 4096, 0xa5), { flag: 'r+' });
    for (let i = 0; i < 500; i++) await observed.store.get(`page/${i}`);
    await until(() => observed.damaged === 1, 'the application is told');
    await observed.store.set('page/new', pageRecord(1));
    assert.deepEqual(observed.store.keys('', '', 10), ['page/new']);
    await observed.store.close();
  });

  test('a damaged row is a miss and goes away; a row of a later release is a miss and stays', async () => {
    const { store, dataDir, events } = await openStore({ memoryBytes: 1 });
    await store.set('page/flipped', pageRecord(1));
    await store.set('page/newer', { ...pageRecord(1), format: 2 as 1 });
    const vandal = new DatabaseSync(databaseOf(dataDir));
    vandal.exec(`UPDATE entries SET text = replace(text, '1020', '1021') WHERE key = 'page/flipped'`);
    vandal.close();
    assert.equal(await store.get('page/flipped'), undefined);
    assert.equal(await store.get('page/newer'), undefined);
    assert.equal(events.get('disk-damaged-record'), 1);
    assert.equal(events.get('disk-newer-record'), 1);
    assert.deepEqual(store.keys('page/', '', 10), ['page/newer']);
    await store.close();
  });

  test('a disk that becomes usable is used again without a restart', async () => {
    const clock = new FakeClock();
    const blocked = join(lastingFolder(), 'data');
    writeFileSync(blocked, '');
    const again = await openStore({ dataDir: blocked, now: clock.now });
    await again.store.set('page/a', pageRecord(1));
    assert.equal(again.events.get('disk-io'), 1, 'tried once, not at every call');
    rmSync(blocked);
    clock.advance(5000);
    await again.store.set('page/b', pageRecord(2));
    // What the disk did not take before is known too, and waits for it.
    assert.deepEqual(again.store.keys('', '', 10), ['page/a', 'page/b']);
    assert.deepEqual(again.store.peek('page/a'), pageRecord(1));
    await again.store.close();
  });

  test('what came while somebody else had the database locked is written when he is gone, removals too', async () => {
    const { store, dataDir } = await openStore();
    await store.set('page/old', pageRecord(1));
    const other = new DatabaseSync(databaseOf(dataDir));
    other.exec('BEGIN IMMEDIATE');
    await store.set('page/a', pageRecord(1));
    await store.set('page/a', pageRecord(2));
    await store.delete('page/old');
    assert.deepEqual(store.keys('page/', '', 10), ['page/a']);
    // As this process would know it when memory has given it up.
    assert.deepEqual([store.reread('page/a'), store.reread('page/old')], [pageRecord(2), undefined]);
    other.exec('ROLLBACK');
    const rows = other.prepare('SELECT key FROM entries WHERE text IS NOT NULL');
    await until(
      () =>
        rows
          .all()
          .map(({ key }) => key)
          .join() === 'page/a',
      'both changes are on disk',
    );
    other.close();
    const again = await openStore({ dataDir });
    assert.deepEqual([again.store.reread('page/a'), again.store.reread('page/old')], [pageRecord(2), undefined]);
    await again.store.close();
    await store.close();
  });

  test('what another process writes meanwhile is newer than what waits for the database', async () => {
    const { store, dataDir } = await openStore();
    const other = new DatabaseSync(databaseOf(dataDir));
    other.exec('BEGIN IMMEDIATE');
    await store.set('page/a', pageRecord(1));
    // A purge there, as it lands in the database.
    other.exec("INSERT OR REPLACE INTO entries (key, text, checksum, writer) VALUES ('page/a', NULL, 0, 1)");
    other.exec('COMMIT');
    await until(() => store.peek('page/a') === undefined, 'the change is known here');
    await store.close();
    assert.deepEqual(other.prepare('SELECT key FROM entries WHERE text IS NOT NULL').all(), []);
    other.close();
  });

  test('a full disk is counted, never thrown, and memory serves on', async () => {
    // A limit on the size of files (ulimit -f, in KB) is the full disk that a test can have.
    const script = `ulimit -f 256; exec "${process.execPath}" "${WRITER}" "${lastingFolder()}" some 400`;
    const child = spawn('/bin/bash', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    const [code] = await once(child, 'close');
    assert.equal(code, 0);
    const summary = JSON.parse(output.trim().split('\n').at(-1)!);
    assert.ok(summary.events['disk-io'] > 0 || summary.events['disk-full'] > 0, output.slice(-300));
    assert.equal(summary.served, 400);
  });

  test('survives twenty kills -9 during writes with every acknowledged record', { timeout: 60_000 }, async () => {
    const dataDir = lastingFolder();
    const log = join(dataDir, 'acknowledged');
    writeFileSync(log, '');
    let next = 0;
    for (let round = 0; round < 20; round++) {
      const child = spawn(process.execPath, [WRITER, dataDir, 'endless', String(next), log], { stdio: 'ignore' });
      const enoughBytes = statSync(log).size + 40 + round * 57;
      await until(() => statSync(log).size > enoughBytes, 'the writer has written');
      child.kill('SIGKILL');
      await once(child, 'close');
      next = readFileSync(log, 'latin1').split('\n').length - 1;
    }
    const { store, events } = await openStore({ dataDir });
    for (let i = 0; i < next; i++) assert.deepEqual(await store.get(`page/${i}`), pageRecord(i), `page/${i}`);
    assert.ok(next > 500);
    assert.deepEqual([...events.keys()], [], 'no fault of the disk was seen');
    await store.close();
  });
});
