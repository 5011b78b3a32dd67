// What test/scenario/serves-stale.test.ts plays, of an index that takes its time to fail: our deadlines are waited for.

import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { RunningClock } from '../support/clock/clock.ts';
import { assertServedThrough, type Failure, playOutage, setting } from '../support/proxy/outage-play.ts';
import { getPage } from '../support/proxy/page-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { deafPort } from '../support/upstream/deaf-port.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { rate, silence, silenceAfter } from '../support/upstream/faults.ts';
import { wheel } from '../support/upstream/wheels.ts';

const FAILURES: readonly Failure[] = [
  { name: 'never answers', fault: silence, cold: 503 },
  { name: 'falls silent after the head', fault: () => silenceAfter(0), cold: 503 },
  { name: 'falls silent mid page', fault: () => silenceAfter(40), cold: 503 },
  { name: 'drips a byte a second', fault: () => rate(1), cold: 503 },
];

describe('a page that was seen is served, one that was not is a clear error, while the index', {
  concurrency: true,
}, () => {
  for (const failure of FAILURES) it(failure.name, (test) => playOutage(test, failure));

  it('swallows connections', async (test) => {
    const { clock, held, index, proxy, start } = await setting(test);
    await proxy.close();
    await index.down();
    const deaf = await deafPort(Number(new URL(index.url).port));
    test.after(() => deaf.close());
    const cut = await start(index.url);
    test.after(() => cut.close());
    await assertServedThrough(cut, clock, held, 502);
  });
});

test('of two indexes the second goes on answering while the first, which said it has none, is silent', async (t) => {
  const clock = new RunningClock();
  const internal = await FakeIndex.start();
  const open = await FakeIndex.start();
  t.after(() => Promise.all([internal.close(), open.close()]));
  open.add('foo', wheel({ name: 'foo', version: '1.0' }));
  const indexes = Object.entries({ internal, open }).map(([name, { url }]) => ({
    name,
    upstreams: [{ url }],
    missingStatuses: [],
    pageOrigins: [],
    accept: 'any' as const,
  }));
  const config = { indexes, defaultIndexes: ['internal', 'open'] };
  const proxy = await startProxy({ upstreams: [internal.url, open.url], now: clock.now, config });
  t.after(() => proxy.close());
  assert.equal((await getPage(proxy, 'foo')).status, 200);
  assert.equal((await getPage(proxy, 'none')).status, 404);
  internal.fault(/^/, silence());
  clock.advance(61_000);
  const [found, none] = await Promise.all([getPage(proxy, 'foo'), getPage(proxy, 'none')]);
  assert.equal(found.status, 200);
  assert.equal(none.status, 503, 'a project that may exist by now was called missing');
  assert.ok(found.totalMs < 10_000 && none.totalMs < 10_000);
  // The first who came waited for the silent index; nobody does after him.
  const next = await getPage(proxy, 'foo');
  assert.equal(next.status, 200);
  assert.ok(next.totalMs < 900, `${next.totalMs} ms`);
  assert.equal(open.requests('/simple/foo/'), 2);
});
