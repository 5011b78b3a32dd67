// A fault of our own (the page thread ends, a bug) is never blamed on upstream: the good copy is served, and it counts
// as ours.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { toUpstreamFailure } from '../../src/net/failures.ts';
import { FakeClock } from '../support/clock/clock.ts';
import { until } from '../support/clock/until.ts';
import { getPage } from '../support/proxy/page-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { wheel } from '../support/upstream/wheels.ts';

/** From here on each job for the page thread ends it. Undone at the end of the test. */
function killPageThreads(t: TestContext): () => void {
  const { postMessage } = Worker.prototype;
  const restore = () => {
    Worker.prototype.postMessage = postMessage;
  };
  Worker.prototype.postMessage = function (this: Worker) {
    void this.terminate();
  };
  t.after(restore);
  return restore;
}

async function world(t: TestContext, ...names: readonly string[]) {
  const clock = new FakeClock();
  const index = await FakeIndex.start();
  t.after(() => index.close());
  // Large enough to be read in the thread.
  for (const name of names) {
    const versions = Array.from({ length: 400 }, (_, i) => wheel({ name, version: `1.${i}`, sizeBytes: 1_000 }));
    index.add(name, ...versions);
  }
  const proxy = await startProxy({ upstreams: [index.url], now: clock.now });
  t.after(() => proxy.close());
  const host = new URL(index.url).host;
  const counts = async () => {
    const metrics = await proxy.metrics();
    return {
      ours: metrics.wheelkeep_unhandled_errors_total ?? 0,
      breaker: metrics[`wheelkeep_upstream_breaker_state{upstream="${host}"}`],
      invalid: metrics[`wheelkeep_upstream_requests_total{upstream="${host}",kind="page",result="invalid-body"}`] ?? 0,
    };
  };
  return { clock, index, proxy, counts };
}

test('while the page thread ends at every job the held page is served, upstream is not blamed, and each is counted', async (t) => {
  const names = Array.from({ length: 6 }, (_, i) => `large-${i}`);
  const { clock, index, proxy, counts } = await world(t, ...names);
  const held = new Map<string, string>();
  for (const name of names) held.set(name, (await getPage(proxy, name)).sha256);
  const restore = killPageThreads(t);
  for (const name of names) index.bumpSerial(name);
  clock.advance(61_000);
  for (const name of names) {
    const answer = await getPage(proxy, name);
    assert.deepEqual([answer.status, answer.sha256], [200, held.get(name)]);
    assert.notEqual(answer.field('x-wheelkeep-stale'), undefined);
  }
  await until(async () => (await counts()).ours === names.length);
  assert.deepEqual(await counts(), { ours: names.length, breaker: 0, invalid: 0 });
  restore();
  clock.advance(61_000);
  for (const name of names) assert.equal((await getPage(proxy, name)).field('x-wheelkeep-stale'), undefined);
});

test('with nothing held the client hears of a fault of ours, when to come back, and upstream is asked seldom', async (t) => {
  const { index, proxy, counts } = await world(t, 'large', 'other');
  const restore = killPageThreads(t);
  for (let i = 0; i < 10; i += 1) {
    const answer = await getPage(proxy, 'large');
    assert.deepEqual([answer.status, answer.field('retry-after')], [500, '5']);
    assert.match(answer.text(), /internal-error/);
  }
  assert.equal(index.requests('/simple/large/'), 2);
  assert.deepEqual(await counts(), { ours: 2, breaker: 0, invalid: 0 });
  restore();
  assert.equal((await getPage(proxy, 'other')).status, 200);
});

test('a bug met while asking is no failure of upstream', () => {
  for (const bug of [new TypeError('x is not a function'), new RangeError('out of range')]) {
    assert.throws(() => toUpstreamFailure(bug, 'exchange', 'index.example'), bug);
  }
  const broken = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' });
  assert.equal(toUpstreamFailure(broken, 'exchange', 'index.example').kind, 'reset');
});
