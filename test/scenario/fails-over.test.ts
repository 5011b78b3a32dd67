// Equivalent mirrors of one index: any that is healthy answers, and nobody notices which.

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { FakeClock } from '../support/clock/clock.ts';
import { freePort } from '../support/proxy/free-port.ts';
import { getPage, listed } from '../support/proxy/page-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import type { Fault } from '../support/upstream/fault-plan.ts';
import { hangUp, loginPage, status } from '../support/upstream/faults.ts';
import { wheel } from '../support/upstream/wheels.ts';

const PAGE = '/simple/foo/';

async function mirrors(test: TestContext) {
  const clock = new FakeClock();
  const [first, second] = [await FakeIndex.start(), await FakeIndex.start()];
  test.after(() => Promise.all([first.close(), second.close()]));
  for (const mirror of [first, second]) mirror.add('foo', wheel({ name: 'foo', version: '1.0' }));
  const proxy = await startProxy({ upstreams: [first.url, second.url], now: clock.now });
  test.after(() => proxy.close());
  return { clock, first, second, proxy };
}

describe('of two mirrors', () => {
  it('the first is asked, and the second only when the first fails', async (test) => {
    const { clock, first, second, proxy } = await mirrors(test);
    assert.equal((await getPage(proxy, 'foo')).status, 200);
    assert.deepEqual([first.requests(), second.requests()], [1, 0]);
    await first.down();
    clock.advance(61_000);
    const answer = await getPage(proxy, 'foo');
    assert.equal(answer.status, 200);
    assert.equal(answer.field('x-wheelkeep-stale'), undefined);
    assert.equal(second.requests(PAGE), 1);
  });

  const FAULTS: readonly (readonly [string, () => Fault])[] = [
    ['hangs up', () => hangUp()],
    ['answers 503', () => status(503)],
    ['answers 403', () => status(403)],
    ['answers 429', () => status(429)],
  ];
  for (const [name, fault] of FAULTS) {
    it(`the second answers a cold page while the first ${name}`, async (test) => {
      const { first, proxy } = await mirrors(test);
      first.fault(PAGE, fault());
      const answer = await getPage(proxy, 'foo');
      assert.equal(answer.status, 200);
      assert.ok(answer.totalMs < 2_000, `${answer.totalMs} ms`);
    });
  }

  it('neither is needed for what is held, and a page of the lagging one does not replace a newer one', async (test) => {
    const { clock, first, second, proxy } = await mirrors(test);
    first.add('foo', wheel({ name: 'foo', version: '2.0' }));
    assert.equal(listed(await getPage(proxy, 'foo')).length, 2);
    await first.down();
    clock.advance(61_000);
    const kept = await getPage(proxy, 'foo');
    assert.equal(listed(kept).length, 2);
    assert.equal(kept.field('x-wheelkeep-stale'), 'unconfirmed');
    await second.down();
    clock.advance(61_000);
    assert.equal(listed(await getPage(proxy, 'foo')).length, 2);
  });

  it('a login page of the first is an error of the moment, and a copy is kept from it', async (test) => {
    const { clock, first, proxy } = await mirrors(test);
    const held = await getPage(proxy, 'foo');
    first.bumpSerial('foo');
    first.fault(PAGE, loginPage());
    clock.advance(61_000);
    assert.deepEqual((await getPage(proxy, 'foo')).body, held.body);
  });
});

it('a proxy whose upstream is itself says so at once, after one round', async (test) => {
  const port = await freePort();
  const proxy = await startProxy({ upstreams: [`http://127.0.0.1:${port}/simple/`], config: { port } });
  test.after(() => proxy.close());
  const answer = await getPage(proxy, 'foo');
  assert.equal(answer.status, 502);
  assert.ok(answer.totalMs < 1_000, `${answer.totalMs} ms`);
  assert.match(answer.field('retry-after') ?? '', /^[1-5]$/);
  assert.equal((await proxy.metrics())['wheelkeep_rejected_requests_total{reason="loop"}'], 1);
});
