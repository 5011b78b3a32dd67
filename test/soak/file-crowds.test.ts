// Crowds that want one file: a thousand at once (L1), and five hundred who read slowly. Small requests meanwhile are sent
// at a fixed rate over a few connections that were open before, and wait from the moment they were due. (Who opens one
// meanwhile stands behind the crowd: libuv accepts one connection a turn of the event loop.) A bare server in a process of
// its own is asked the same: what its clients wait is the machine's fault.

import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { Agent } from 'node:http';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BareQuestion } from '../bench/bare-server.ts';
import { ask } from '../bench/child-calls.ts';
import type { CrowdResult, Download } from '../bench/crowd/crowd-clients.ts';
import { steadyLoad } from '../bench/steady-load.ts';
import { until } from '../support/clock/until.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { fetchAll, get } from '../support/proxy/http-client.ts';
import { spawnProxy } from '../support/proxy/spawned-proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { wheel } from '../support/upstream/wheels.ts';
import { residentBytes } from './crowd.ts';

const MEGABYTE = 1_000_000;
const PAGES_A_SECOND = 50;
const LOOK_MS = 50;
/** As many as an installer opens, or a little more. */
const CONNECTIONS = 4;

async function world(t: TestContext, sizeBytes: number) {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const file = wheel({ name: 'foo', version: '1.0', sizeBytes });
  index.add('foo', file);
  const proxy = await spawnProxy({ dataDir: await temporaryFolder(t), upstreams: [index.url] });
  t.after(() => proxy.stop('SIGKILL'));
  const page = `${proxy.url}/simple/foo/`;
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const bareAgent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  t.after(() => {
    agent.destroy();
    bareAgent.destroy();
  });
  const bare = helper(t, '../bench/bare-server.ts');
  const bareOrigin = await ask<string>(bare, undefined);
  await ask(bare, { url: page, fields: {} } satisfies BareQuestion);
  const ours = { url: page, agent };
  const theirs = { url: `${bareOrigin}/simple/foo/`, agent: bareAgent };
  for (const { url, agent } of [ours, theirs]) {
    await Promise.all(Array.from({ length: CONNECTIONS }, () => fetchAll(url, { agent })));
  }
  // A server that has just started compiles its code while it answers.
  await pages(ours, 2);
  const crowd = helper(t, '../bench/crowd/crowd-clients.ts');
  const url = `${proxy.url}/files/http/${new URL(index.url).host}${index.pathOf(file)}`;
  const download = (what: Omit<Download, 'url' | 'fields'>) => ask<CrowdResult>(crowd, { url, fields: {}, ...what });
  const asked = () => index.requests(index.pathOf(file));
  return { proxy, file, ours, theirs, url, download, asked };
}

function helper(t: TestContext, module: string): ChildProcess {
  const child = fork(new URL(module, import.meta.url));
  t.after(() => child.disconnect());
  return child;
}

/** What each of `seconds` x 50 requests for the page waited, ms. */
function pages({ url, agent }: { readonly url: string; readonly agent: Agent }, seconds: number): Promise<number[]> {
  return steadyLoad({ urls: [url], fields: {}, perSecond: PAGES_A_SECOND, seconds, agent });
}

/**
 * How much longer than at the bare server the requests for the page waited, ms, and the most memory meanwhile, bytes.
 */
async function meanwhile(
  t: TestContext,
  work: Promise<unknown>,
  { ours, theirs, proxy: { pid } }: Pick<Awaited<ReturnType<typeof world>>, 'ours' | 'theirs' | 'proxy'>,
) {
  let working = true;
  let peak = 0;
  const end = () => {
    working = false;
  };
  work.then(end, end);
  const watched = (async () => {
    while (working) {
      peak = Math.max(peak, await residentBytes(pid));
      await sleep(LOOK_MS);
    }
  })();
  const waits: number[] = [];
  const bareWaits: number[] = [];
  while (working) {
    const [more, bareMore] = await Promise.all([pages(ours, 1), pages(theirs, 1)]);
    waits.push(...more);
    bareWaits.push(...bareMore);
  }
  await watched;
  for (const [who, list] of [
    ['Wheelkeep', waits],
    ['the bare server', bareWaits],
  ] as const) {
    const shown = [0.5, 0.9, 0.99, 1].map((share) => at(list, share).toFixed(1));
    t.diagnostic(`p50, p90, p99 and longest wait for ${who}'s page: ${shown.join(', ')} ms`);
  }
  t.diagnostic(`resident: ${Math.round(peak / MEGABYTE)} MB at most`);
  const [p50, p99] = [0.5, 0.99].map((share) => at(waits, share) - at(bareWaits, share));
  return { p50: p50!, p99: p99!, peak, machineMs: at(bareWaits, 0.99) };
}

function at(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) * share)]!;
}

function requireRight({ clients }: CrowdResult, sha256: string, count: number): void {
  const right = clients.filter((client) => client.sha256 === sha256 && client.error === undefined);
  assert.equal(right.length, count, JSON.stringify(clients.find((client) => client.sha256 !== sha256)));
}

async function descriptors(pid: number): Promise<number> {
  return (await readdir(`/proc/${pid}/fd`)).length;
}

test('L1: a thousand clients for one cold file of 8 MB are one request upstream, and disturb nobody', async (t) => {
  const scene = await world(t, 8 * MEGABYTE);
  const { proxy, file, download, asked } = scene;
  const before = await descriptors(proxy.pid);
  const crowd = download({ clients: 1_000, hashed: 1_000 });
  const { p99, peak, machineMs } = await meanwhile(t, crowd, scene);
  requireRight(await crowd, file.sha256, 1_000);
  assert.equal(asked(), 1);
  assert.ok(p99 < 100, `${p99} ms`);
  assert.ok(peak < 350 * MEGABYTE);
  const delay = (await proxy.metrics()).nodejs_eventloop_lag_p99_seconds ?? 0;
  t.diagnostic(`p99 of the event loop's delay: ${(delay * 1000).toFixed(1)} ms`);
  assert.ok(delay * 1000 < 50 + machineMs);
  // The file, and the connections kept by those who asked for pages.
  await until(async () => (await descriptors(proxy.pid)) <= before + 20);
});

test('L1: three hundred clients for one cold file of 100 MB, of whom 280 leave at 5 MB', async (t) => {
  const scene = await world(t, 100 * MEGABYTE);
  const { proxy, file, download, asked } = scene;
  const before = await descriptors(proxy.pid);
  const leaving = { clients: 280, afterBytes: 5 * MEGABYTE };
  const crowd = download({ clients: 300, hashed: 20, leaving });
  const { p99, peak } = await meanwhile(t, crowd, scene);
  requireRight(await crowd, file.sha256, 20);
  assert.equal(asked(), 1);
  assert.ok(p99 < 100, `${p99} ms`);
  assert.ok(peak < 350 * MEGABYTE);
  await until(async () => (await descriptors(proxy.pid)) <= before + 20);
});

for (const state of ['hot', 'cold']) {
  test(`five hundred clients who read a ${state} file at 200 KB/s are all served, and disturb nobody`, async (t) => {
    const scene = await world(t, 6 * MEGABYTE);
    const { proxy, file, ours, url, download, asked } = scene;
    if (state === 'hot') assert.equal((await fetchAll(url)).sha256, file.sha256);
    const before = await residentBytes(proxy.pid);
    const crowd = download({ clients: 500, hashed: 500, bytesPerSecond: 200_000 });
    const { p50, peak } = await meanwhile(t, crowd, scene);
    requireRight(await crowd, file.sha256, 500);
    assert.equal(asked(), 1);
    assert.ok(p50 < 5, `${p50} ms`);
    t.diagnostic(`${Math.round((peak - before) / MEGABYTE)} MB more`);
    assert.ok(peak - before < 100 * MEGABYTE);
    assert.equal((await get(ours.url)).status, 200);
  });
}
