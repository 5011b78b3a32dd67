// An outage may last for hours: when it ends, every page is right again within half a minute, without a restart and
// whoever asks first.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../support/clock/clock.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { getPage, listed } from '../support/proxy/page-client.ts';
import { type RunningProxy, startProxy } from '../support/proxy/proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import type { Fault } from '../support/upstream/fault-plan.ts';
import { status } from '../support/upstream/faults.ts';
import { wheel } from '../support/upstream/wheels.ts';

const PAGES = /^\/simple\//;
const OUTAGE_SECONDS = 180;

for (const [what, projects, fault] of [
  ['answers 500 for one page', 1, status(500)],
  ['answers 500 for a dozen pages', 12, status(500)],
  ['answers 403 for a dozen pages', 12, status(403)],
] as const) {
  test(`after three minutes in which the index ${what} all are right again within 30 s`, async (t) => {
    const { clock, index, proxy, names } = await world(t, projects);
    index.fault(PAGES, fault as Fault);
    clock.advance(61_000);
    for (let second = 0; second < OUTAGE_SECONDS; second += 1) {
      // Not in step with one another: each page has its own second of the three.
      for (const [i, name] of names.entries()) if (i % 3 === second % 3) await assertFiles(proxy, name, 1);
      clock.advance(1_000);
    }
    index.clearFaults();
    for (const name of names) index.add(name, wheel({ name, version: '2.0' }));
    const behind = new Set(names);
    let seconds = 0;
    for (; behind.size > 0 && seconds <= 60; seconds += 1) {
      for (const name of names) if (listed(await getPage(proxy, name)).length === 2) behind.delete(name);
      clock.advance(1_000);
    }
    assert.ok(seconds <= 30, `the last one was right after ${seconds} s`);
  });
}

async function world(t: test.TestContext, projects: number) {
  const clock = new FakeClock();
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const names = Array.from({ length: projects }, (_, i) => `demo${i}`);
  const proxy = await startProxy({ upstreams: [index.url], now: clock.now, dataDir: await temporaryFolder(t) });
  t.after(() => proxy.close());
  for (const name of names) {
    index.add(name, wheel({ name, version: '1.0' }));
    await assertFiles(proxy, name, 1);
    // A conditional request shall not be answered 304, which has no body to be spoiled.
    index.bumpSerial(name);
  }
  return { clock, index, proxy, names };
}

async function assertFiles(proxy: RunningProxy, name: string, count: number): Promise<void> {
  const page = await getPage(proxy, name);
  assert.equal(page.status, 200);
  assert.equal(listed(page).length, count);
}
