// "There is no such project": believed for a minute when an index says it cleanly, and never made of a failure, for a
// false 404 sends installers to the next index.

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { Config, IndexConfig } from '../../src/config/config.ts';
import { FakeClock, RunningClock } from '../support/clock/clock.ts';
import { getPage, listed, until } from '../support/proxy/page-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { status } from '../support/upstream/faults.ts';
import { wheel } from '../support/upstream/wheels.ts';

const PAGE = '/simple/foo/';

async function setting(test: TestContext, config: Partial<Config> = {}) {
  const clock = new FakeClock();
  const index = await FakeIndex.start();
  test.after(() => index.close());
  const proxy = await startProxy({ upstreams: [index.url], now: clock.now, config });
  test.after(() => proxy.close());
  return { clock, index, proxy };
}

describe('a project that the index does not have', () => {
  it('is asked for once a minute; the 404 says for how long it may be remembered', async (test) => {
    const { clock, index, proxy } = await setting(test);
    const first = await getPage(proxy, 'foo');
    assert.equal(first.status, 404);
    assert.equal(first.field('content-type'), 'application/problem+json');
    assert.equal(first.field('cache-control'), 'max-age=60');
    clock.advance(45_000);
    const second = await getPage(proxy, 'foo');
    assert.equal(second.status, 404);
    assert.equal(second.field('cache-control'), 'max-age=15', 'remembered for longer than we do');
    assert.equal(index.requests(PAGE), 1);
    clock.advance(16_000);
    assert.equal((await getPage(proxy, 'foo')).status, 404);
    assert.equal(index.requests(PAGE), 2);
    const metrics = await proxy.metrics();
    assert.equal(metrics['wheelkeep_requests_total{kind="page",outcome="miss",status="4xx"}'], 2);
    assert.equal(metrics['wheelkeep_requests_total{kind="page",outcome="hit",status="4xx"}'], 1);
  });

  it('is there a minute after its first release at the latest', async (test) => {
    const { clock, index, proxy } = await setting(test);
    assert.equal((await getPage(proxy, 'foo')).status, 404);
    index.add('foo', wheel({ name: 'foo', version: '1.0' }));
    clock.advance(59_000);
    assert.equal((await getPage(proxy, 'foo')).status, 404);
    clock.advance(1_000);
    assert.equal((await getPage(proxy, 'foo')).status, 200);
  });

  it('is there at once for a client that insists, which may do so every five seconds', async (test) => {
    const { clock, index, proxy } = await setting(test);
    assert.equal((await getPage(proxy, 'foo')).status, 404);
    index.add('foo', wheel({ name: 'foo', version: '1.0' }));
    clock.advance(4_000);
    assert.equal((await getPage(proxy, 'foo', { 'cache-control': 'no-cache' })).status, 404);
    assert.equal(index.requests(PAGE), 1);
    clock.advance(1_000);
    assert.equal((await getPage(proxy, 'foo', { 'cache-control': 'no-cache' })).status, 200);
  });

  it('is gone alike when the index says 410, or with a status that the operator calls "missing"', async (test) => {
    const clock = new FakeClock();
    const index = await FakeIndex.start();
    test.after(() => index.close());
    index.add('foo', wheel({ name: 'foo', version: '1.0' }));
    index.add('bar', wheel({ name: 'bar', version: '1.0' }));
    index.fault(PAGE, status(410));
    index.fault('/simple/bar/', status(403));
    const indexes = [indexAt('default', index, [403])];
    const proxy = await startProxy({ upstreams: [index.url], now: clock.now, config: { indexes } });
    test.after(() => proxy.close());
    for (const project of ['foo', 'foo', 'bar', 'bar']) assert.equal((await getPage(proxy, project)).status, 404);
    assert.equal(index.requests(), 2);
  });

  it('is not called missing any more when its minute is over and the index fails', async (test) => {
    const { clock, index, proxy } = await setting(test);
    assert.equal((await getPage(proxy, 'foo')).status, 404);
    await index.down();
    clock.advance(59_000);
    assert.equal((await getPage(proxy, 'foo')).status, 404);
    clock.advance(2_000);
    for (let i = 0; i < 3; i += 1) assert.equal((await getPage(proxy, 'foo')).status, 502);
    await index.up();
    index.add('foo', wheel({ name: 'foo', version: '1.0' }));
    clock.advance(31_000);
    await until(
      () => getPage(proxy, 'foo'),
      ({ status }) => status === 200,
    );
  });

  it('is not asked for by every request of a client that insists while the index fails', async (test) => {
    const { clock, index, proxy } = await setting(test);
    assert.equal((await getPage(proxy, 'foo')).status, 404);
    index.fault(PAGE, status(403));
    clock.advance(6_000);
    for (let i = 0; i < 10; i += 1) {
      assert.equal((await getPage(proxy, 'foo', { 'cache-control': 'no-cache' })).status, 502);
    }
    // A first failure allows one more try at once, as installers make it.
    assert.equal(index.requests(PAGE), 3);
    assert.equal((await getPage(proxy, 'foo')).status, 404, 'what was said cleanly still holds');
  });

  it('withheld for legal reasons is 451 at once, whatever is held', async (test) => {
    const { clock, index, proxy } = await setting(test);
    index.add('foo', wheel({ name: 'foo', version: '1.0' }));
    assert.equal((await getPage(proxy, 'foo')).status, 200);
    index.fault(PAGE, status(451));
    clock.advance(61_000);
    const withheld = await getPage(proxy, 'foo');
    assert.equal(withheld.status, 451);
    assert.equal(withheld.field('content-type'), 'application/problem+json');
    assert.equal((await getPage(proxy, 'foo')).status, 451);
    index.clearFaults();
    clock.advance(61_000);
    assert.equal((await getPage(proxy, 'foo')).status, 200);
  });
});

describe('of two indexes', () => {
  async function two(test: TestContext, clock: FakeClock | RunningClock = new FakeClock()) {
    const internal = await FakeIndex.start();
    const open = await FakeIndex.start();
    test.after(() => Promise.all([internal.close(), open.close()]));
    open.add('foo', wheel({ name: 'foo', version: '1.0' }));
    const config = {
      indexes: [indexAt('internal', internal), indexAt('open', open)],
      defaultIndexes: ['internal', 'open'],
      routes: [{ names: ['acme-*'], index: 'internal' }],
    };
    const proxy = await startProxy({ upstreams: [internal.url, open.url], now: clock.now, config });
    test.after(() => proxy.close());
    return { clock, internal, open, proxy };
  }

  it('the first that has a project answers, and the others are not asked', async (test) => {
    const { internal, open, proxy } = await two(test);
    internal.add('foo', wheel({ name: 'foo', version: '0.1' }));
    assert.deepEqual(listed(await getPage(proxy, 'foo')), ['foo-0.1-py3-none-any.whl']);
    assert.equal(open.requests(), 0);
  });

  it('the second answers what the first has not; never what the first cannot say', async (test) => {
    const { clock, internal, open, proxy } = await two(test);
    await internal.down();
    assert.equal((await getPage(proxy, 'foo')).status, 502);
    assert.equal(open.requests(), 0, 'a failure fell through to the next index');
    await internal.up();
    clock.advance(31_000);
    await until(
      () => getPage(proxy, 'foo'),
      ({ status }) => status === 200,
    );
    assert.equal((await getPage(proxy, 'none')).status, 404);
  });

  it('the second goes on answering while the first, which said it has none, is down', async (test) => {
    const { clock, internal, open, proxy } = await two(test, new RunningClock());
    assert.equal((await getPage(proxy, 'foo')).status, 200);
    assert.equal((await getPage(proxy, 'none')).status, 404);
    await internal.down();
    clock.advance(61_000);
    const [found, none] = await Promise.all([getPage(proxy, 'foo'), getPage(proxy, 'none')]);
    assert.equal(found.status, 200);
    assert.equal(none.status, 502, 'a project that may exist by now was called missing');
    assert.equal((await getPage(proxy, 'foo')).status, 200);
    assert.equal(open.requests(PAGE), 2);
  });

  it('a bound name is asked at its own index alone, up or down, and is 404 under another one', async (test) => {
    const { internal, open, proxy } = await two(test);
    open.add('acme-tools', wheel({ name: 'acme-tools', version: '9.9' }));
    assert.equal((await getPage(proxy, 'acme-tools')).status, 404);
    assert.equal((await getPage(proxy, '../open/simple/acme-tools')).status, 404);
    await internal.down();
    assert.equal((await getPage(proxy, 'acme-other')).status, 502);
    assert.equal(open.requests(), 0);
  });
});

function indexAt(name: string, index: FakeIndex, missingStatuses: readonly number[] = []): IndexConfig {
  return { name, upstreams: [{ url: index.url }], missingStatuses, pageOrigins: [], accept: 'any' };
}
