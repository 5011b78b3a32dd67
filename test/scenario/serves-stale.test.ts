// What an installer gets when the index fails, in every way an index can fail: what was seen before is served, what was
// never seen is a clear error within ten seconds, and nothing is ever "missing".

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { assertStale, type Failure, PAGES, playOutage, setting } from '../support/proxy/outage-play.ts';
import { getPage } from '../support/proxy/page-client.ts';
import {
  contentType,
  emptyBody,
  gzipBomb,
  hangUp,
  loginPage,
  notModified,
  rawBytes,
  redirect,
  redirectLoop,
  replacedBody,
  status,
  truncated,
} from '../support/upstream/faults.ts';

const FAILURES: readonly Failure[] = [
  { name: 'refuses connections', cold: 502 },
  { name: 'hangs up', fault: () => hangUp('fin'), cold: 502 },
  { name: 'resets the connection', fault: () => hangUp('rst'), cold: 502 },
  { name: 'cuts the page', fault: () => truncated(40), cold: 502 },
  { name: 'speaks no HTTP', fault: () => rawBytes('SSH-2.0-upstream\r\n'), cold: 502 },
  { name: 'answers 500', fault: () => status(500), cold: 502 },
  { name: 'answers 502', fault: () => status(502), cold: 502 },
  {
    name: 'answers 503 with a page of HTML',
    fault: () => status(503, ['content-type', 'text/html'], '<html>'),
    cold: 503,
  },
  { name: 'answers 504', fault: () => status(504), cold: 502 },
  {
    name: 'answers 429 and wants two minutes',
    fault: () => status(429, ['retry-after', '120']),
    cold: 503,
    recoveryMs: 121_000,
  },
  { name: 'answers 429', fault: () => status(429), cold: 503, recoveryMs: 37_000 },
  { name: 'answers 401', fault: () => status(401), cold: 502 },
  { name: 'answers 403', fault: () => status(403), cold: 502 },
  { name: 'answers 200 with a login page', fault: loginPage, cold: 502 },
  { name: 'answers 200 with nothing', fault: emptyBody, cold: 502 },
  { name: 'answers {}', fault: () => replacedBody('{}'), cold: 502 },
  {
    name: 'cuts the JSON',
    fault: () => replacedBody('{"meta":{"api-version":"1.0"},"name":"foo","fi'),
    cold: 502,
  },
  { name: 'answers 304 unasked', fault: () => notModified('"of-another-page"'), cold: 502 },
  { name: 'redirects in a loop', fault: redirectLoop, cold: 502 },
  {
    name: 'redirects to a foreign host',
    fault: () => redirect('https://foreign.example/simple/foo/'),
    cold: 502,
  },
  { name: 'sends a gzip bomb', fault: () => gzipBomb(64 << 20), cold: 502 },
  { name: 'sends another content type', fault: () => contentType('application/octet-stream'), cold: 502 },
];

describe('a page that was seen is served, one that was not is a clear error, while the index', {
  concurrency: 8,
}, () => {
  for (const failure of FAILURES) it(failure.name, (test) => playOutage(test, failure));
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
