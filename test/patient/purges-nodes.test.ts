// An operator purges once, wherever he stands: all nodes that share a Redis forget, also one that was away meanwhile.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { indexScope } from '../../src/index/index-scope.ts';
import { until } from '../support/clock/until.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { runCommand } from '../support/proxy/command.ts';
import { fetchAll, get } from '../support/proxy/http-client.ts';
import { type RunningProxy, startProxy } from '../support/proxy/proxy.ts';
import { spawnProxy } from '../support/proxy/spawned-proxy.ts';
import { spawnTeam } from '../support/proxy/workers.ts';
import { RedisServer, redisMissing } from '../support/redis/redis-server.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { wheel } from '../support/upstream/wheels.ts';

const STREAM = 'wheelkeep:1:purges';
const HOUR_MS = 3_600_000;
const demo = wheel({ name: 'demo', version: '1.0' });
const other = wheel({ name: 'other', version: '1.0' });

class World {
  readonly index: FakeIndex;
  readonly redis: RedisServer;
  readonly #t: TestContext;
  /** All nodes' clock, ahead of the machine's by so much. */
  aheadMs = 0;

  constructor(t: TestContext, index: FakeIndex, redis: RedisServer) {
    this.#t = t;
    this.index = index;
    this.redis = redis;
  }

  async node(dataDir?: string): Promise<RunningProxy> {
    const proxy = await startProxy({
      upstreams: [this.index.url],
      config: { redis: { url: this.redis.url, secret: 'of these nodes' }, pageFreshMs: 100 * HOUR_MS },
      now: () => Date.now() + this.aheadMs,
      ...(dataDir !== undefined && { dataDir }),
    });
    this.#t.after(() => proxy.close());
    await until(async () => (await this.status(proxy)).redis === 'up', 'Redis is up');
    return proxy;
  }

  async status(proxy: RunningProxy): Promise<{ redis: string }> {
    const answer = await get(`${proxy.url}/-/api/status`, await bearer(proxy));
    return (answer.json() as { stores: { entries: { redis: string } } }).stores.entries;
  }

  /** Requests for the project's page that upstream has seen. */
  asked(project = 'demo'): number {
    return this.index.requests(`/simple/${project}/`);
  }
}

async function start(t: TestContext): Promise<World> {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  index.add('demo', demo);
  index.add('other', other);
  const redis = await RedisServer.start();
  t.after(() => redis.kill());
  return new World(t, index, redis);
}

async function bearer({ dataDir }: RunningProxy): Promise<Record<string, string>> {
  return { authorization: `Bearer ${(await readFile(join(dataDir, 'admin-token'), 'utf8')).trim()}` };
}

async function purge(proxy: RunningProxy, body: object): Promise<unknown> {
  const fields = await bearer(proxy);
  const answer = await fetchAll(`${proxy.url}/-/api/purge`, { method: 'POST', fields, body: JSON.stringify(body) });
  assert.equal(answer.status, 200);
  return answer.json();
}

async function page(proxy: RunningProxy, project = 'demo'): Promise<number> {
  return (await get(`${proxy.url}/simple/${project}/`)).status;
}

/** Asks for the page and its file. */
async function install(proxy: RunningProxy): Promise<number> {
  const url = `${proxy.url}/simple/demo/`;
  const answer = await get(url, { accept: 'application/vnd.pypi.simple.v1+json' });
  if (answer.status !== 200) return answer.status;
  const { files } = answer.json() as { files: { url: string }[] };
  return (await get(new URL(files[0]!.url, url).href)).status;
}

async function purgesSeenBy(proxy: RunningProxy): Promise<number> {
  const answer = await get(`${proxy.url}/-/api/events?limit=500`, await bearer(proxy));
  return (answer.json() as { events: { kind: string }[] }).events.filter(({ kind }) => kind === 'purge').length;
}

describe('purges among nodes', { skip: redisMissing, timeout: 60_000 }, () => {
  test('what one node purges all forget, pages and files; what was not meant stays', async (t) => {
    const world = await start(t);
    const [one, two] = [await world.node(), await world.node()];
    for (const node of [one, two]) {
      assert.equal(await install(node), 200);
      assert.equal(await page(node, 'other'), 200);
    }
    assert.deepEqual(await purge(one, { project: 'demo' }), { removed: 2, others: 'told' });
    await until(async () => (await purgesSeenBy(two)) === 1, 'the other node has purged');
    await world.index.down();
    for (const node of [one, two]) {
      assert.ok((await page(node)) >= 502, 'nothing is left of it');
      assert.equal(await page(node, 'other'), 200);
    }
    await world.index.up();
    world.aheadMs = 60_000;
    const [asked, files] = [world.asked(), world.index.fileRequests];
    await until(async () => (await install(two)) === 200, 'it is there again');
    assert.ok(world.asked() > asked && world.index.fileRequests > files);
    assert.equal(await purgesSeenBy(one), 1, 'its own order does not come back to it');
  });

  test('a node that was away carries the order out when it is back, once, and keeps what is newer', async (t) => {
    const world = await start(t);
    const one = await world.node();
    const dataDir = await temporaryFolder(t);
    const away = await world.node(dataDir);
    for (const node of [one, away]) assert.equal(await install(node), 200);
    await away.close();
    await purge(one, { all: true });
    const back = await world.node(dataDir);
    await until(async () => (await purgesSeenBy(back)) === 1, 'it has carried it out');
    await world.index.down();
    assert.ok((await install(back)) >= 502);
    await world.index.up();
    world.aheadMs = 60_000;
    await until(async () => (await install(back)) === 200, 'it is there again');
    await back.close();
    const again = await world.node(dataDir);
    await world.index.down();
    assert.equal(await install(again), 200, 'the order of before is not carried out a second time');
    assert.equal(await purgesSeenBy(again), 0);
  });

  test('a lost note of what was carried out removes nothing that is newer than the order', async (t) => {
    const world = await start(t);
    const one = await world.node();
    await purge(one, { project: 'demo' });
    world.aheadMs = 60_000;
    const late = await world.node();
    assert.equal(await install(late), 200);
    await until(async () => (await purgesSeenBy(late)) === 1, 'it has read the order');
    await world.index.down();
    assert.equal(await install(late), 200);
  });

  test('what a node left in Redis before it died is not taken over after a purge', async (t) => {
    const world = await start(t);
    const dead = await world.node();
    assert.equal(await page(dead), 200);
    const reader = await world.node();
    const key = `wheelkeep:1:entry:page:${indexScope('default', world.index.url)}:demo`;
    await until(async () => ((await world.redis.command('EXISTS', key)) as number) === 1, 'it is in Redis');
    await dead.close();
    assert.deepEqual(await purge(reader, { project: 'demo' }), { removed: 0, others: 'told' });
    const asked = world.asked();
    assert.equal(await page(reader), 200);
    assert.equal(world.asked(), asked + 1, 'upstream was asked, although Redis had a fresh page');
  });

  test("without Redis the order is this node's, the answer says so, and the others are told later", async (t) => {
    const world = await start(t);
    const [one, two] = [await world.node(), await world.node()];
    for (const node of [one, two]) assert.equal(await page(node), 200);
    await world.redis.kill();
    assert.deepEqual(await purge(one, { project: 'demo' }), { removed: 1, others: 'later' });
    await world.index.down();
    assert.ok((await page(one)) >= 502);
    assert.equal(await page(two), 200);
    await world.redis.restart();
    await until(async () => (await purgesSeenBy(two)) === 1, 'the other node has purged');
    assert.ok((await page(two)) >= 502);
  });

  test('orders of strangers, and copies of old ones, remove nothing', async (t) => {
    const world = await start(t);
    const [one, two] = [await world.node(), await world.node()];
    await purge(one, { all: true });
    await until(async () => (await purgesSeenBy(two)) === 1, 'the other node has purged');
    world.aheadMs = 60_000;
    for (const node of [one, two]) assert.equal(await install(node), 200);
    const first = "return redis.call('XRANGE', KEYS[1], '-', '+')[1][2][2]";
    const frame = (await world.redis.command('EVAL', first, '1', STREAM)) as Buffer;
    for (const bytes of [frame, Buffer.from('{"all":true}'), frame.subarray(0, 50), Buffer.alloc(0)]) {
      await world.redis.command('XADD', STREAM, '*', 'frame', bytes);
    }
    await purge(one, { project: 'nothing' });
    await until(async () => (await purgesSeenBy(two)) >= 3, 'it has read behind them');
    await world.index.down();
    for (const node of [one, two]) assert.equal(await install(node), 200);
    await world.redis.command('DEL', STREAM);
    await world.redis.command('SET', STREAM, 'of another type');
    assert.deepEqual(await purge(one, { project: 'demo' }), { removed: 2, others: 'later' });
    assert.equal(await install(two), 200);
  });

  test('all workers of a node carry an order out, and what one of them gives is not carried out twice', async (t) => {
    const world = await start(t);
    const one = await world.node();
    const dataDir = await temporaryFolder(t);
    const env = {
      WHEELKEEP_REDIS_URL: world.redis.url,
      WHEELKEEP_REDIS_SECRET: 'of these nodes',
      WHEELKEEP_PAGE_FRESH: '1h',
    };
    const team = await spawnTeam(2, { dataDir, upstreams: [world.index.url], env });
    t.after(() => team.stop('SIGKILL'));
    const eight = () => Promise.all(Array.from({ length: 8 }, () => get(`${team.url}/simple/demo/`)));
    await eight();
    await purge(one, { project: 'demo' });
    await world.index.down();
    await until(async () => (await eight()).every(({ status }) => status >= 502), 'no worker has it any more');
    await world.index.up();
    await until(async () => (await eight()).every(({ status }) => status === 200), 'all workers have it again');
    const env2 = { ...env, WHEELKEEP_PORT: String(team.port) };
    const { stdout } = await runCommand({ index: world.index, dataDir, env: env2 }, 'purge', 'demo');
    assert.equal(stdout, '1 entry removed, the other nodes are told\n');
    await eight();
    await until(async () => (await purgesSeenBy(one)) === 2, 'the other node has heard of it');
    await world.index.down();
    // Longer than it takes a worker to look for orders: what was fetched after the order stays.
    await sleep(1_500);
    assert.ok((await eight()).every(({ status }) => status === 200));
  });

  test('a project may be called all', async (t) => {
    const world = await start(t);
    const one = await world.node();
    assert.equal(await page(one), 200);
    assert.deepEqual(await purge(one, { project: 'all' }), { removed: 0, others: 'told' });
    await world.index.down();
    assert.equal(await page(one), 200);
  });

  test('the command says whether the other nodes know', async (t) => {
    const { index, redis } = await start(t);
    const dataDir = await temporaryFolder(t);
    const proxy = await spawnProxy({ dataDir, upstreams: [index.url], env: { WHEELKEEP_REDIS_URL: redis.url } });
    t.after(() => proxy.stop('SIGKILL'));
    await get(`${proxy.url}/simple/demo/`);
    const env = { WHEELKEEP_PORT: String(proxy.port) };
    const told = await runCommand({ index, dataDir, env }, 'purge', 'demo');
    assert.deepEqual([told.stdout, told.code], ['1 entry removed, the other nodes are told\n', 0]);
    await redis.kill();
    const later = await runCommand({ index, dataDir, env }, 'purge', 'demo');
    assert.deepEqual([later.stdout, later.code], ['0 entries removed\n', 1]);
    assert.match(later.stderr, /the other nodes do not know yet, for Redis does not answer/);
  });
});
