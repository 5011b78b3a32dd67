// What an installer gets when the index fails, in every way an index can fail: what was seen before is served, what was
// never seen is a clear error within ten seconds, and nothing is ever "missing" (F01-F08, F12, F13, F16, F17, F19, F20).

import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { RunningClock } from '../support/clock.ts';
import { deafPort } from '../support/deaf-port.ts';
import { FakeIndex } from '../support/fake-index.ts';
import type { Fault } from '../support/fault-plan.ts';
import {
  contentType,
  emptyBody,
  gzipBomb,
  hangUp,
  loginPage,
  notModified,
  rate,
  rawBytes,
  redirect,
  redirectLoop,
  replacedBody,
  silence,
  silenceAfter,
  status,
  truncated,
} from '../support/faults.ts';
import { type ClientResponse, get } from '../support/http-client.ts';
import { getPage, listed, until } from '../support/page-client.ts';
import { type RunningProxy, startProxy } from '../support/proxy.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { wheel } from '../support/wheels.ts';

interface Failure {
  readonly name: string;
  /** Absent: the index refuses connections. */
  readonly fault?: () => Fault;
  /** What a client without a copy is told. */
  readonly cold: 502 | 503;
  /** How long after its end the index is asked again; 30 s unless the index wished otherwise. */
  readonly recoveryMs?: number;
}

const FAILURES: readonly Failure[] = [
  { name: 'refuses connections (F01)', cold: 502 },
  { name: 'never answers (F03)', fault: silence, cold: 503 },
  { name: 'falls silent after the head (F04)', fault: () => silenceAfter(0), cold: 503 },
  { name: 'falls silent mid page (F04)', fault: () => silenceAfter(40), cold: 503 },
  { name: 'drips a byte a second (F20)', fault: () => rate(1), cold: 503 },
  { name: 'hangs up', fault: () => hangUp('fin'), cold: 502 },
  { name: 'resets the connection', fault: () => hangUp('rst'), cold: 502 },
  { name: 'cuts the page', fault: () => truncated(40), cold: 502 },
  { name: 'speaks no HTTP', fault: () => rawBytes('SSH-2.0-upstream\r\n'), cold: 502 },
  { name: 'answers 500 (F05)', fault: () => status(500), cold: 502 },
  { name: 'answers 502 (F05)', fault: () => status(502), cold: 502 },
  {
    name: 'answers 503 with a page of HTML (F05)',
    fault: () => status(503, ['content-type', 'text/html'], '<html>'),
    cold: 503,
  },
  { name: 'answers 504 (case 46) (F05)', fault: () => status(504), cold: 502 },
  {
    name: 'answers 429 and wants two minutes (case 47) (F06)',
    fault: () => status(429, ['retry-after', '120']),
    cold: 503,
    recoveryMs: 121_000,
  },
  { name: 'answers 429', fault: () => status(429), cold: 503, recoveryMs: 37_000 },
  { name: 'answers 401 (F08)', fault: () => status(401), cold: 502 },
  { name: 'answers 403 (case 46) (F07)', fault: () => status(403), cold: 502 },
  { name: 'answers 200 with a login page (case 35) (F12)', fault: loginPage, cold: 502 },
  { name: 'answers 200 with nothing (case 35) (F13)', fault: emptyBody, cold: 502 },
  { name: 'answers {} (case 36) (F13)', fault: () => replacedBody('{}'), cold: 502 },
  {
    name: 'cuts the JSON (case 36) (F13)',
    fault: () => replacedBody('{"meta":{"api-version":"1.0"},"name":"foo","fi'),
    cold: 502,
  },
  { name: 'answers 304 unasked (case 37) (F16)', fault: () => notModified('"of-another-page"'), cold: 502 },
  { name: 'redirects in a loop (F17)', fault: redirectLoop, cold: 502 },
  {
    name: 'redirects to a foreign host (F17)',
    fault: () => redirect('https://foreign.example/simple/foo/'),
    cold: 502,
  },
  { name: 'sends a gzip bomb (F19)', fault: () => gzipBomb(64 << 20), cold: 502 },
  { name: 'sends another content type', fault: () => contentType('application/octet-stream'), cold: 502 },
];

const PAGES = /^\/simple\/(?:foo|bar)\//;
/** A copy is waited for half a second at most; the rest is what a busy machine needs. */
/** Patience is 500 ms; a client that waited for upstream in vain would wait for 4 s and more. */
const LIMIT_MS = 3_000;
/** Less than patience: nobody waited. One of several answers must be as quick; a busy machine may delay any one of them. */
const AT_ONCE_MS = 400;

/** An index with `foo`, held and fresh, and `bar`, never asked for. */
async function setting(test: TestContext) {
  // It runs, for the deadlines of a silent index are played as well.
  const clock = new RunningClock();
  const index = await FakeIndex.start();
  test.after(() => index.close());
  index.add('foo', wheel({ name: 'foo', version: '1.0' }));
  index.add('bar', wheel({ name: 'bar', version: '1.0' }));
  const dataDir = await temporaryFolder(test);
  const start = (upstream: string) =>
    startProxy({ upstreams: [upstream], dataDir, now: clock.now, config: { maxPageBytes: 4 << 20 } });
  const proxy = await start(index.url);
  test.after(() => proxy.close());
  const held = await getPage(proxy, 'foo');
  assert.equal(held.status, 200);
  // Else a conditional request would be answered 304, which has no body to be spoiled.
  index.bumpSerial('foo');
  return { clock, index, proxy, held, start };
}

function assertStale(answer: ClientResponse, held: ClientResponse): void {
  assert.equal(answer.status, 200);
  assert.deepEqual(answer.body, held.body);
  assert.equal(answer.field('etag'), held.field('etag'));
  assert.equal(answer.field('cache-control'), 'public, max-age=0');
  assert.ok(Number(answer.field('age')) >= 61, `age ${answer.field('age')}`);
  assert.match(answer.field('cache-status') ?? '', /^wheelkeep; (?:hit|fwd=stale);.*detail=stale/);
  assert.match(answer.field('x-wheelkeep-stale') ?? '', /^(?:patience|failure|back-off|refreshing)$/);
  assert.ok(answer.totalMs < LIMIT_MS, `it took ${answer.totalMs} ms`);
}

async function assertStaleAtOnce(proxy: RunningProxy, held: ClientResponse): Promise<void> {
  const took: number[] = [];
  for (let i = 0; i < 3; i += 1) {
    const answer = await getPage(proxy, 'foo');
    assertStale(answer, held);
    took.push(answer.totalMs);
  }
  assert.ok(Math.min(...took) < AT_ONCE_MS, `they took ${took} ms`);
}

function assertClearError(answer: ClientResponse, expected: number): void {
  assert.equal(answer.status, expected);
  assert.equal(answer.field('content-type'), 'application/problem+json');
  assert.equal(answer.field('cache-control'), 'no-store');
  assert.match(answer.field('retry-after') ?? '', /^[1-5]$/);
  const problem = answer.json() as { readonly status: number; readonly title: string; readonly detail: string };
  assert.equal(problem.status, expected);
  assert.ok(problem.title.length > 0 && problem.detail.length > 0);
  assert.ok(answer.totalMs < 10_000, `it took ${answer.totalMs} ms`);
}

async function assertServedThrough(proxy: RunningProxy, clock: RunningClock, held: ClientResponse, cold: number) {
  const fresh = await getPage(proxy, 'foo');
  assert.deepEqual(fresh.body, held.body);
  assert.equal(fresh.field('x-wheelkeep-stale'), undefined);
  const never = getPage(proxy, 'bar');
  const fileOfNever = get(`${proxy.url}/files/https/files.example/packages/bar-1.0-py3-none-any.whl`);
  clock.advance(61_000);
  assertStale(await getPage(proxy, 'foo'), held);
  await assertStaleAtOnce(proxy, held);
  assertClearError(await never, cold);
  await assertStaleAtOnce(proxy, held);
  const file = await fileOfNever;
  assert.ok(file.status === 502 || file.status === 503, `the file of a page that cannot be had: ${file.status}`);
}

describe('a page that was seen is served, one that was not is a clear error, while the index', {
  concurrency: 8,
}, () => {
  for (const { name, fault, cold, recoveryMs = 31_000 } of FAILURES) {
    it(name, async (test) => {
      const { clock, index, proxy, held } = await setting(test);
      if (fault === undefined) await index.down();
      else index.fault(PAGES, fault());
      await assertServedThrough(proxy, clock, held, cold);

      index.clearFaults();
      await index.up();
      index.add('foo', wheel({ name: 'foo', version: '2.0' }));
      clock.advance(recoveryMs);
      // A flight that fails only now begins the shortest wait, of five seconds.
      await until(
        () => getPage(proxy, 'foo'),
        (answer) => answer.status === 200 && listed(answer).length === 2,
        12_000,
      );
      await until(
        () => getPage(proxy, 'bar'),
        ({ status }) => status === 200,
      );
    });
  }

  it('swallows connections (F02)', async (test) => {
    const { clock, held, proxy, start } = await setting(test);
    const deaf = await deafPort();
    test.after(() => deaf.close());
    await proxy.close();
    const cut = await start(`http://127.0.0.1:${deaf.port}/simple/`);
    test.after(() => cut.close());
    await assertServedThrough(cut, clock, held, 502);
  });
});

describe('an index in trouble', () => {
  it('is asked about a page 5 s after the first failure, then less and less often, down to every 25 s', async (test) => {
    const { clock, index, proxy, held } = await setting(test);
    index.fault(PAGES, status(403));
    clock.advance(61_000);
    assertStale(await getPage(proxy, 'foo'), held);
    const tries: number[] = [];
    for (let second = 1; second <= 120; second += 1) {
      clock.advance(1_000);
      const before = index.requests('/simple/foo/');
      assertStale(await getPage(proxy, 'foo'), held);
      if (index.requests('/simple/foo/') > before) tries.push(second);
    }
    const waits = tries.map((second, i) => second - (tries[i - 1] ?? 0));
    assert.ok(waits.length >= 5, `asked after ${tries} s`);
    for (const [i, expected] of [5, 10, 20, 25, 25].entries()) {
      assert.ok(Math.abs(waits[i]! - expected) <= 0.1 * expected + 1, `waits of ${waits} s`);
    }
  });

  it('shows in the metrics: what was served stale and why, what failed, what upstream answered', async (test) => {
    const { clock, index, proxy } = await setting(test);
    index.fault(PAGES, status(403));
    clock.advance(61_000);
    for (const project of ['foo', 'foo', 'foo', 'bar']) await getPage(proxy, project);
    const metrics = await proxy.metrics();
    const upstream = `upstream="${new URL(index.url).host}"`;
    const expected = {
      'wheelkeep_stale_answers_total{kind="page",reason="failure"}': 1,
      'wheelkeep_stale_answers_total{kind="page",reason="back-off"}': 2,
      'wheelkeep_requests_total{kind="page",outcome="miss",status="2xx"}': 1,
      'wheelkeep_requests_total{kind="page",outcome="stale-if-error",status="2xx"}': 3,
      'wheelkeep_requests_total{kind="page",outcome="failed",status="5xx"}': 1,
      [`wheelkeep_upstream_requests_total{${upstream},kind="page",result="ok"}`]: 1,
      [`wheelkeep_upstream_requests_total{${upstream},kind="page",result="status"}`]: 2,
    };
    assert.deepEqual(Object.fromEntries(Object.keys(expected).map((name) => [name, metrics[name]])), expected);
  });
});
