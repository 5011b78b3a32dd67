// Nodes with data folders of their own and one Redis: upstream is asked once for all of them, and a Redis or a node
// that fails costs a second request, never an answer.

import assert from 'node:assert/strict';
import { after, before, type TestContext, test } from 'node:test';
import type { Config } from '../../src/config/config.ts';
import { indexScope } from '../../src/index/index-scope.ts';
import { until } from '../support/clock/until.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { fetchAll, get } from '../support/proxy/http-client.ts';
import { type RunningProxy, startProxy } from '../support/proxy/proxy.ts';
import { spawnProxy } from '../support/proxy/spawned-proxy.ts';
import { hasEnded } from '../support/proxy/workers.ts';
import { RedisServer, redisMissing } from '../support/redis/redis-server.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { rate, silence, status } from '../support/upstream/faults.ts';
import { wheel } from '../support/upstream/wheels.ts';

/** What a page is called in Redis, behind the kind of value. */
const pageKey = (upstream: string, project: string) => `page:${indexScope('default', upstream)}:${project}`;
let index: FakeIndex;
let redis: RedisServer;

before(async () => {
  index = await FakeIndex.start();
  if (redisMissing === false) redis = await RedisServer.start();
});
after(async () => {
  await index.close();
  await redis?.kill();
});

/** A project whose page takes this long to come. */
function addSlow(name: string, seconds: number): string {
  index.add(name, wheel({ name, version: '1', files: { 'x.py': 'x' } }));
  const path = `/simple/${name}/`;
  if (seconds > 0) index.fault(path, rate(1000 / seconds));
  return path;
}

async function startNodes(t: TestContext, count: number, config: Partial<Config> = {}): Promise<RunningProxy[]> {
  const shared = { redis: { url: redis.url, secret: undefined }, ...config };
  const nodes = await Promise.all(
    Array.from({ length: count }, () => startProxy({ upstreams: [index.url], config: shared })),
  );
  t.after(() => Promise.all(nodes.map((node) => node.close())));
  for (const node of nodes) await usesRedis(node);
  return nodes;
}

/** A call that reached Redis: the connection stands. */
async function usesRedis({ url }: { readonly url: string }): Promise<void> {
  let tries = 0;
  await until(async () => {
    // What another process on the folder has found out is not asked of Redis.
    await get(`${url}/simple/nothing-${new URL(url).port}-${tries++}/`);
    const text = (await get(`${url}/metrics`)).text();
    return /wheelkeep_redis_calls_total\{result="(?:stored|miss|hit)"\} [1-9]/.test(text);
  }, 'Redis is used');
}

async function askAll(nodes: readonly { readonly url: string }[], path: string, each = 50): Promise<string[]> {
  const asked = nodes.flatMap(({ url }) => Array.from({ length: each }, () => fetchAll(url + path)));
  return [...new Set((await Promise.all(asked)).map((answer) => `${answer.status} ${answer.sha256}`))];
}

test('50 clients at each of two nodes ask for one cold page: upstream is asked once', {
  skip: redisMissing,
}, async (t) => {
  const path = addSlow('both', 0.3);
  const answers = await askAll(await startNodes(t, 2), path);
  assert.equal(answers.length, 1);
  assert.match(answers[0]!, /^200 /);
  assert.equal(index.requests(path), 1);
});

test('what a node had from another one is on its own disk: it serves it when Redis and upstream are gone', {
  skip: redisMissing,
}, async (t) => {
  const lonely = await RedisServer.start();
  t.after(() => lonely.kill());
  const own = await FakeIndex.start();
  t.after(() => own.close());
  own.add('kept', wheel({ name: 'kept', version: '1' }));
  const config = { redis: { url: lonely.url, secret: undefined } };
  const dataDir = await temporaryFolder(t);
  const first = await startProxy({ upstreams: [own.url], config });
  t.after(() => first.close());
  let second = await startProxy({ upstreams: [own.url], config, dataDir });
  t.after(() => second.close());
  await Promise.all([usesRedis(first), usesRedis(second)]);
  const page = await get(`${first.url}/simple/kept/`);
  await until(
    async () => (await lonely.command('EXISTS', `wheelkeep:1:entry:${pageKey(own.url, 'kept')}`)) === 1,
    'it is shared',
  );
  assert.equal((await get(`${second.url}/simple/kept/`)).sha256, page.sha256);
  assert.equal(own.requests('/simple/kept/'), 1);
  await second.close();
  await Promise.all([lonely.kill(), own.down()]);
  second = await startProxy({ upstreams: [own.url], config, dataDir });
  assert.equal((await get(`${second.url}/simple/kept/`)).sha256, page.sha256);
});

test('a page that goes stale on two nodes at once is revalidated once', { skip: redisMissing }, async (t) => {
  const path = addSlow('ageing', 0);
  let now = Date.now();
  const nodes = await Promise.all(
    [1, 2].map(() =>
      startProxy({ upstreams: [index.url], config: { redis: { url: redis.url, secret: undefined } }, now: () => now }),
    ),
  );
  t.after(() => Promise.all(nodes.map((node) => node.close())));
  for (const node of nodes) await usesRedis(node);
  await askAll(nodes, path, 1);
  assert.equal(index.requests(path), 1);
  now += 61_000;
  await askAll(nodes, path, 20);
  assert.equal(index.requests(path), 2);
});

test('a client that insists is not put off with what its own node has shared', { skip: redisMissing }, async (t) => {
  const path = addSlow('insisted', 0);
  let now = Date.now();
  const config = { redis: { url: redis.url, secret: undefined } };
  const node = await startProxy({ upstreams: [index.url], config, now: () => now });
  t.after(() => node.close());
  await usesRedis(node);
  await get(node.url + path);
  await until(
    async () => (await redis.command('EXISTS', `wheelkeep:1:entry:${pageKey(index.url, 'insisted')}`)) === 1,
    'shared',
  );
  now += 6_000;
  await get(node.url + path, { 'cache-control': 'no-cache' });
  assert.equal(index.requests(path), 2);
});

test('a holder whose fetch fails lets the others go on at once', { skip: redisMissing }, async (t) => {
  const path = addSlow('failing', 0);
  index.fault(path, status(500));
  const startedAt = performance.now();
  const answers = await askAll(await startNodes(t, 2), path, 5);
  for (const answer of answers) assert.match(answer, /^502 /);
  assert.ok(performance.now() - startedAt < 4_000);
  assert.equal(await redis.command('EXISTS', `wheelkeep:1:lease:${pageKey(index.url, 'failing')}`), 0);
});

test('Redis freezes: both nodes ask upstream, nobody sees an error or waits for it', {
  skip: redisMissing,
}, async (t) => {
  const path = addSlow('alone', 0);
  const nodes = await startNodes(t, 2);
  redis.freeze();
  t.after(() => redis.thaw());
  const startedAt = performance.now();
  const answers = await askAll(nodes, path, 20);
  const tookMs = performance.now() - startedAt;
  redis.thaw();
  assert.equal(answers.length, 1);
  assert.match(answers[0]!, /^200 /);
  assert.equal(index.requests(path), 2);
  assert.ok(tookMs < 1_500, `${tookMs} ms`);
});

test('a value under a lease that none of us wrote holds nobody', { skip: redisMissing }, async (t) => {
  const path = addSlow('forged', 0);
  const [node] = await startNodes(t, 1);
  await redis.command('SET', `wheelkeep:1:lease:${pageKey(index.url, 'forged')}`, 'held for ever');
  const startedAt = performance.now();
  assert.equal((await get(node!.url + path)).status, 200);
  assert.ok(performance.now() - startedAt < 1_000);
});

test('a node that is stopped while it fetches holds the others for five seconds at most, and harms nothing later', {
  skip: redisMissing,
}, async (t) => {
  const path = addSlow('stopped', 0);
  const end = index.fault(path, silence());
  const dataDir = await temporaryFolder(t);
  const holder = await spawnProxy({ dataDir, upstreams: [index.url], env: { WHEELKEEP_REDIS_URL: redis.url } });
  t.after(() => (hasEnded(holder.pid) ? undefined : holder.stop('SIGKILL')));
  await usesRedis(holder);
  const [node] = await startNodes(t, 1);
  const first = get(holder.url + path).catch(() => undefined);
  await index.waitForRequest(path);
  process.kill(holder.pid, 'SIGSTOP');
  end();
  assert.equal(await redis.command('EXISTS', `wheelkeep:1:lease:${pageKey(index.url, 'stopped')}`), 1);
  const startedAt = performance.now();
  assert.equal((await get(node!.url + path)).status, 200);
  const waitedMs = performance.now() - startedAt;
  process.kill(holder.pid, 'SIGCONT');
  assert.ok(waitedMs > 2_000 && waitedMs < 6_000, `${waitedMs} ms`);
  await first;
  assert.equal((await get(node!.url + path)).status, 200);
  assert.equal(await holder.stop(), 0);
});

test('what Redis says is here and is not comes from upstream again', { skip: redisMissing }, async (t) => {
  const path = addSlow('hollow', 0);
  const [first, second] = await startNodes(t, 2);
  const page = await get(first!.url + path);
  const entry = `wheelkeep:1:entry:${pageKey(index.url, 'hollow')}`;
  await until(async () => (await redis.command('EXISTS', entry)) === 1, 'it is shared');
  assert.ok((await removeAll(redis, 'wheelkeep:1:body:*')) >= 1);
  const other = await get(second!.url + path);
  assert.deepEqual([other.status, other.sha256], [200, page.sha256]);
  assert.equal(index.requests(path), 2);
});

test('a Redis that evicts leases and entries as fast as they come costs requests, never an answer', {
  skip: redisMissing,
}, async (t) => {
  const tiny = await RedisServer.start('--maxmemory', '1mb', '--maxmemory-policy', 'allkeys-random');
  t.after(() => tiny.kill());
  const nodes = await startNodes(t, 2, { redis: { url: tiny.url, secret: undefined } });
  const paths = Array.from({ length: 20 }, (_, i) => addSlow(`evicted${i}`, 0.05));
  let over = false;
  const eviction = (async () => {
    for (let i = 0; !over; i += 1) {
      await tiny.command('SET', `filler${i}`, Buffer.alloc(50_000));
      await removeAll(tiny, 'wheelkeep:1:lease:page:*');
    }
  })();
  for (const path of paths) {
    const answers = await askAll(nodes, path, 5);
    assert.equal(answers.length, 1, path);
    assert.match(answers[0]!, /^200 /);
    assert.ok(index.requests(path) <= 2, `${index.requests(path)} requests for ${path}`);
  }
  over = true;
  await eviction;
});

/** Removes the keys of that pattern; tells how many there were. */
async function removeAll(server: RedisServer, pattern: string): Promise<number> {
  const script = 'local keys = redis.call("KEYS", ARGV[1]) for _, key in ipairs(keys) do redis.call("DEL", key) end';
  return (await server.command('EVAL', `${script} return #keys`, '0', pattern)) as number;
}

test('two servers on one data folder and one Redis ask for a cold file once; with folders of their own each asks', {
  skip: redisMissing,
}, async (t) => {
  const env = { WHEELKEEP_REDIS_URL: redis.url };
  for (const [name, folders] of [
    ['together', 1],
    ['apart', 2],
  ] as const) {
    const dirs = await Promise.all(Array.from({ length: folders }, () => temporaryFolder(t)));
    const spawned = [dirs[0]!, dirs.at(-1)!].map((dataDir) => spawnProxy({ dataDir, upstreams: [index.url], env }));
    const nodes = await Promise.all(spawned);
    t.after(() => Promise.all(nodes.map((node) => node.stop('SIGKILL'))));
    for (const node of nodes) await usesRedis(node);
    const file = wheel({ name, version: '1', sizeBytes: 1_000_000 });
    index.add(name, file);
    const path = index.pathOf(file);
    index.fault(path, rate(3_000_000));
    const ours = `/files/http/${new URL(index.url).host}${path}`;
    assert.deepEqual(await askAll(nodes, ours, 10), [`200 ${file.sha256}`]);
    assert.equal(index.requests(path), folders, name);
  }
});
