// Redis may be absent, frozen, killed, full, locked or hostile at any moment: nobody gets a wrong answer, an error, or
// a wait above 100 ms, and after three failures no wait at all.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';
import { describe, test } from 'node:test';
import { digestOf } from '../../src/core/digest.ts';
import type { TieredEntryStore } from '../../src/store/entries/tiered-entries.ts';
import { macSource } from '../../src/store/redis/envelope.ts';
import { pageRecord } from '../contract/entry-store.contract.ts';
import { FakeClock } from '../support/clock/clock.ts';
import { until } from '../support/clock/until.ts';
import { openStore, type TestStore } from '../support/disk/entry-stores.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { freePort } from '../support/proxy/free-port.ts';
import { get } from '../support/proxy/http-client.ts';
import { spawnProxy } from '../support/proxy/spawned-proxy.ts';
import { RedisServer, redisMissing } from '../support/redis/redis-server.ts';

const BREAKER_MS = 5000;
/** The deadline, and what a busy machine may add to it. */
const DEADLINE_MS = 100 + 150;
/** "At once": no timer was waited for. */
const AT_ONCE_MS = 40;

const entryKey = (key: string) => `wheelkeep:1:entry:${key}`;

/** A store connected to `url`, whose breaker obeys `clock`. */
async function connectedStore(url: string, clock = new FakeClock()): Promise<TestStore & { clock: FakeClock }> {
  const opened = await openStore({ redis: { url }, now: clock.now });
  await until(() => opened.store.status().redis === 'up', 'Redis is up');
  return Object.assign(opened, { clock });
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

/** Three failures, each within the deadline; then a hundred calls that wait for nothing. */
async function assertBounded({ store, events }: TestStore): Promise<void> {
  for (let i = 0; i < 3; i++) assert.ok((await timed(() => store.getShared('page/a'))) < DEADLINE_MS);
  const skipped = events.get('redis-skipped') ?? 0;
  const hundred = async () => {
    for (let i = 0; i < 100; i++) assert.equal(await store.getShared('page/a'), undefined);
  };
  assert.ok((await timed(hundred)) < AT_ONCE_MS);
  assert.equal(events.get('redis-skipped'), skipped + 100);
  assert.equal(store.status().redis, 'down');
}

async function isShared(store: TieredEntryStore, key: string): Promise<boolean> {
  return (await store.getShared(key)) !== undefined;
}

describe('with a Redis that fails', { skip: redisMissing, timeout: 60_000 }, () => {
  test('what one node stores another finds, entries and page bodies', async (t) => {
    const server = await RedisServer.start();
    t.after(() => server.kill());
    const one = await connectedStore(server.url);
    const other = await connectedStore(server.url);
    const body = Buffer.from('{"files":[]}'.repeat(10_000));
    await one.store.set('page/a', pageRecord(1));
    one.store.setSharedBody(digestOf(body), body);
    await until(() => isShared(other.store, 'page/a'), 'the entry arrives');
    await until(async () => (await other.store.getSharedBody(digestOf(body))) !== undefined, 'the body arrives');
    assert.deepEqual(await other.store.getShared('page/a'), pageRecord(1));
    assert.deepEqual(await other.store.get('page/a'), pageRecord(1));
    assert.deepEqual(await other.store.getSharedBody(digestOf(body)), body);
    assert.equal(other.store.peek('page/a'), undefined, 'what has no body here is not kept here');
    await one.store.delete('page/a');
    await until(async () => !(await isShared(other.store, 'page/a')), 'the removal arrives');
    await Promise.all([one.store.close(), other.store.close()]);
  });

  test('absent at the start: opening and every call are immediate, and it is used once it comes', async (t) => {
    const port = await freePort();
    const opened = await openStore({ redis: { url: `redis://127.0.0.1:${port}` } });
    t.after(() => opened.store.close());
    await assertBounded(opened);
    const server = await RedisServer.startOn(port);
    t.after(() => server.kill());
    await opened.store.set('page/a', pageRecord(1));
    await until(() => opened.store.status().redis === 'up', 'Redis is used', 6000);
  });

  test('frozen: three calls wait 100 ms, then none; it is used again within seconds of waking', async (t) => {
    const server = await RedisServer.start();
    t.after(() => server.kill());
    const frozen = await connectedStore(server.url);
    await frozen.store.set('page/a', pageRecord(1));
    await until(() => isShared(frozen.store, 'page/a'), 'it is stored');
    server.freeze();
    await assertBounded(frozen);
    assert.equal(frozen.events.get('redis-timeout'), 3);
    assert.ok(frozen.redisStates.includes('down DEADLINE'));
    // A probe is due, and fails, at nobody's expense.
    frozen.clock.advance(BREAKER_MS);
    assert.ok((await timed(() => frozen.store.getShared('page/a'))) < AT_ONCE_MS);
    server.thaw();
    frozen.clock.advance(BREAKER_MS);
    await until(() => isShared(frozen.store, 'page/a'), 'it is used again', 6000);
    server.freeze();
    frozen.store.setSharedBody(digestOf('a'), Buffer.from('a'));
    assert.ok((await timed(() => frozen.store.close())) < 1000);
  });

  test('killed and restarted empty: no error, and it is filled again by what is stored next', async (t) => {
    const server = await RedisServer.start();
    t.after(() => server.kill());
    const { store, redisStates } = await connectedStore(server.url);
    t.after(() => store.close());
    await store.set('page/a', pageRecord(1));
    await server.kill();
    await until(() => store.status().redis === 'down', 'the loss is noticed');
    assert.deepEqual(await store.get('page/a'), pageRecord(1));
    await store.set('page/b', pageRecord(2));
    await server.restart();
    await until(() => store.status().redis === 'up', 'it is connected again', 6000);
    assert.equal(await store.getShared('page/a'), undefined);
    await store.set('page/a', pageRecord(3));
    await until(() => isShared(store, 'page/a'), 'it is filled');
    assert.deepEqual(
      redisStates.map((line) => line.split(' ')[0]),
      ['up', 'down', 'up'],
    );
  });

  test('flapping: no error, and not one connection or timer more afterwards', async (t) => {
    const server = await RedisServer.start();
    t.after(() => server.kill());
    const { store } = await connectedStore(server.url);
    const sockets = () => process.getActiveResourcesInfo().filter((name) => /TCP|TLS/.test(name)).length;
    const before = sockets();
    for (let i = 0; i < 4; i++) {
      await server.kill();
      await Promise.all([store.getShared('page/a'), store.set('page/a', pageRecord(i)), store.get('page/b')]);
      await server.restart();
      await until(() => store.status().redis === 'up', 'it is connected again');
    }
    await until(() => sockets() === before, 'there is one connection again');
    await store.close();
    await until(() => sockets() < before, 'the connection is gone');
  });

  test('full: writes are refused and counted, reads go on, the disk has the entry', async (t) => {
    const server = await RedisServer.start();
    t.after(() => server.kill());
    await server.command('SET', 'filler', Buffer.alloc(2 * 1024 * 1024));
    await server.command('CONFIG', 'SET', 'maxmemory', '1mb');
    const { store, events } = await connectedStore(server.url);
    t.after(() => store.close());
    for (let i = 0; i < 5; i++) await store.set(`page/${i}`, pageRecord(i));
    await until(() => events.get('redis-write-refused') === 5, 'the refusals are counted');
    assert.equal(await store.getShared('page/0'), undefined);
    assert.equal(events.get('redis-miss'), 1, 'reading was not given up');
    assert.equal(store.keys('page/', '', 10).length, 5);
  });

  test('a replica that refuses writes is still read', async (t) => {
    const server = await RedisServer.start();
    t.after(() => server.kill());
    const { store, events } = await connectedStore(server.url);
    t.after(() => store.close());
    await store.set('page/a', pageRecord(1));
    await until(() => isShared(store, 'page/a'), 'it is stored');
    await server.command('REPLICAOF', '127.0.0.1', String(await freePort()));
    for (let i = 0; i < 4; i++) await store.set(`page/${i}`, pageRecord(i));
    await until(() => events.get('redis-write-refused') === 4, 'the refusals are counted');
    assert.deepEqual(await store.getShared('page/a'), pageRecord(1));
  });

  test('a password that is asked for from now on: errors, not misses, and no delay', async (t) => {
    const server = await RedisServer.start();
    t.after(() => server.kill());
    const locked = await connectedStore(server.url);
    t.after(() => locked.store.close());
    await server.command('CONFIG', 'SET', 'requirepass', 'now-secret');
    const killer = connect(server.port, '127.0.0.1').on('error', () => undefined);
    killer.write('AUTH now-secret\r\nCLIENT KILL TYPE normal SKIPME yes\r\n');
    await until(() => locked.redisStates.length > 1, 'the connection is lost');
    killer.destroy();
    await until(() => locked.store.status().redis === 'up', 'it is connected again');
    await assertBounded(locked);
    assert.equal(locked.events.get('redis-error'), 3);
    assert.equal(locked.events.get('redis-miss'), undefined);
    assert.ok(locked.redisStates.includes('down NOAUTH'));
  });

  test('half a second late: 100 ms for three calls, then none', async (t) => {
    const server = await RedisServer.start();
    const late = await lateProxy(server.port);
    t.after(() => Promise.all([server.kill(), late.close()]));
    const slow = await connectedStore(`redis://127.0.0.1:${(late.address() as { port: number }).port}`);
    t.after(() => slow.store.close());
    await assertBounded(slow);
  });

  test('garbage, foreign, exchanged, forged and huge values are misses, counted and overwritten', async (t) => {
    const server = await RedisServer.start();
    t.after(() => server.kill());
    const { store, events } = await connectedStore(server.url);
    const stranger = await openStore({ redis: { url: server.url, secret: 'of another cluster' } });
    await until(() => stranger.store.status().redis === 'up', 'the stranger is connected');
    t.after(() => Promise.all([store.close(), stranger.store.close()]));
    await store.set('page/other', pageRecord(9));
    await stranger.store.set('page/forged', pageRecord(6));
    await until(async () => (await isShared(store, 'page/other')) && isShared(stranger.store, 'page/forged'), 'stored');
    const sealed = (await server.command('GET', entryKey('page/other'))) as Buffer;
    const flipped = Buffer.from(sealed);
    flipped[60]! ^= 1;

    await server.command('SET', entryKey('page/garbage'), randomBytes(500));
    await server.command('SET', entryKey('page/short'), 'WK');
    await server.command('SET', entryKey('page/exchanged'), sealed);
    await server.command('SET', entryKey('page/flipped'), flipped);
    await server.command('RPUSH', entryKey('page/list'), 'a');
    await server.command('SETRANGE', entryKey('page/huge'), String(100 * 1024 * 1024), 'x');
    const names = ['garbage', 'short', 'exchanged', 'flipped', 'forged', 'list', 'huge'];
    for (const name of names) assert.equal(await store.getShared(`page/${name}`), undefined, name);
    assert.equal(events.get('redis-tampered'), names.length);
    assert.equal(store.status().redis, 'up', 'bad values are no reason to stop reading');

    for (const name of names) await store.set(`page/${name}`, pageRecord(1));
    for (const name of names) await until(() => isShared(store, `page/${name}`), `${name} is overwritten`);
  });

  test('a body under the wrong digest, or too large to share, is not given out', async (t) => {
    const server = await RedisServer.start();
    t.after(() => server.kill());
    const { store, events } = await connectedStore(server.url);
    t.after(() => store.close());
    store.setSharedBody(digestOf('what was promised'), Buffer.from('what was stored'));
    store.setSharedBody(digestOf('large'), randomBytes(9 * 1024 * 1024));
    await until(() => events.get('redis-stored') === 1 && events.get('redis-write-too-large') === 1, 'both are judged');
    assert.equal(await store.getSharedBody(digestOf('what was promised')), undefined);
    assert.equal(await store.getSharedBody(digestOf('large')), undefined);
    assert.equal(events.get('redis-tampered'), 1);
  });

  test('a flood of writes to a frozen Redis is dropped and counted beyond a thousand', async (t) => {
    const server = await RedisServer.start();
    t.after(() => server.kill());
    const { store, events } = await connectedStore(server.url);
    server.freeze();
    for (let i = 0; i < 1500; i++) store.setSharedBody(digestOf(String(i)), Buffer.from(String(i)));
    assert.equal(events.get('redis-write-dropped'), 500);
    await store.close();
  });
});

test('a server that drops every connection is tried one at a time, at a growing distance', async () => {
  let connections = 0;
  let open = 0;
  const server = createServer((socket) => {
    connections += 1;
    open += 1;
    assert.equal(open, 1);
    socket
      .on('error', () => undefined)
      .on('close', () => {
        open -= 1;
      });
    socket.destroy();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { store } = await openStore({
    redis: { url: `redis://127.0.0.1:${(server.address() as { port: number }).port}` },
  });
  const start = performance.now();
  await until(() => connections === 4, 'it was tried four times');
  // 100, 200 and 400 ms, each less a fifth at most.
  assert.ok(performance.now() - start >= 560 - 20);
  await store.close();
  server.close();
  await once(server, 'close');
  assert.equal(connections, 4);
});

test('an address that is none of Redis stops the opening, without repeating its password', async () => {
  for (const url of ['http://user:hunter2@host/', 'redis://user:hunter2@', 'hunter2', 'redis://:hunter2%@host']) {
    await assert.rejects(openStore({ redis: { url } }), (error: Error) => {
      assert.ok(error instanceof TypeError);
      assert.ok(!`${error.stack} ${JSON.stringify(error)}`.includes('hunter2'));
      return true;
    });
  }
});

test('the secret of the seals is the configured one, else the password, else fixed', () => {
  assert.equal(macSource({ url: 'redis://:p@host', secret: 's' }), 'secret');
  assert.equal(macSource({ url: 'redis://:p@host' }), 'password');
  assert.equal(macSource({ url: 'redis://host', secret: '' }), 'fixed');
});

/** Passes everything on, what Redis says half a second late, but for the greeting of each connection. */
async function lateProxy(port: number): Promise<Server> {
  const proxy = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    client.on('error', () => upstream.destroy()).on('close', () => upstream.destroy());
    upstream.on('error', () => client.destroy());
    client.pipe(upstream);
    let greeted = false;
    upstream.on('data', (chunk) => {
      setTimeout(() => client.write(chunk), greeted ? 500 : 0).unref();
      greeted = true;
    });
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  return proxy;
}

test('one that is away from the start is told of, once', async (t) => {
  const env = { WHEELKEEP_REDIS_URL: `redis://127.0.0.1:${await freePort()}` };
  const proxy = await spawnProxy({ dataDir: await temporaryFolder(t), upstreams: ['http://127.0.0.1:9/simple/'], env });
  t.after(() => proxy.stop('SIGKILL'));
  await until(async () => proxy.output().includes('redis is away: ECONNREFUSED'));
  // It tries again meanwhile.
  await get(`${proxy.url}/simple/demo/`);
  await proxy.stop();
  assert.equal(proxy.output().split('redis is away').length, 2);
});
