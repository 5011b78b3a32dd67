// A page that is asked for again and again is refreshed before it goes stale: nobody ever waits for it, whatever
// upstream does.

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { FakeClock } from '../support/clock/clock.ts';
import { getPage, listed, until } from '../support/proxy/page-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { silence } from '../support/upstream/faults.ts';
import { wheel } from '../support/upstream/wheels.ts';

const PAGE = '/simple/foo/';

async function setting(test: TestContext, projects = ['foo']) {
  const clock = new FakeClock();
  const index = await FakeIndex.start();
  test.after(() => index.close());
  for (const name of projects) index.add(name, wheel({ name, version: '1.0' }));
  const proxy = await startProxy({ upstreams: [index.url], now: clock.now });
  test.after(() => proxy.close());
  return { clock, index, proxy };
}

describe('a page asked for twice in its lifetime', () => {
  it('is refreshed before its end, so that a new release is there within the minute and nobody waits', async (test) => {
    const { clock, index, proxy } = await setting(test);
    for (let i = 0; i < 2; i += 1) await getPage(proxy, 'foo');
    index.add('foo', wheel({ name: 'foo', version: '2.0' }));
    clock.advance(47_000);
    await getPage(proxy, 'foo');
    assert.equal(index.requests(PAGE), 1, 'refreshed too early');
    clock.advance(9_000);
    await index.waitFor(() => index.requests(PAGE) === 2);
    const page = await until(
      () => getPage(proxy, 'foo'),
      (answer) => listed(answer).length === 2,
    );
    assert.match(page.field('cache-status') ?? '', /^wheelkeep; hit/);
    clock.advance(50_000);
    assert.match((await getPage(proxy, 'foo')).field('cache-status') ?? '', /^wheelkeep; hit/);
  });

  it('is refreshed also when the second one comes in its last seconds', async (test) => {
    const { clock, index, proxy } = await setting(test);
    await getPage(proxy, 'foo');
    clock.advance(56_000);
    await new Promise((resolve) => setTimeout(resolve, 600));
    assert.equal(index.requests(PAGE), 1);
    await getPage(proxy, 'foo');
    await index.waitFor(() => index.requests(PAGE) === 2);
  });

  it('is served without waiting while its refresh hangs, and goes on being so', async (test) => {
    const { clock, index, proxy } = await setting(test);
    for (let i = 0; i < 2; i += 1) await getPage(proxy, 'foo');
    index.fault(PAGE, silence());
    clock.advance(56_000);
    await index.waitFor(() => index.requests(PAGE) === 2);
    await new Promise((resolve) => setTimeout(resolve, 550));
    clock.advance(5_000);
    for (let i = 0; i < 20; i += 1) {
      const page = await getPage(proxy, 'foo');
      assert.equal(page.status, 200);
      assert.ok(page.totalMs < 250, `waited ${page.totalMs} ms`);
      clock.advance(3_000);
    }
  });
});

it('a page asked for once is left alone', async (test) => {
  const { clock, index, proxy } = await setting(test, ['foo', 'bar']);
  await getPage(proxy, 'foo');
  for (let i = 0; i < 2; i += 1) await getPage(proxy, 'bar');
  clock.advance(56_000);
  await index.waitFor(() => index.requests('/simple/bar/') === 2);
  assert.equal(index.requests(PAGE), 1);
});

it('a page that stands in the queue for its refresh is served without waiting, and asked for once', async (test) => {
  const projects = Array.from({ length: 40 }, (_, i) => `p${i}`);
  const { clock, index, proxy } = await setting(test, projects);
  for (let i = 0; i < 2; i += 1) await Promise.all(projects.map((project) => getPage(proxy, project)));
  assert.equal(index.requests(), 40);
  clock.advance(58_000);
  await index.waitFor(() => index.requests() > 40);
  clock.advance(3_000);
  const pages = await Promise.all(projects.map((project) => getPage(proxy, project)));
  const why = pages.map((page) => page.field('x-wheelkeep-stale'));
  // Those of the queue are served at once and say so; nobody waited until his patience ended.
  assert.ok(why.includes('refreshing'), `none was served from the queue: ${why}`);
  assert.ok(!why.includes('patience'));
  await index.waitFor(() => index.requests() >= 80);
  // Who asks for one of the queue starts its revalidation himself; the queue then leaves it out.
  assert.equal(index.requests(), 80);
});
