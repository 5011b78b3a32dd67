// More than there is room for: slow clients, too many connections, too much that is cold. What is hot stays fast, memory
// stays bounded, what cannot be taken on is refused at once, and afterwards all is as before.

import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { type TestContext, test } from 'node:test';
import { burden, request, residentBytes, slowest } from '../soak/crowd.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { fetchAll, get, sendRaw } from '../support/proxy/http-client.ts';
import { getPage, until } from '../support/proxy/page-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { spawnProxy } from '../support/proxy/spawned-proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { delay, silence } from '../support/upstream/faults.ts';
import { wheel } from '../support/upstream/wheels.ts';

const READERS = 300;
const FILE_BYTES = 8_000_000;
/** For all of them: three large buffers each would be 230 MB. */
const MAX_GROWTH_BYTES = 180e6;

async function world(t: TestContext, limit?: string) {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const file = wheel({ name: 'foo', version: '1.0', sizeBytes: FILE_BYTES });
  index.add('foo', file);
  const dataDir = await temporaryFolder(t);
  const proxy = await spawnProxy({ dataDir, upstreams: [index.url], ...(limit === undefined ? {} : { limit }) });
  t.after(() => proxy.stop('SIGKILL'));
  return { index, proxy, file, path: `/files/http/${new URL(index.url).host}${index.pathOf(file)}` };
}

for (const state of ['hot', 'cold']) {
  test(`${READERS} clients that do not read a ${state} file slow nobody down and cost little memory`, async (t) => {
    const { index, proxy, file, path } = await world(t);
    await getPage(proxy, 'foo');
    if (state === 'hot') assert.equal((await get(proxy.url + path)).sha256, file.sha256);
    await slowest(`${proxy.url}/simple/foo/`, 50);
    const before = await residentBytes(proxy.pid);
    await burden(t, proxy.port, READERS, request(path));
    assert.ok((await slowest(`${proxy.url}/simple/foo/`, 100)) < 250);
    assert.equal((await fetchAll(proxy.url + path)).sha256, file.sha256);
    const grown = (await residentBytes(proxy.pid)) - before;
    assert.ok(grown < MAX_GROWTH_BYTES, `${Math.round(grown / 1e6)} MB more`);
    assert.equal(index.requests(index.pathOf(file)), 1);
  });
}

test('without a descriptor left it refuses, and serves again within seconds of their return', async (t) => {
  const { proxy, file, path } = await world(t, '-n 64');
  assert.equal((await get(proxy.url + path)).sha256, file.sha256);
  const sockets = await burden(t, proxy.port, 200, request('/simple/foo/'));
  // Whoever comes now may be refused or wait; the process lives.
  const page = `${proxy.url}/simple/foo/`;
  await fetchAll(page, { signal: AbortSignal.timeout(500) }).catch(() => undefined);
  for (const socket of sockets) socket.destroy();
  const asked = () => fetchAll(proxy.url + path, { signal: AbortSignal.timeout(1_000) });
  const first = await until(
    () => asked().catch(() => get(`${proxy.url}/-/live`)),
    (answer) => answer.sha256 === file.sha256,
  );
  assert.equal(first.status, 200);
  assert.equal((await proxy.metrics()).wheelkeep_unhandled_errors_total ?? 0, 0, proxy.output());
});

test('a client that sends thousands of requests ahead and reads nothing is cut off before it costs memory', async (t) => {
  const { proxy } = await world(t);
  const page = request('/simple/foo/');
  await slowest(`${proxy.url}/simple/foo/`, 20);
  const before = await residentBytes(proxy.pid);
  const polite = await sendRaw(proxy.url, page.repeat(50));
  assert.equal(polite.match(/^HTTP\/1\.1 200/gm)?.length, 50);
  await Promise.all(Array.from({ length: 120 }, () => sendRaw(proxy.url, page.repeat(5_000), 5_000)));
  assert.ok((await slowest(`${proxy.url}/simple/foo/`, 20)) < 500);
  // Three hundred where all that was read of them is made into requests.
  const grown = (await residentBytes(proxy.pid)) - before;
  assert.ok(grown < 120e6, `${Math.round(grown / 1e6)} MB more`);
});

test('one address that takes all the connections it can get leaves some to the others, for as long as it likes', async (t) => {
  const { proxy } = await world(t, '-n 200');
  // Each has had an answer and is kept; nothing more comes over it.
  const hoard = await burden(t, proxy.port, 400, request('/-/live'));
  const other = new Agent({ localAddress: '127.0.0.2' });
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => fetchAll(`${proxy.url}/simple/foo/`, { agent: other })),
  );
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
  for (const socket of hoard) socket.destroy();
});

/** Thousands of projects that nobody holds, asked for at once by one address. */
async function hog(t: TestContext, port: number, localAddress: string) {
  for (let k = 0; k < 30; k += 1) {
    const asked = Array.from({ length: 100 }, (_, i) => request(`/simple/cold-${k}-${i}/`));
    await burden(t, port, 1, asked.join(''), localAddress);
  }
}

test('an address that asks for 3,000 cold projects has all there is, until another one asks for one: that is fetched at once', async (t) => {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const proxy = await startProxy({ upstreams: [index.url] });
  t.after(() => proxy.close());
  index.add('wanted', wheel({ name: 'wanted', version: '1.0' }));
  const lift = index.fault(/^\/simple\/cold/, silence());
  await hog(t, proxy.port, '127.0.0.2');
  await index.waitFor(() => index.requests(/^\/simple\/cold/) === 64);
  await until(
    () => get(`${proxy.url}/metrics`),
    (metrics) => /^wheelkeep_active_flights 2000$/m.test(metrics.text()),
  );
  const ask = (name: string, localAddress: string) =>
    fetchAll(`${proxy.url}/simple/${name}/`, { agent: new Agent({ localAddress }) });
  assert.equal((await ask('one-more', '127.0.0.2')).status, 503);
  index.fault('/simple/wanted/', delay(300));
  const answer = await ask('wanted', '127.0.0.3');
  assert.equal(answer.status, 200);
  assert.ok(answer.totalMs < 1_500, `${answer.totalMs} ms`);
  lift();
});

test('thousands whose time is over while they wait for a place do not speak against the upstream', async (t) => {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const proxy = await startProxy({ upstreams: [index.url] });
  t.after(() => proxy.close());
  index.fault(/^\/simple\/cold/, delay(1_000));
  await hog(t, proxy.port, '127.0.0.2');
  const counted = async (result: string) => {
    const metrics = (await get(`${proxy.url}/metrics`)).text().split('\n');
    const line = metrics.find((one) => one.startsWith('wheelkeep_upstream_requests') && one.includes(`"${result}"`));
    return Number(line?.split(' ').at(-1) ?? 0);
  };
  // Their time is over after 9.2 s.
  const deadline = performance.now() + 30_000;
  while ((await counted('crowded')) < 100) {
    assert.ok(performance.now() < deadline, `${await counted('crowded')} crowded, ${await counted('timeout')} late`);
    await getPage(proxy, 'other');
  }
  assert.equal(await counted('timeout'), 0);
  assert.equal((await getPage(proxy, 'another')).status, 404);
});

test('when too much is being fetched, what nobody holds is refused at once with 503, and what is held is served', async (t) => {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const proxy = await startProxy({ upstreams: [index.url] });
  t.after(() => proxy.close());
  index.add('held', wheel({ name: 'held', version: '1.0' }));
  assert.equal((await getPage(proxy, 'held')).status, 200);
  const lift = index.fault(/^\/simple\/cold/, silence());
  const crowd = await Promise.all(
    Array.from({ length: 20 }, (_, k) => {
      return burden(
        t,
        proxy.port,
        1,
        Array.from({ length: 100 }, (_, i) => request(`/simple/cold-${k}-${i}/`)).join(''),
      );
    }),
  );
  const refused = await until(
    () => getPage(proxy, `cold-${Math.random().toString(36).slice(2)}`, { connection: 'close' }),
    ({ status }) => status === 503,
  );
  assert.match(refused.text(), /Too much is being fetched/);
  assert.equal(refused.field('retry-after'), '1');
  assert.ok((await getPage(proxy, 'cold-again')).totalMs < 1_000);
  assert.equal((await getPage(proxy, 'held')).status, 200);
  for (const socket of crowd.flat()) socket.destroy();
  lift();
});
