// One project's failure is that project's: whatever fails at it, and however often a client asks, others are served.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Random } from '../fuzz/random.ts';
import { FakeClock } from '../support/clock/clock.ts';
import { until } from '../support/clock/until.ts';
import { get } from '../support/proxy/http-client.ts';
import { getPage } from '../support/proxy/page-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import type { Fault } from '../support/upstream/fault-plan.ts';
import * as faults from '../support/upstream/faults.ts';
import { legacyJson, serveDocument } from '../support/upstream/json-documents.ts';
import { wheel } from '../support/upstream/wheels.ts';

async function world(t: TestContext) {
  const clock = new FakeClock();
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const proxy = await startProxy({ upstreams: [index.url], now: clock.now });
  t.after(() => proxy.close());
  const publish = (...names: readonly string[]) => {
    for (const name of names) index.add(name, wheel({ name, version: '1.0' }));
  };
  const breaker = async () =>
    (await proxy.metrics())[`wheelkeep_upstream_breaker_state{upstream="${new URL(index.url).host}"}`];
  return { clock, index, proxy, publish, breaker };
}

const FAULTS: Readonly<Record<string, () => Fault>> = {
  'answers 500': () => faults.status(500),
  'answers 503 and asks for a pause': () => faults.status(503, ['retry-after', '60']),
  'resets the connection': () => faults.hangUp('rst'),
  'cuts the body': () => faults.truncated(30, 'rst'),
  'is a login page': () => faults.loginPage(),
  'is empty': () => faults.emptyBody(),
};

for (const [what, fault] of Object.entries(FAULTS)) {
  test(`a project that ${what} closes the way for no other, however often it is asked for`, async (t) => {
    const { clock, index, proxy, publish, breaker } = await world(t);
    const others = Array.from({ length: 25 }, (_, i) => `other-${i}`);
    publish('bad', ...others);
    index.fault('/simple/bad/', fault());
    const seen: number[] = [];
    for (const other of others) {
      await getPage(proxy, 'bad');
      await getPage(proxy, 'bad', { 'cache-control': 'no-cache' });
      seen.push((await getPage(proxy, other)).status);
      clock.advance(400);
    }
    assert.deepEqual(new Set(seen), new Set([200]));
    assert.equal(await breaker(), 0);
    // Ten seconds: at once, then after 2, 4 and 8, each request tried twice at most, and once more by who insists.
    assert.ok(index.requests('/simple/bad/') <= 12, `${index.requests('/simple/bad/')} requests`);
  });
}

test('many projects that fail, without any that works in between, close the way for none that works', async (t) => {
  const { clock, index, proxy, publish, breaker } = await world(t);
  const bad = Array.from({ length: 30 }, (_, i) => `bad-${i}`);
  publish('good', ...bad);
  for (const [i, name] of bad.entries()) index.fault(`/simple/${name}/`, Object.values(FAULTS)[i % 6]!());
  for (const name of bad) await getPage(proxy, name);
  clock.advance(1_000);
  assert.equal((await getPage(proxy, 'good')).status, 200);
  assert.equal(await breaker(), 0);
});

for (const [what, fault] of [
  ['answers 500', faults.status(500)],
  ['is a login page', faults.loginPage()],
  ['resets the connection', faults.hangUp('rst')],
] as const) {
  test(`when everything ${what} the circuit opens, and one neutral probe brings all back`, async (t) => {
    const { clock, index, proxy, publish, breaker } = await world(t);
    const names = Array.from({ length: 6 }, (_, i) => `project-${i}`);
    publish(...names);
    index.fault(/./, fault);
    for (const name of names.slice(0, 5)) assert.equal((await getPage(proxy, name)).status, 502);
    await until(async () => (await breaker()) === 2);
    index.log.clear();
    for (const name of names) {
      const answer = await getPage(proxy, name);
      assert.deepEqual([answer.status, answer.field('retry-after') !== undefined], [503, true]);
    }
    assert.equal(index.requests(), 0);
    // A probe that finds the same keeps it open.
    clock.advance(6_100);
    for (const name of names.slice(0, 3)) assert.ok((await getPage(proxy, name)).status >= 502);
    assert.equal(await breaker(), 2);
    index.clearFaults();
    index.log.clear();
    clock.advance(12_100);
    // The one that failed is no probe: something neutral is asked first, and then it is its turn.
    const [again] = names as [string];
    assert.equal((await getPage(proxy, again)).status, 200);
    assert.deepEqual(
      index.log.entries.map(({ path }) => path),
      ['/simple/', `/simple/${again}/`],
    );
    for (const name of names) assert.equal((await getPage(proxy, name)).status, 200);
  });
}

for (const seed of [1, 2, 3, 4]) {
  test(`whatever fails at other projects, a client of healthy ones never sees it (seed ${seed})`, async (t) => {
    const { clock, index, proxy, publish } = await world(t);
    const random = new Random(seed);
    const bad = Array.from({ length: 12 }, (_, i) => `bad-${i}`);
    const healthy = Array.from({ length: 30 }, (_, i) => `healthy-${i}`);
    publish(...bad, ...healthy);
    const lift = new Map<string, () => void>();
    for (const [step, name] of healthy.entries()) {
      for (let i = 0; i < 4; i += 1) {
        const changed = random.pick(bad);
        lift.get(changed)?.();
        lift.delete(changed);
        if (random.chance(0.8))
          lift.set(changed, index.fault(`/simple/${changed}/`, random.pick(Object.values(FAULTS))()));
      }
      for (let i = 0; i < 8; i += 1) {
        const insists = random.chance(0.3);
        await getPage(proxy, random.pick(bad), insists ? { 'cache-control': 'no-cache' } : {});
      }
      const asked = random.chance(0.5) ? name : healthy[random.below(step + 1)]!;
      const answer = await getPage(proxy, asked);
      assert.equal(answer.status, 200, `${asked}, step ${step}`);
      // Refreshed behind its back or in a queue, yes; never because of a failure.
      assert.doesNotMatch(answer.field('x-wheelkeep-stale') ?? '', /failure|back-off/, `${asked}, step ${step}`);
      clock.advance(random.below(20_000));
    }
  });
}

test('trouble with one kind of document is no trouble with another', async (t) => {
  for (const [what, fault] of [
    ['500', faults.status(500)],
    ['429 with a pause', faults.status(429, ['retry-after', '120'])],
    ['503 with a pause', faults.status(503, ['retry-after', '120'])],
  ] as const) {
    const { index, proxy, publish } = await world(t);
    const names = Array.from({ length: 8 }, (_, i) => `project-${i}`);
    publish('new-one', ...names);
    for (const name of names) {
      serveDocument(index, `/pypi/${name}/json`, legacyJson(name, []));
      await getPage(proxy, name);
    }
    index.fault(/^\/pypi\//, fault);
    for (const name of names) assert.notEqual((await get(`${proxy.url}/pypi/${name}/json`)).status, 200, what);
    assert.equal((await getPage(proxy, 'new-one')).status, 200, what);
    assert.equal((await get(`${proxy.url}/simple/`)).status, 200, what);
  }
  const { index, proxy, publish } = await world(t);
  publish('a');
  index.fault('/simple/', faults.status(429, ['retry-after', '120']));
  assert.equal((await get(`${proxy.url}/simple/`)).status, 503);
  assert.equal((await getPage(proxy, 'a')).status, 200, 'while the list of projects pauses');
});
