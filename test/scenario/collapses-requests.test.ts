// However many ask at once, upstream is asked once.

import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { it, type TestContext } from 'node:test';
import { FakeClock } from '../support/clock/clock.ts';
import { fetchAll, get } from '../support/proxy/http-client.ts';
import { JSON_TYPE } from '../support/proxy/page-client.ts';
import { type RunningProxy, startProxy } from '../support/proxy/proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { delay, status } from '../support/upstream/faults.ts';
import { wheel } from '../support/upstream/wheels.ts';

const CLIENTS = 100;
const PAGE = '/simple/foo/';

async function setting(test: TestContext) {
  const clock = new FakeClock();
  const index = await FakeIndex.start();
  test.after(() => index.close());
  index.add('foo', wheel({ name: 'foo', version: '1.0' }));
  const proxy = await startProxy({ upstreams: [index.url], now: clock.now });
  const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS });
  test.after(async () => {
    agent.destroy();
    await proxy.close();
  });
  return { clock, index, proxy, agent };
}

/** Half of them want JSON, half HTML, in three codings: all of it comes from one upstream answer. */
function crowd(proxy: RunningProxy, agent: Agent) {
  return Promise.all(
    Array.from({ length: CLIENTS }, (_, i) => {
      const fields = {
        accept: i % 2 === 0 ? JSON_TYPE : 'text/html',
        'accept-encoding': ['identity', 'gzip', 'zstd'][i % 3]!,
      };
      return fetchAll(`${proxy.url}${PAGE}`, { agent, fields });
    }),
  );
}

for (const pauseMs of [0, 100]) {
  it(`a hundred clients for a cold page are one request upstream, which answers in ${pauseMs} ms`, async (test) => {
    const { index, proxy, agent } = await setting(test);
    index.fault(PAGE, delay(pauseMs));
    for (const { status } of await crowd(proxy, agent)) assert.equal(status, 200);
    assert.equal(index.requests(PAGE), 1);
    if (pauseMs === 0) return;
    const metrics = await proxy.metrics();
    const collapsed = metrics['wheelkeep_collapsed_requests_total{kind="page"}'] ?? 0;
    const hits = metrics['wheelkeep_requests_total{kind="page",outcome="hit",status="2xx"}'] ?? 0;
    // Who comes when the page has landed is a hit; all others shared the fetch.
    assert.ok(collapsed > 0);
    assert.equal(collapsed + hits, CLIENTS - 1);
  });
}

it('a hundred clients for an expired page are one request upstream, and one for a page that has changed', async (test) => {
  const { clock, index, proxy, agent } = await setting(test);
  await crowd(proxy, agent);
  clock.advance(61_000);
  for (const { status } of await crowd(proxy, agent)) assert.equal(status, 200);
  assert.equal(index.requests(PAGE), 2);
  index.add('foo', wheel({ name: 'foo', version: '2.0' }));
  clock.advance(61_000);
  for (const answer of await crowd(proxy, agent)) assert.equal(answer.status, 200);
  assert.equal(index.requests(PAGE), 3);
});

it('a hundred clients for a page that does not exist are one request upstream', async (test) => {
  const { index, proxy, agent } = await setting(test);
  index.remove('foo');
  for (const { status } of await crowd(proxy, agent)) assert.equal(status, 404);
  assert.equal(index.requests(PAGE), 1);
});

it('a hundred clients hear of one failure, and the next one asks anew', async (test) => {
  const { index, proxy, agent } = await setting(test);
  index.fault(PAGE, delay(1_500, status(403)), { times: 1 });
  for (const { status } of await crowd(proxy, agent)) assert.equal(status, 502);
  assert.equal((await get(`${proxy.url}${PAGE}`)).status, 200);
  assert.equal(index.requests(PAGE), 2);
});

it('a client that leaves takes nothing from the others', async (test) => {
  const { index, proxy, agent } = await setting(test);
  index.fault(PAGE, delay(200));
  const leaving = new AbortController();
  const gone = fetchAll(`${proxy.url}${PAGE}`, { signal: leaving.signal }).catch((error: Error) => error.name);
  await index.waitForRequest(PAGE);
  const others = crowd(proxy, agent);
  leaving.abort();
  assert.equal(await gone, 'AbortError');
  for (const { status } of await others) assert.equal(status, 200);
  assert.equal(index.requests(PAGE), 1);
});
