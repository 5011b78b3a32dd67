// kill -9 at random moments of a load that writes: after each restart every answer is right, nothing unfinished was
// published, and what was left behind is swept.

import assert from 'node:assert/strict';
import { stat, utimes } from 'node:fs/promises';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../support/clock/until.ts';
import { filesBelow, storedBlobs, temporaryFiles } from '../support/disk/stored-files.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { freePort } from '../support/proxy/free-port.ts';
import { fetchAll } from '../support/proxy/http-client.ts';
import { spawnProxy } from '../support/proxy/spawned-proxy.ts';
import { RedisServer, redisMissing } from '../support/redis/redis-server.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { wheel } from '../support/upstream/wheels.ts';

const ROUNDS = Number(process.env.WHEELKEEP_TEST_KILLS ?? 5);
const SEED = Number(process.env.WHEELKEEP_TEST_SEED ?? Date.now() % 1_000_000);

for (const what of ['one process', 'two workers', 'entries in Redis too'] as const) {
  const withRedis = what === 'entries in Redis too';
  test(`kill -9 in the middle of writing, ${ROUNDS} times, ${what} (seed ${SEED})`, {
    skip: withRedis && redisMissing,
  }, async (t) => {
    const random = generator(SEED);
    const index = await FakeIndex.start();
    t.after(() => index.close());
    const redis = withRedis ? await RedisServer.start() : undefined;
    t.after(() => redis?.kill());
    const dataDir = await temporaryFolder(t);
    const files = Array.from({ length: 12 }, (_, i) => {
      return wheel({ name: `demo${i}`, version: '1.0', sizeBytes: Math.floor(50_000 + random() * 6_000_000) });
    });
    for (const [i, file] of files.entries()) index.add(`demo${i}`, file);
    const port = await freePort();
    const env = {
      ...(what === 'two workers' && { WHEELKEEP_WORKERS: '2' }),
      ...(redis !== undefined && { WHEELKEEP_REDIS_URL: redis.url }),
    };
    const start = async () => {
      const proxy = await spawnProxy({ dataDir, upstreams: [index.url], port, env });
      t.after(() => proxy.stop('SIGKILL'));
      return proxy;
    };
    const urlOf = (i: number) =>
      `http://127.0.0.1:${port}/files/http/${new URL(index.url).host}${index.pathOf(files[i]!)}`;
    for (let round = 0; round < ROUNDS; round++) {
      const proxy = await start();
      const download = async (i: number) => {
        const page = await fetchAll(`${proxy.url}/simple/demo${i}/`).catch(() => undefined);
        if (page?.complete) assert.match(page.text(), new RegExp(files[i]!.sha256));
        const answer = await fetchAll(urlOf(i), { keepBody: false }).catch(() => undefined);
        if (answer?.status === 200 && answer.complete) assert.equal(answer.sha256, files[i]!.sha256);
      };
      // Some were stored by an earlier round, some are being written when the end comes.
      const load = Promise.all([...files.keys()].filter(() => random() < 0.6).map(download));
      await sleep(random() * 250);
      await proxy.stop('SIGKILL');
      await load;
      await storedBlobs(dataDir);
    }
    // Leftovers are swept once they are old enough not to be a living neighbour's.
    const longAgo = new Date(Date.now() - 3_600_000);
    for (const place of await temporaryFiles(dataDir)) await utimes(place, longAgo, longAgo);
    const proxy = await start();
    await until(async () => (await temporaryFiles(dataDir)).length === 0);
    for (const [i, file] of files.entries()) {
      const answer = await fetchAll(urlOf(i));
      assert.deepEqual([answer.status, answer.complete, answer.sha256], [200, true, file.sha256]);
    }
    await until(async () => (await storedBlobs(dataDir)).length === files.length);
    await until(async () => {
      const bodies = [...(await storedBlobs(dataDir)), ...(await filesBelow(`${dataDir}/bodies`))];
      const sizes = await Promise.all(bodies.map(async (place) => (await stat(place)).size));
      const account = (await proxy.metrics())['wheelkeep_store_bytes{store="blobs"}'];
      return account === sizes.reduce((sum, size) => sum + size, 0);
    });
  });
}

test('kill -9 in the moment of an answer: every page that was answered is served again without upstream', async (t) => {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const names = Array.from({ length: 60 }, (_, i) => `page${i}`);
  for (const name of names) index.add(name, wheel({ name, version: '1.0' }));
  const dataDir = await temporaryFolder(t);
  const port = await freePort();
  const first = await spawnProxy({ dataDir, upstreams: [index.url], port });
  t.after(() => first.stop('SIGKILL'));
  const answered: string[] = [];
  let killed: Promise<unknown> | undefined;
  const ask = async (name: string) => {
    const answer = await fetchAll(`${first.url}/simple/${name}/`).catch(() => undefined);
    if (answer?.status !== 200 || !answer.complete) return;
    answered.push(name);
    if (answered.length >= names.length / 2) killed ??= first.stop('SIGKILL');
  };
  await Promise.all(names.map(ask));
  await killed;
  await index.close();
  const second = await spawnProxy({ dataDir, upstreams: [index.url], port });
  t.after(() => second.stop('SIGKILL'));
  for (const name of answered) assert.equal((await fetchAll(`${second.url}/simple/${name}/`)).status, 200, name);
});

/** The same numbers in [0, 1) for the same seed (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
