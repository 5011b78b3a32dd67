// An upload through one process is seen at once through every other one: two workers, two nodes that share a Redis.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../support/clock/until.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { get } from '../support/proxy/http-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { hasEnded, spawnTeam } from '../support/proxy/workers.ts';
import { RedisServer, redisMissing } from '../support/redis/redis-server.ts';
import { upload, uploadIndex } from '../support/upstream/upload-index.ts';

const HOUR_MS = 3_600_000;

/** The names that the project's page lists, asked over a connection of its own. */
async function listed(url: string): Promise<string[] | number> {
  const answer = await get(`${url}/simple/demo/`, { accept: 'application/vnd.pypi.simple.v1+json' });
  if (answer.status !== 200) return answer.status;
  return (answer.json() as { files: { filename: string }[] }).files.map(({ filename }) => filename);
}

test('every worker gives the new page after an upload through one of them', async (t) => {
  const index = await uploadIndex(t);
  const dataDir = await temporaryFolder(t);
  const env = { WHEELKEEP_UPLOADS: 'true', WHEELKEEP_PAGE_FRESH: '1h', WHEELKEEP_NEGATIVE_FRESH: '1h' };
  const team = await spawnTeam(2, { dataDir, upstreams: [index.url], env });
  t.after(() => (hasEnded(team.pid) ? undefined : team.stop('SIGKILL')));
  const expected: string[] = [];
  // So many connections are spread over both workers.
  const all = () => Promise.all(Array.from({ length: 24 }, () => listed(team.url)));
  assert.deepEqual(new Set(await all()), new Set([404]));
  for (const version of [1, 2, 3]) {
    expected.push(`demo-${version}.0.tar.gz`);
    assert.equal(await upload(`${team.url}/legacy/`, 'demo', expected.at(-1)!), 200);
    for (const answer of [...(await all()), ...(await all())]) assert.deepEqual(answer, expected);
  }
});

test('every node on a Redis gives the new page after an upload through one of them', {
  skip: redisMissing,
}, async (t) => {
  const index = await uploadIndex(t);
  const redis = await RedisServer.start();
  t.after(() => redis.kill());
  const start = async () => {
    const proxy = await startProxy({
      upstreams: [index.url],
      config: {
        redis: { url: redis.url, secret: 'of these nodes' },
        uploads: true,
        pageFreshMs: HOUR_MS,
        negativeFreshMs: HOUR_MS,
      },
    });
    t.after(() => proxy.close());
    await until(async () => (await get(`${proxy.url}/metrics`)).text().includes('wheelkeep_redis'), 'metrics');
    return proxy;
  };
  const nodes = [await start(), await start()];
  const expected: string[] = [];
  for (const { url } of nodes) assert.equal(await listed(url), 404);
  for (const version of [1, 2, 3]) {
    expected.push(`demo-${version}.0.tar.gz`);
    const [through, other] = version === 2 ? nodes.toReversed() : nodes;
    assert.equal(await upload(`${through!.url}/legacy/`, 'demo', expected.at(-1)!), 200);
    assert.deepEqual(await listed(other!.url), expected, 'the other node');
    assert.deepEqual(await listed(through!.url), expected, 'the node that was asked');
  }
  // Without its Redis a node is a node alone, and an upload does not wait for the others.
  await redis.kill();
  const started = performance.now();
  assert.equal(await upload(`${nodes[0]!.url}/legacy/`, 'demo', 'demo-4.0.tar.gz'), 200);
  assert.ok(performance.now() - started < 5_000);
  assert.deepEqual(await listed(nodes[0]!.url), [...expected, 'demo-4.0.tar.gz']);
});
