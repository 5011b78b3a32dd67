// kill -9 at random moments of a load that writes: after each restart every answer is right, nothing unfinished was
// published, and what was left behind is swept.

import assert from 'node:assert/strict';
import { utimes } from 'node:fs/promises';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { FakeIndex } from '../support/fake-index.ts';
import { fetchAll } from '../support/http-client.ts';
import { freePort, spawnProxy } from '../support/spawned-proxy.ts';
import { eventually, storedBlobs, temporaryFiles } from '../support/stored-files.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { wheel } from '../support/wheels.ts';

const ROUNDS = Number(process.env.WHEELKEEP_TEST_KILLS ?? 5);
const SEED = Number(process.env.WHEELKEEP_TEST_SEED ?? Date.now() % 1_000_000);

test(`kill -9 in the middle of writing, ${ROUNDS} times (seed ${SEED}) (F65)`, async (t) => {
  const random = generator(SEED);
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const dataDir = await temporaryFolder(t);
  const files = Array.from({ length: 12 }, (_, i) => {
    return wheel({ name: `demo${i}`, version: '1.0', sizeBytes: Math.floor(50_000 + random() * 6_000_000) });
  });
  for (const [i, file] of files.entries()) index.add(`demo${i}`, file);
  const port = await freePort();
  for (let round = 0; round < ROUNDS; round++) {
    const proxy = await spawnProxy({ dataDir, upstreams: [index.url], port });
    t.after(() => proxy.stop('SIGKILL'));
    const download = async (i: number) => {
      const url = `${proxy.url}/files/http/${new URL(index.url).host}${index.pathOf(files[i]!)}`;
      const answer = await fetchAll(url, { keepBody: false }).catch(() => undefined);
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
  const proxy = await spawnProxy({ dataDir, upstreams: [index.url], port });
  t.after(() => proxy.stop('SIGKILL'));
  await eventually(async () => (await temporaryFiles(dataDir)).length === 0);
  for (const file of files) {
    const answer = await fetchAll(`${proxy.url}/files/http/${new URL(index.url).host}${index.pathOf(file)}`);
    assert.deepEqual([answer.status, answer.complete, answer.sha256], [200, true, file.sha256]);
  }
  await eventually(async () => (await storedBlobs(dataDir)).length === files.length);
});

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
