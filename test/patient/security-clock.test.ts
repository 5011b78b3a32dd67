// A clock that is set while somebody waits changes no deadline: those are measured, not read from the clock.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RunningClock } from '../support/clock/clock.ts';
import { getPage } from '../support/proxy/page-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { delay, silence, status } from '../support/upstream/faults.ts';
import { wheel } from '../support/upstream/wheels.ts';

const DAY_MS = 24 * 3_600_000;

for (const [direction, ms] of [
  ['forward', DAY_MS],
  ['back', -DAY_MS],
] as const) {
  test(`the clock is set ${direction} by a day while the first mirror is asked: the second has its time all the same`, async (t) => {
    const clock = new RunningClock();
    const [first, second] = [await FakeIndex.start(), await FakeIndex.start()];
    for (const index of [first, second]) {
      t.after(() => index.close());
      index.add('foo', wheel({ name: 'foo', version: '1.0' }));
    }
    const proxy = await startProxy({ upstreams: [first.url, second.url], now: clock.now });
    t.after(() => proxy.close());
    first.fault('/simple/foo/', (exchange) => {
      clock.advance(ms);
      return status(500)(exchange);
    });
    second.fault('/simple/foo/', delay(300));
    assert.equal((await getPage(proxy, 'foo')).status, 200);
  });
}

test('the clock is set back by a day while an upstream is silent: the client hears of it in time', async (t) => {
  const clock = new RunningClock();
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const proxy = await startProxy({ upstreams: [index.url], now: clock.now });
  t.after(() => proxy.close());
  index.fault('/simple/foo/', silence());
  const asked = getPage(proxy, 'foo');
  await index.waitForRequest('/simple/foo/');
  clock.advance(-DAY_MS);
  const answer = await asked;
  assert.equal(answer.status, 503);
  assert.ok(answer.totalMs < 10_500);
});
