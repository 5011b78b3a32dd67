// `npm run soak -- --minutes 30`: the real binary under mixed load, with random faults of the index, of Redis and of its
// clients, all from one seed. Its memory budget is small, so that it is full after a few minutes and whatever grows then
// is a leak. Ends with 1 when a wrong byte or an error for something held was seen, or when anything grew that must not.

import { existsSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Random, seedOf } from '../fuzz/random.ts';
import { storedBlobs, temporaryFiles } from '../support/disk/stored-files.ts';
import { makeFolder, removeFolder } from '../support/disk/temporary-folder.ts';
import { fetchAll } from '../support/proxy/http-client.ts';
import { JSON_TYPE } from '../support/proxy/page-client.ts';
import { spawnProxy } from '../support/proxy/spawned-proxy.ts';
import { RedisServer, redisMissing } from '../support/redis/redis-server.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import type { Fault } from '../support/upstream/fault-plan.ts';
import * as faults from '../support/upstream/faults.ts';
import { wheel } from '../support/upstream/wheels.ts';
import { residentBytes } from './crowd.ts';

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '30' } } });
const MINUTES = Number(values.minutes);
const SEED = seedOf(Date.now() % 1_000_000);
const CLIENTS = 6;
const HELD = 40;

const random = new Random(SEED);
const index = await FakeIndex.start();
const redis = redisMissing === false ? await RedisServer.start() : undefined;
const dataDir = await makeFolder();
const env = {
  WHEELKEEP_PAGE_FRESH: '2s',
  WHEELKEEP_LOG_LEVEL: 'error',
  WHEELKEEP_MEMORY: '8MB',
  ...(redis === undefined ? {} : { WHEELKEEP_REDIS_URL: redis.url, WHEELKEEP_REDIS_SECRET: 'soak' }),
};
const proxy = await spawnProxy({ dataDir, upstreams: [index.url], env });
console.log(`seed ${SEED}; ${MINUTES} minutes; ${redis === undefined ? 'no Redis here' : 'with Redis'}`);

const wrong: string[] = [];
const counts = { held: 0, cold: 0, coldRefused: 0, left: 0, faults: 0 };
const startedAt = performance.now();
let over = false;

const files = Array.from({ length: HELD }, (_, i) => {
  const sizeBytes = i % 10 === 0 ? 3_000_000 : 2_000 + random.below(200_000);
  return wheel({ name: `held${i}`, version: '1.0', sizeBytes });
});
for (const [i, file] of files.entries()) {
  index.add(`held${i}`, file);
  await askPage(i);
  await askFile(i);
}

const FAULTS: readonly (readonly [RegExp, Fault])[] = [
  [/^/, faults.status(500)],
  [/^/, faults.status(503)],
  [/^/, faults.status(429, ['retry-after', '2'])],
  [/^/, faults.status(403)],
  [/^/, faults.silence()],
  [/^/, faults.silenceAfter(50)],
  [/^/, faults.hangUp('rst')],
  [/^/, faults.hangUp('fin')],
  [/^/, faults.delay(800)],
  [/^/, faults.truncated(100)],
  [/^/, faults.unfinishedChunks(100)],
  [/^/, faults.closeDelimited(100)],
  [/^/, faults.loginPage()],
  [/^/, faults.redirectLoop()],
  [/^/, faults.rawBytes('nonsense\r\n\r\n')],
  [/^/, faults.tooLong()],
  [/^\/simple/, faults.cutBody(40)],
  [/^\/simple/, faults.emptyBody()],
  [/^\/simple/, faults.mislabelledGzip()],
  [/^\/simple/, faults.rate(50)],
  [/^\/simple/, faults.gzipBomb(200 << 20)],
  [/^\/packages/, faults.status(404)],
  [/^\/packages/, faults.wrongByte(-9)],
  [/^\/packages/, faults.unaskedPartial()],
  [/^\/packages/, faults.gzipped()],
];

interface Sample {
  readonly at: number;
  readonly fds: number;
  readonly temporary: number;
  /** Bytes: of the whole process, of V8's heap in use, and of buffers outside of it. */
  readonly rss: number;
  readonly heap: number;
  readonly external: number;
}

const samples: Sample[] = [];
const work = [upstreamFaults(), redisFaults(), sampling(), ...Array.from({ length: CLIENTS }, client)];
await sleep(MINUTES * 60_000);
over = true;
await Promise.all(work);
index.clearFaults();
await sleep(3_000);
await judge();

async function client(): Promise<void> {
  while (!over) {
    const i = random.below(HELD);
    const choice = random.next();
    if (choice < 0.5) await askPage(i);
    else if (choice < 0.85) await askFile(i);
    else if (choice < 0.93) await leave(i);
    else await askCold();
    await sleep(random.below(20));
  }
}

async function askPage(i: number): Promise<void> {
  counts.held += 1;
  const accept = random.chance(0.5) ? JSON_TYPE : 'text/html';
  await expectHeld(`/simple/held${i}/`, { accept }, (body) => body.includes(`held${i}-1.0`));
}

async function askFile(i: number): Promise<void> {
  counts.held += 1;
  await expectHeld(pathOf(i), {}, (_body, sha256) => sha256 === files[i]!.sha256);
}

/** A client that goes away in the middle, of what is held or of what nobody has. */
async function leave(i: number): Promise<void> {
  counts.left += 1;
  const abortAfterBytes = 1 + random.below(files[i]!.bytes.length);
  await fetchAll(proxy.url + pathOf(i), { abortAfterBytes, keepBody: false }).catch(() => {});
}

async function askCold(): Promise<void> {
  counts.cold += 1;
  const name = `cold${counts.cold}`;
  const file = wheel({ name, version: '1.0', sizeBytes: random.chance(0.1) ? 2_500_000 : 5_000 });
  index.add(name, file);
  const path = `/files/http/${new URL(index.url).host}${index.pathOf(file)}`;
  const answer = await fetchAll(proxy.url + path, { keepBody: false });
  index.forget(name);
  if (answer.status === 200 && answer.complete && answer.sha256 !== file.sha256) wrong.push(`wrong bytes of ${name}`);
  if (answer.status !== 200 || !answer.complete) counts.coldRefused += 1;
  if (![200, 404, 502, 503].includes(answer.status)) wrong.push(`${name}: ${answer.status}`);
}

async function expectHeld(
  path: string,
  fields: Readonly<Record<string, string>>,
  isRight: (body: string, sha256: string) => boolean,
): Promise<void> {
  try {
    const answer = await fetchAll(proxy.url + path, { fields });
    if (answer.status === 200 && answer.complete && isRight(answer.text(), answer.sha256)) return;
    wrong.push(`${path}: ${answer.status} ${answer.complete ? '' : 'cut'} ${answer.text().slice(0, 200)}`);
  } catch (error) {
    wrong.push(`${path}: ${(error as Error).message}`);
  }
}

function pathOf(i: number): string {
  return `/files/http/${new URL(index.url).host}${index.pathOf(files[i]!)}`;
}

async function upstreamFaults(): Promise<void> {
  // What the worst of them leave allocated must not look like growth because it happens to come late.
  for (const [pattern, fault] of FAULTS) {
    const lift = index.fault(pattern, fault);
    await sleep(2_000);
    lift();
    await sleep(500);
  }
  while (!over) {
    await sleep(300 + random.below(2_000));
    counts.faults += 1;
    if (random.chance(0.1)) {
      await index.down();
      await sleep(random.below(3_000));
      await index.up();
      continue;
    }
    const [pattern, fault] = random.pick(FAULTS);
    const share = random.next();
    const lift = index.fault(pattern, (exchange) => {
      return random.chance(share) ? fault(exchange) : exchange.send(exchange.answer);
    });
    await sleep(300 + random.below(4_000));
    lift();
  }
}

async function redisFaults(): Promise<void> {
  if (redis === undefined) return;
  while (!over) {
    await sleep(5_000 + random.below(10_000));
    if (random.chance(0.5)) {
      redis.freeze();
      await sleep(random.below(4_000));
      redis.thaw();
    } else {
      await redis.kill();
      await sleep(random.below(3_000));
      await redis.restart();
    }
  }
}

async function sampling(): Promise<void> {
  for (let minute = 1; !over; ) {
    samples.push(await sample());
    if (performance.now() > startedAt + minute * 60_000) {
      console.log(`minute ${minute}: ${inWords(samples.slice(-12))}`);
      minute += 1;
    }
    await sleep(5_000);
  }
}

async function sample(): Promise<Sample> {
  const metrics = await proxy.metrics();
  return {
    at: performance.now(),
    fds: readdirSync(`/proc/${proxy.pid}/fd`).length,
    temporary: (await temporaryFiles(dataDir)).length,
    rss: await residentBytes(proxy.pid),
    heap: metrics.nodejs_heap_size_used_bytes!,
    external: metrics.nodejs_external_memory_bytes!,
  };
}

/** The medians of the samples. */
function inWords(part: readonly Sample[]): string {
  const middle = (key: keyof Sample) => part.map((one) => one[key]).toSorted((a, b) => a - b)[part.length >> 1] ?? 0;
  const megabytes = (key: 'rss' | 'heap' | 'external') => (middle(key) / 1e6).toFixed(0);
  return (
    `resident ${megabytes('rss')} MB (heap ${megabytes('heap')}, buffers ${megabytes('external')}), ` +
    `descriptors ${middle('fds')} (most ${Math.max(...part.map(({ fds }) => fds))}), temporary files ${middle('temporary')}`
  );
}

async function judge(): Promise<void> {
  const metrics = await proxy.metrics();
  const unhandled = metrics.wheelkeep_unhandled_errors_total ?? 0;
  if (unhandled > 0) wrong.push(`${unhandled} unhandled errors:\n${proxy.output().slice(-2_000)}`);
  const last = await sample();
  if (last.temporary > 0) wrong.push(`${last.temporary} temporary files were left`);
  if (!existsSync(`/proc/${proxy.pid}`)) wrong.push('the process is gone');
  await storedBlobs(dataDir);

  // After a third of the time everything is warm; what is flat then stays flat.
  const warm = samples.filter(({ at }) => at > startedAt + MINUTES * 20_000);
  const half = warm.length >> 1;
  const [early, late] = [warm.slice(0, half), warm.slice(half)];
  const figures = (list: typeof warm, key: 'fds' | 'rss') => list.reduce((sum, one) => sum + one[key], 0) / list.length;
  const rss = [early, late].map((list) => figures(list, 'rss') / 1e6);
  const fds = [early, late].map((list) => figures(list, 'fds'));
  if (rss[1]! > rss[0]! * 1.1 + 10) wrong.push(`memory grew from ${rss[0]} to ${rss[1]} MB`);
  if (fds[1]! > fds[0]! * 1.1 + 10) wrong.push(`descriptors grew from ${fds[0]} to ${fds[1]}`);
  console.log(JSON.stringify(counts));
  console.log(
    `resident MB: ${rss.map((value) => value.toFixed(0)).join(' -> ')}, at the end ${(last.rss / 1e6).toFixed(0)}`,
  );
  console.log(`descriptors: ${fds.map((value) => value.toFixed(0)).join(' -> ')}, at the end ${last.fds}`);
  for (let from = 0; from < MINUTES; from += 5) {
    const start = startedAt + from * 60_000;
    console.log(`from minute ${from}: ${inWords(samples.filter(({ at }) => at >= start && at < start + 300_000))}`);
  }
  console.log(`blobs: ${(await storedBlobs(dataDir)).length}, all right`);
  for (const text of wrong.slice(0, 20)) console.log(`wrong: ${text}`);
  process.exitCode = wrong.length === 0 ? 0 : 1;
  await proxy.stop();
  await redis?.kill();
  await index.close();
  await removeFolder(dataDir);
}
