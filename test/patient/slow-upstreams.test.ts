// An upstream that takes longer than any client waits, and answers well: clients are told in time when to come back, and
// find what was fetched meanwhile. What is never answered ends, and so many such requests are under way, not more.

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { emptyMachine, tool } from '../installer/tools.ts';
import { RunningClock } from '../support/clock/clock.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { fileWorld, LARGE, SMALL } from '../support/proxy/file-world.ts';
import { type ClientResponse, get } from '../support/proxy/http-client.ts';
import { getPage, listed, until } from '../support/proxy/page-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { severalIndexes } from '../support/proxy/several-indexes.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import type { Fault } from '../support/upstream/fault-plan.ts';
import * as faults from '../support/upstream/faults.ts';
import { wheel } from '../support/upstream/wheels.ts';

/** Asks as installers do: as often as Retry-After says, a few times. Every refusal is clear and comes in time. */
async function persist(ask: () => Promise<ClientResponse>, mostTries = 5): Promise<ClientResponse> {
  for (let tries = 1; ; tries++) {
    const answer = await ask();
    if (answer.status === 200) return answer;
    assert.equal(answer.status, 503, answer.text());
    assert.ok(answer.totalMs < 14_000, `${answer.totalMs} ms`);
    assert.match(answer.field('retry-after') ?? '', /^[1-5]$/);
    assert.ok(tries < mostTries, `refused ${tries} times`);
    await sleep(Number(answer.field('retry-after')) * 1_000);
  }
}

/** The project's page again, once this many milliseconds have passed; what is held meanwhile is there at once. */
async function refreshed(
  test: TestContext,
  fault: Fault,
): Promise<{ readonly stale: ClientResponse; readonly fresh: ClientResponse }> {
  const clock = new RunningClock();
  const { index, proxy } = await fileWorld(test, { now: clock.now });
  assert.equal((await getPage(proxy, 'demo')).status, 200);
  index.add('demo', wheel({ name: 'demo', version: '2.0' }));
  index.fault('/simple/demo/', fault);
  clock.advance(61_000);
  const stale = await getPage(proxy, 'demo');
  const fresh = await until(
    async () => {
      await sleep(500);
      return getPage(proxy, 'demo');
    },
    (page) => listed(page).length === 2,
    60_000,
  );
  return { stale, fresh };
}

describe('what takes longer than clients wait is there when they come back', { concurrency: 24 }, () => {
  const SLOW: readonly (readonly [name: string, fault: Fault])[] = [
    ['its first byte after 12 s', faults.delay(12_000)],
    ['its first byte after 20 s', faults.delay(20_000)],
    ['its body 12 s after its head', faults.lateBody(12_000)],
    ['ten bytes every 2 s for 40 s, then everything', faults.trickle(40_000)],
    ['a byte every 3 s for 30 s, then everything', faults.trickle(30_000, 1, 3_000)],
    ['twenty bytes, and the rest 20 s later', faults.pauseAfter(20, 20_000)],
  ];
  for (const [name, fault] of SLOW) {
    it(`a cold page: ${name}`, async (test) => {
      const { index, proxy } = await fileWorld(test);
      index.fault('/simple/demo/', fault);
      const page = await persist(() => getPage(proxy, 'demo'));
      assert.equal(listed(page).length, 1);
      assert.ok(index.requests('/simple/demo/') <= 4, `asked ${index.requests('/simple/demo/')} times`);
    });

    it(`a held page: ${name}`, async (test) => {
      const { stale, fresh } = await refreshed(test, fault);
      assert.equal(listed(stale).length, 1);
      assert.ok(stale.totalMs < 1_000);
      assert.equal(fresh.field('x-wheelkeep-stale'), undefined);
    });

    for (const sizeBytes of [10_000, SMALL, LARGE]) {
      it(`a file of ${sizeBytes} bytes: ${name}`, async (test) => {
        const { index, proxy, file, path, url } = await fileWorld(test, { sizeBytes });
        await getPage(proxy, 'demo');
        index.fault(path, fault);
        const startedAt = performance.now();
        const answer = await persist(() => get(url));
        assert.equal(answer.sha256, file.sha256);
        assert.ok(performance.now() - startedAt < 55_000);
        assert.ok(index.requests(path) <= 3, `asked ${index.requests(path)} times`);
      });
    }
  }

  it('a file that pauses for 20 s in its midst, before clients of 15 s patience leave', async (test) => {
    const { index, proxy, file, path, url } = await fileWorld(test, { sizeBytes: LARGE });
    await getPage(proxy, 'demo');
    index.fault(path, faults.pauseAfter(2_000_000, 20_000));
    const answer = await get(url);
    assert.equal(answer.sha256, file.sha256);
    assert.ok(answer.totalMs < 14_000, `${answer.totalMs} ms`);
    assert.ok(index.requests(path) <= 3, `asked ${index.requests(path)} times`);
  });

  it('a file behind a page, each of which takes 12 s', async (test) => {
    const { index, file, url } = await fileWorld(test);
    index.fault(/^/, faults.delay(12_000));
    assert.equal((await persist(() => get(url))).sha256, file.sha256);
  });

  it('a file whose length nobody tells', async (test) => {
    const { index, proxy, file, path, url } = await fileWorld(test, { index: { formats: 'html-only' } });
    await getPage(proxy, 'demo');
    index.fault(path, faults.trickle(20_000));
    assert.equal((await persist(() => get(url))).sha256, file.sha256);
  });

  it('every page of a crowd of projects, and those that were never slow beside them', async (test) => {
    const { index, proxy } = await fileWorld(test);
    const names = Array.from({ length: 20 }, (_, i) => `slow-${i}`);
    for (const name of names) index.add(name, wheel({ name, version: '1.0' }));
    index.fault(/^\/simple\/slow-/, faults.delay(12_000));
    await Promise.all(names.map((name) => persist(() => getPage(proxy, name))));
    assert.equal((await persist(() => getPage(proxy, 'demo'))).status, 200);
    assert.equal((await proxy.metrics()).wheelkeep_active_flights, 0);
  });

  it('a page of the second index, while the first one takes 12 s to say that it has none', async (test) => {
    const { proxy, upstream } = await severalIndexes(test, { internal: {}, public: {} });
    upstream('public').add('demo', wheel({ name: 'demo', version: '1.0' }));
    for (const name of ['internal', 'public']) upstream(name).fault(/^/, faults.delay(12_000));
    assert.equal((await persist(() => getPage(proxy, 'demo'))).status, 200);
  });
});

describe('what is never answered', { concurrency: 4 }, () => {
  it('of a hundred projects is asked for twenty-four at a time behind the clients, and ends', async (test) => {
    const index = await FakeIndex.start();
    test.after(() => index.close());
    const proxy = await startProxy({ upstreams: [index.url] });
    test.after(() => proxy.close());
    index.fault(/^/, faults.silence());
    const names = Array.from({ length: 100 }, (_, i) => `lost-${i}`);
    const answers = await Promise.all(names.map((name) => getPage(proxy, name)));
    assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([503]));
    await until(
      () => get(`${proxy.url}/metrics`),
      (metrics) => Number(/^wheelkeep_active_flights (\d+)$/m.exec(metrics.text())?.[1]) <= 24,
    );
    await until(
      () => get(`${proxy.url}/metrics`),
      (metrics) => /^wheelkeep_active_flights 0$/m.test(metrics.text()),
      45_000,
    );
    await index.waitFor(() => index.openConnections === 0);
  });

  it('is begun anew, and found, once the upstream is well again', async (test) => {
    const { index, proxy, file, path, url } = await fileWorld(test);
    index.fault(/^/, faults.silence());
    assert.equal((await getPage(proxy, 'demo')).status, 503);
    index.clearFaults();
    await persist(() => getPage(proxy, 'demo'));
    index.fault(path, faults.silence());
    assert.equal((await get(url)).status, 503);
    index.clearFaults();
    assert.equal((await persist(() => get(url))).sha256, file.sha256);
  });

  it('a body that trickles for ever ends, and its client with it', async (test) => {
    const { index, proxy, path, url } = await fileWorld(test, { sizeBytes: LARGE });
    await getPage(proxy, 'demo');
    index.fault(path, faults.trickle(600_000));
    const startedAt = performance.now();
    await get(url).catch(() => {});
    assert.ok(performance.now() - startedAt < 140_000);
  });
});

const pip = tool('WHEELKEEP_TEST_PIP');
const uv = tool('WHEELKEEP_TEST_UV');

describe('installers of today install from an index that is slow', { concurrency: 6 }, () => {
  const DELAYS: readonly (readonly [string, Fault, Fault])[] = [
    ['a page after 12 s, a file after 20 s', faults.delay(12_000), faults.delay(20_000)],
    ['a file through a virus scanner', faults.alter(() => ({})), faults.trickle(40_000)],
  ];
  for (const [name, page, file] of DELAYS) {
    const world = async (test: TestContext) => {
      const made = await fileWorld(test, { sizeBytes: LARGE });
      made.index.fault('/simple/demo/', page);
      made.index.fault(made.path, file);
      return { ...made, machine: await emptyMachine(await temporaryFolder(test), `${made.proxy.url}/simple/`) };
    };
    it(`pip: ${name}`, { skip: pip.skip }, async (test) => {
      const { machine } = await world(test);
      await machine.run(pip.path, ['download', '--no-deps', '-d', join(machine.home, 'got'), 'demo']);
    });
    it(`uv: ${name}`, { skip: uv.skip }, async (test) => {
      const { machine } = await world(test);
      await machine.run(uv.path, ['pip', 'install', '--no-deps', '--target', join(machine.home, 'got'), 'demo']);
    });
  }
});
