// Far more is asked for than the quota holds, by clients beside one another: what they got, what the disk held at most
// meanwhile, and how much of it came from the cache.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Random, seedOf } from '../fuzz/random.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { fetchAll } from '../support/proxy/http-client.ts';
import { spawnProxy } from '../support/proxy/spawned-proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { wheel } from '../support/upstream/wheels.ts';

export interface QuotaPressure {
  readonly quotaBytes: number;
  /** How much the clients ask for in all, before they stop. */
  readonly askedBytes: number;
  readonly clients: number;
  /** The sizes of the files there are; the first are asked for most. */
  readonly sizes: readonly number[];
}

export interface UnderPressure {
  /** The most that `du` saw of bodies, whole and partial. */
  readonly mostBytes: number;
  /** What folders and unfilled blocks may add to the bytes of bodies. */
  readonly roundingBytes: number;
  readonly downloads: number;
  /** How often a client was told to come again, and came: none may be where the machine keeps up. */
  readonly refused: number;
  /** Of the downloads, in [0, 1]: those for which no upstream was asked. */
  readonly hitRate: number;
  readonly evictions: number;
  /** How late the proxy's event loop was, half of the times and one time in a hundred; milliseconds. */
  readonly loopLateMs: readonly [median: number, p99: number];
}

const BLOCK_BYTES = 4096;
const SEED = seedOf(6);

/** Asserts that every download is whole and right. */
export async function underPressure(t: TestContext, pressure: QuotaPressure): Promise<UnderPressure> {
  const { quotaBytes, askedBytes, clients, sizes } = pressure;
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const files = sizes.map((sizeBytes, i) => wheel({ name: `demo${i}`, version: '1.0', sizeBytes }));
  for (const [i, file] of files.entries()) index.add(`demo${i}`, file);
  const dataDir = await temporaryFolder(t);
  const env = { WHEELKEEP_DISK_QUOTA: String(quotaBytes), WHEELKEEP_FREE_SPACE_FLOOR: '0' };
  const proxy = await spawnProxy({ dataDir, upstreams: [index.url], env });
  t.after(() => proxy.stop('SIGKILL'));
  const random = new Random(SEED);
  let left = askedBytes;
  let downloads = 0;
  let refused = 0;
  const client = async () => {
    while (left > 0) {
      // A few are wanted by everybody, most by few.
      const file = files[Math.floor(files.length * random.next() ** 3)]!;
      const url = `${proxy.url}/files/http/${new URL(index.url).host}${index.pathOf(file)}`;
      const answer = await fetchAll(url);
      if (answer.status === 503) {
        refused++;
        await sleep(1000 * Number(answer.field('retry-after')));
        continue;
      }
      left -= file.bytes.length;
      downloads++;
      const { status, complete, sha256 } = answer;
      assert.deepEqual([status, complete, sha256], [200, true, file.sha256], `seed ${SEED}`);
    }
  };
  let done = false;
  let mostBytes = 0;
  const watch = (async () => {
    while (!done) mostBytes = Math.max(mostBytes, await bytesOfBodies(dataDir));
  })();
  try {
    await Promise.all(Array.from({ length: clients }, client));
  } finally {
    done = true;
    await watch;
  }
  const metrics = await proxy.metrics();
  const evictions = metrics['wheelkeep_evictions_total{reason="quota"}'] ?? 0;
  assert.equal(await proxy.stop(), 0);
  return {
    mostBytes,
    roundingBytes: (files.length * 2 + 3 * 256) * BLOCK_BYTES,
    downloads,
    refused,
    hitRate: 1 - index.fileRequests / downloads,
    evictions,
    loopLateMs: [metrics.nodejs_eventloop_lag_p50_seconds! * 1000, metrics.nodejs_eventloop_lag_p99_seconds! * 1000],
  };
}

/** What `du` counts, but for the two databases. */
async function bytesOfBodies(dataDir: string): Promise<number> {
  const places = ['blobs', 'bodies'].map((name) => `${dataDir}/${name}`);
  // It ends with 1 when a file was evicted under its eyes; what it counted is right all the same.
  const { stdout } = await promisify(execFile)('du', [
    '--summarize',
    '--block-size=1',
    '--exclude=index.sqlite*',
    ...places,
  ]).catch((error: { readonly stdout: string }) => error);
  return stdout
    .trim()
    .split('\n')
    .reduce((sum, line) => sum + Number(line.split('\t')[0]), 0);
}
