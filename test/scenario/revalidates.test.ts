// Fresh within a minute, and nobody waits for it: how a held page is validated, and what forces that and what does not.

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { fieldValue } from '../../src/core/http-message.ts';
import { FakeClock } from '../support/clock/clock.ts';
import { get } from '../support/proxy/http-client.ts';
import { getPage, JSON_TYPE, listed, until } from '../support/proxy/page-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { FakeIndex, type FakeIndexOptions } from '../support/upstream/fake-index.ts';
import { delay } from '../support/upstream/faults.ts';
import { wheel } from '../support/upstream/wheels.ts';

const PAGE = '/simple/foo/';

async function setting(test: TestContext, options: FakeIndexOptions = {}) {
  const clock = new FakeClock();
  const index = await FakeIndex.start(options);
  test.after(() => index.close());
  index.add('foo', wheel({ name: 'foo', version: '1.0' }));
  const proxy = await startProxy({ upstreams: [index.url], now: clock.now });
  test.after(() => proxy.close());
  const first = await getPage(proxy, 'foo');
  assert.equal(first.status, 200);
  assert.match(first.field('cache-status') ?? '', /^wheelkeep; fwd=uri-miss; fwd-status=200; stored/);
  return { clock, index, proxy, first };
}

describe('a held page', () => {
  it('answers for a minute without upstream, with its age, and is validated afterwards with one conditional request', async (test) => {
    const { clock, index, proxy, first } = await setting(test);
    clock.advance(59_000);
    const hit = await getPage(proxy, 'foo');
    assert.equal(hit.field('cache-control'), 'public, max-age=60');
    assert.equal(hit.field('age'), '59');
    assert.match(hit.field('cache-status') ?? '', /^wheelkeep; hit; ttl=1$/);
    clock.advance(2_000);
    const validated = await getPage(proxy, 'foo');
    assert.deepEqual(validated.body, first.body);
    assert.match(validated.field('cache-status') ?? '', /fwd=stale; fwd-status=304/);
    assert.equal(validated.field('age'), '0');
    const asked = index.log.entries.at(-1)!;
    assert.ok(fieldValue(asked.fields, 'if-none-match') !== undefined);
    const metrics = await proxy.metrics();
    assert.equal(metrics['wheelkeep_requests_total{kind="page",outcome="revalidated",status="2xx"}'], 1);
  });

  it('is confirmed without a new connection for each page', async (test) => {
    const { clock, index, proxy } = await setting(test);
    const names = ['foo', 'bar', 'baz', 'qux'];
    for (const name of names.slice(1)) index.add(name, wheel({ name, version: '1.0' }));
    for (const name of names) await getPage(proxy, name);
    clock.advance(61_000);
    index.log.clear();
    for (const name of names) {
      assert.match((await getPage(proxy, name)).field('cache-status') ?? '', /fwd=stale; fwd-status=304/);
    }
    assert.equal(new Set(index.log.entries.map(({ connection }) => connection)).size, 1);
  });

  it('is fresh for less where upstream names a smaller lifetime, and for no less because upstream forbids caching', async (test) => {
    const plays = [
      ['max-age=20', 20],
      ['s-maxage=30, max-age=5', 30],
      ['max-age=600, public', 60],
      ['no-store', 60],
      ['private, max-age=0, must-revalidate', 60],
    ] as const;
    for (const [pageCacheControl, seconds] of plays) {
      const { clock, index, proxy } = await setting(test, { pageCacheControl });
      clock.advance((seconds - 1) * 1000);
      assert.equal(
        (await getPage(proxy, 'foo')).field('cache-control'),
        `public, max-age=${seconds}`,
        pageCacheControl,
      );
      clock.advance(2_000);
      assert.match((await getPage(proxy, 'foo')).field('cache-status') ?? '', /fwd=stale/, pageCacheControl);
      await until(
        async () => getPage(proxy, 'foo'),
        () => index.requests(PAGE) === 2,
      );
    }
  });

  it('is confirmed by an equal body where upstream has no validators', async (test) => {
    const { clock, index, proxy, first } = await setting(test, { validators: 'none', serials: false });
    clock.advance(61_000);
    const again = await getPage(proxy, 'foo');
    assert.equal(index.requests(PAGE), 2);
    assert.equal(again.field('etag'), first.field('etag'));
    const metrics = await proxy.metrics();
    assert.equal(metrics['wheelkeep_requests_total{kind="page",outcome="revalidated",status="2xx"}'], 1);
  });

  for (const days of [-2, 2]) {
    it(`is as fresh as we grant although the clock of the index is off by ${days} days`, async (test) => {
      const { clock, index, proxy } = await setting(test);
      index.fault(PAGE, ({ answer, send }) => {
        const off = (ms: number) => new Date(clock.now() + days * 86_400_000 + ms).toUTCString();
        return send({ ...answer, fields: [...answer.fields, 'date', off(0), 'expires', off(600_000)] });
      });
      clock.advance(61_000);
      await getPage(proxy, 'foo');
      const asked = index.requests(PAGE);
      clock.advance(50_000);
      const answer = await getPage(proxy, 'foo');
      assert.equal(index.requests(PAGE), asked, 'asked again within its minute');
      assert.ok(Number(answer.field('age')) <= 51, `age ${answer.field('age')}`);
      clock.advance(11_000);
      await getPage(proxy, 'foo');
      assert.equal(index.requests(PAGE), asked + 1, 'not asked after its minute');
    });
  }

  it('shows a new release to the first who asks after its minute', async (test) => {
    const { clock, index, proxy } = await setting(test);
    index.add('foo', wheel({ name: 'foo', version: '2.0' }));
    assert.equal(listed(await getPage(proxy, 'foo')).length, 1);
    clock.advance(61_000);
    const updated = await getPage(proxy, 'foo');
    assert.equal(listed(updated).length, 2);
    const metrics = await proxy.metrics();
    assert.equal(metrics['wheelkeep_requests_total{kind="page",outcome="updated",status="2xx"}'], 1);
  });

  it('is waited for half a second while upstream is slow, then served, and the new page goes to the next one', async (test) => {
    const { clock, index, proxy } = await setting(test);
    index.add('foo', wheel({ name: 'foo', version: '2.0' }));
    index.fault(PAGE, delay(1_500));
    clock.advance(3_600_000);
    const stale = await getPage(proxy, 'foo');
    assert.equal(listed(stale).length, 1);
    assert.equal(stale.field('x-wheelkeep-stale'), 'patience');
    assert.equal(stale.field('age'), '3600');
    assert.ok(stale.totalMs >= 450 && stale.totalMs < 1_000, `${stale.totalMs} ms`);
    const next = await getPage(proxy, 'foo');
    assert.ok(next.totalMs < 250, `the second reader waited ${next.totalMs} ms for a flight others have waited for`);
    await until(
      () => getPage(proxy, 'foo'),
      (page) => listed(page).length === 2,
    );
    assert.equal(index.requests(PAGE), 2);
    const metrics = await proxy.metrics();
    assert.equal(metrics['wheelkeep_stale_answers_total{kind="page",reason="patience"}']! >= 1, true);
  });
});

describe('a client that insists', () => {
  it('gets a validated page at most once in five seconds; random queries make no difference', async (test) => {
    const { clock, index, proxy } = await setting(test);
    clock.advance(4_000);
    await getPage(proxy, 'foo', { 'cache-control': 'no-cache' });
    assert.equal(index.requests(PAGE), 1, 'asked again within 5 s');
    index.add('foo', wheel({ name: 'foo', version: '2.0' }));
    clock.advance(2_000);
    const insisting = { accept: JSON_TYPE, 'cache-control': 'no-cache' };
    const storm = Array.from({ length: 50 }, (_, i) => get(`${proxy.url}${PAGE}?random=${i}`, insisting));
    for (const page of await Promise.all(storm)) assert.equal(listed(page).length, 2);
    assert.equal(index.requests(PAGE), 2);
  });

  it('is not taken for one because of max-age=0, which pip always sends', async (test) => {
    const { clock, index, proxy } = await setting(test);
    clock.advance(30_000);
    for (const value of ['max-age=0', 'no-store', 'max-age=0, x-no-cache', 'only-if-cached']) {
      const page = await getPage(proxy, 'foo', { 'cache-control': value, pragma: 'no-cache' });
      assert.match(page.field('cache-status') ?? '', /^wheelkeep; hit/, value);
    }
    assert.equal(index.requests(PAGE), 1);
  });

  it('gets the held page when upstream fails, and does not press a failing upstream', async (test) => {
    const { clock, index, proxy, first } = await setting(test);
    await index.down();
    clock.advance(10_000);
    for (let i = 0; i < 5; i += 1) {
      const page = await getPage(proxy, 'foo', { 'cache-control': 'no-cache' });
      assert.deepEqual(page.body, first.body);
    }
  });
});

describe('a clock that jumps', () => {
  it('back an hour: a page from the future is asked about, and its age is never negative', async (test) => {
    const { clock, index, proxy } = await setting(test);
    clock.advance(-3_600_000);
    const page = await getPage(proxy, 'foo');
    assert.equal(index.requests(PAGE), 2);
    assert.equal(page.field('age'), '0');
    clock.advance(30_000);
    assert.match((await getPage(proxy, 'foo')).field('cache-status') ?? '', /^wheelkeep; hit/);
  });

  it('back two days: a hot page is asked about at once as well, and not fresh until then', async (test) => {
    const { clock, index, proxy } = await setting(test);
    for (let i = 0; i < 3; i += 1) await getPage(proxy, 'foo');
    index.add('foo', wheel({ name: 'foo', version: '2.0' }));
    clock.advance(-2 * 86_400_000);
    assert.equal(listed(await getPage(proxy, 'foo')).length, 2);
    assert.equal(index.requests(PAGE), 2);
  });

  it('back an hour while the index is down: the page is served and the next try is not an hour away', async (test) => {
    const { clock, index, proxy, first } = await setting(test);
    await index.down();
    clock.advance(61_000);
    assert.deepEqual((await getPage(proxy, 'foo')).body, first.body);
    clock.advance(-3_600_000);
    assert.deepEqual((await getPage(proxy, 'foo')).body, first.body);
    await index.up();
    clock.advance(31_000);
    await until(
      () => getPage(proxy, 'foo'),
      (page) => page.field('x-wheelkeep-stale') === undefined,
    );
  });
});
