// Asking one index: what is sent, which answers count, failover, hedging, pauses and circuits.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { UpstreamFailure } from '../../src/core/errors.ts';
import { fieldValue } from '../../src/core/http-message.ts';
import { OriginRights } from '../../src/net/origin-rights.ts';
import { IndexUpstream, type IndexUpstreamOptions, type MirrorResult } from '../../src/upstream/index-upstream.ts';
import type { MirrorEvent } from '../../src/upstream/mirror.ts';
import { until } from '../support/clock/until.ts';
import { bytesOf, failureOf, fixed, upstreamClient } from '../support/proxy/upstream-client.ts';
import { FakeServer, type FakeServerOptions } from '../support/upstream/fake-server.ts';
import * as faults from '../support/upstream/faults.ts';

const NEVER = new AbortController().signal;

/** The client, as over a line on which opening a connection takes that long. */
function slowToConnect(client: IndexUpstreamOptions['client'], ms: number): IndexUpstreamOptions['client'] {
  return {
    fetch: async (request) => {
      await sleep(ms);
      return client.fetch(request);
    },
    reportSlow: (source) => client.reportSlow(source),
  };
}

interface World {
  readonly mirrors: readonly FakeServer[];
  readonly index: IndexUpstream;
  readonly events: MirrorEvent[];
  readonly results: MirrorResult[];
  /** Milliseconds by which the index's clock is ahead. */
  advance(ms: number): void;
  /** Asks for a page and reads it: status and text. */
  page(path?: string): Promise<string>;
  /** Asks for pages of distinct projects until the circuits of these mirrors have opened: their texts or failures. */
  untilOpen(...mirrors: readonly number[]): Promise<unknown[]>;
}

/** An index of `count` mirrors that answer with their number. */
async function world(
  context: TestContext,
  count: number,
  options: Partial<IndexUpstreamOptions> = {},
  serverOptions: Partial<FakeServerOptions> = {},
): Promise<World> {
  const mirrors = await Promise.all(
    Array.from({ length: count }, (_, i) =>
      FakeServer.start({
        respond: () => ({ status: 200, fields: ['etag', `"${i}"`], body: Buffer.from(`mirror ${i}`) }),
        ...serverOptions,
      }),
    ),
  );
  context.after(() => Promise.all(mirrors.map((mirror) => mirror.close())));
  let ahead = 0;
  const events: MirrorEvent[] = [];
  const results: MirrorResult[] = [];
  const index = new IndexUpstream({
    client: upstreamClient(context),
    bases: mirrors.map(({ origin }) => ({ url: `${origin}/simple/` })),
    missingStatuses: [],
    neutralPath: '',
    pageOrigins: [],
    accept: 'any',
    maxPageBytes: 1 << 20,
    now: () => Date.now() + ahead,
    random: () => 0.5,
    onEvent: (event) => events.push(event),
    count: (result) => results.push(result),
    ...options,
  });
  const page = async (path = 'a/') => {
    const response = await index.fetchPage(path, [], NEVER);
    return `${response.status} ${await bytesOf(response.body)}`;
  };
  return {
    mirrors,
    index,
    events,
    results,
    advance: (ms) => {
      ahead += ms;
    },
    page,
    untilOpen: async (...which) => {
      const outcomes: unknown[] = [];
      for (let i = 0; i < 5; i += 1) outcomes.push(await page(`project-${i}/`).catch((error: unknown) => error));
      await until(() => which.every((mirror) => index.status()[mirror]!.state === 'open'));
      return outcomes;
    },
  };
}

test('a page is asked for with a fixed list of fields and the conditions of its mirror', async (t) => {
  const { mirrors, index } = await world(t, 1);
  const [mirror] = mirrors;
  const response = await index.fetchPage('a/', (base) => ['if-none-match', `"${new URL(base).port}"`], NEVER);
  await bytesOf(response.body);
  const { fields, path } = mirror!.log.entries[0]!;
  assert.equal(path, '/simple/a/');
  assert.deepEqual(Object.fromEntries(fields.flatMap((name, i) => (i % 2 === 0 ? [[name, fields[i + 1]]] : []))), {
    host: `127.0.0.1:${mirror!.port}`,
    connection: 'keep-alive',
    accept: 'application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.01',
    'accept-encoding': 'gzip',
    'if-none-match': `"${mirror!.port}"`,
    'user-agent': 'wheelkeep-test/1 (+https://project.example)',
  });
});

test('conditions replace our own fields, and a path that leads away from the index is refused', async (t) => {
  const { mirrors, index } = await world(t, 1);
  await bytesOf((await index.fetchPage('../pypi/a/json', ['accept', 'application/json'], NEVER)).body);
  const { fields, path } = mirrors[0]!.log.entries[0]!;
  assert.equal(path, '/pypi/a/json');
  assert.equal(fieldValue(fields, 'accept'), 'application/json');
  for (const away of ['//evil.example/a/', 'https://evil.example/']) {
    await assert.rejects(index.fetchPage(away, [], NEVER), { code: 'bad-request' });
  }
});

test('200, 304, 404, 410 and 451 are answers; a status that means missing here becomes an empty 404', async (t) => {
  const { mirrors, page, results } = await world(t, 1, { missingStatuses: [403] });
  const [mirror] = mirrors;
  assert.equal(await page(), '200 mirror 0');
  mirror!.fault(/./, faults.notModified());
  assert.equal(await page(), '304 ');
  for (const code of [404, 410, 451]) {
    mirror!.fault(/./, faults.status(code));
    assert.equal(await page(), `${code} fault ${code}`);
  }
  mirror!.fault(/./, faults.status(403));
  assert.equal(await page(), '404 ');
  assert.deepEqual(
    results.map(({ result }) => result),
    ['ok', 'not-modified', 'missing', 'missing', 'missing', 'missing'],
  );
});

test('every other status is a failure that names it, and client errors never open the circuit', async (t) => {
  const { mirrors, page, index } = await world(t, 1);
  for (const code of [400, 401, 403, 406, 418, 206, 300]) {
    mirrors[0]!.fault(/./, faults.status(code));
    for (let i = 0; i < 2; i += 1) {
      const failure = await failureOf(page());
      assert.deepEqual([failure.kind, failure.upstreamStatus, failure.status], ['status', code, 502]);
    }
  }
  assert.equal(index.status()[0]?.state, 'closed');
});

test('the next mirror answers when one is down, broken, refusing or misconfigured', async (t) => {
  const { mirrors, page } = await world(t, 2);
  const [first] = mirrors;
  for (const fault of [faults.status(500), faults.status(401), faults.hangUp('rst'), faults.redirectLoop()]) {
    first!.fault(/./, fault);
    assert.equal(await page(), '200 mirror 1');
  }
  await first!.down();
  assert.equal(await page(), '200 mirror 1');
});

test('when five projects fail a mirror is not asked again before its probe, which brings it back', async (t) => {
  const { mirrors, page, index, events, advance, untilOpen } = await world(t, 2);
  const [first] = mirrors;
  first!.fault(/./, faults.hangUp('rst'));
  assert.deepEqual(await untilOpen(0), Array(5).fill('200 mirror 1'));
  // Five requests and a neutral one, each tried twice.
  assert.equal(first!.log.count(), 12);
  for (let i = 0; i < 8; i += 1) assert.equal(await page(), '200 mirror 1');
  assert.equal(first!.log.count(), 12);
  assert.equal(index.status()[0]?.state, 'open');
  assert.equal(index.status()[0]?.lastFailure?.kind, 'reset');
  first!.clearFaults();
  advance(5_000);
  assert.equal(await page(), '200 mirror 0');
  assert.deepEqual(
    events.map(({ kind }) => kind),
    ['opened', 'closed'],
  );
});

test('while every circuit is open the failure comes at once and says when to come back', async (t) => {
  const { mirrors, page, index, advance, untilOpen } = await world(t, 1);
  const [mirror] = mirrors;
  mirror!.fault(/./, faults.status(500));
  for (const failure of await untilOpen(0)) assert.equal((failure as UpstreamFailure).upstreamStatus, 500);
  mirror!.log.clear();
  const failure = await failureOf(page());
  assert.equal(failure.kind, 'circuit-open');
  assert.equal(failure.status, 503);
  assert.ok(failure.pauseMs! > 4_000 && failure.pauseMs! <= 5_000);
  assert.equal(mirror!.log.count(), 0);
  // An outage of a minute, with a client every second: never more than one probe, then service within 30 s.
  for (let second = 0; second < 60; second += 1) {
    advance(1_000);
    await Promise.all([failureOf(page()), failureOf(page())]);
  }
  const probes = mirror!.log.count() / 2;
  assert.ok(probes >= 2 && probes <= 5, `${probes} probes`);
  mirror!.clearFaults();
  let seconds = 0;
  for (; index.status()[0]?.state !== 'closed'; seconds += 1) {
    advance(1_000);
    await page().catch(() => {});
  }
  assert.ok(seconds <= 30, `${seconds} s`);
  assert.equal(await page(), '200 mirror 0');
});

test('a pause that upstream asks for is kept: nobody asks before, and 429 alone means half a minute', async (t) => {
  const { mirrors, page, advance, events } = await world(t, 1);
  const [mirror] = mirrors;
  for (const [fault, pauseMs] of [
    [faults.status(429, ['retry-after', '120']), 120_000],
    [faults.status(503, ['retry-after', '7']), 7_000],
    [faults.status(429), 27_000],
  ] as const) {
    mirror!.fault(/./, fault);
    const failure = await failureOf(page());
    assert.deepEqual([failure.kind, failure.status, failure.pauseMs], ['rate-limited', 503, pauseMs]);
    mirror!.clearFaults();
    mirror!.log.clear();
    advance(pauseMs - 2_000);
    assert.equal((await failureOf(page())).kind, 'circuit-open');
    assert.equal(mirror!.log.count(), 0);
    advance(2_000);
    assert.equal(await page(), '200 mirror 0');
  }
  // 503 may be one project's trouble: that one is left alone, and the others are not.
  assert.equal(events.filter(({ kind }) => kind === 'paused').length, 2);
});

test('a 503 that asks for a pause closes its own project only, and an unhealthy index for as long as it asked', async (t) => {
  const { mirrors, page, advance, index, untilOpen } = await world(t, 1);
  const [mirror] = mirrors;
  mirror!.fault('/simple/bad/', faults.status(503, ['retry-after', '60']));
  assert.equal((await failureOf(page('bad/'))).kind, 'rate-limited');
  assert.equal((await failureOf(page('bad/'))).kind, 'circuit-open');
  assert.equal(await page('good/'), '200 mirror 0');
  assert.equal(mirror!.log.count('/simple/bad/'), 1);
  mirror!.fault(/./, faults.status(503, ['retry-after', '60']));
  await untilOpen(0);
  mirror!.log.clear();
  advance(58_000);
  assert.equal((await failureOf(page('good/'))).kind, 'circuit-open');
  assert.equal(mirror!.log.count(), 0);
  assert.equal(index.status()[0]?.state, 'open');
});

test('a mirror that stays silent is overtaken by the next one, its request cancelled, and asked last for a while', async (t) => {
  const { mirrors, page, results, advance } = await world(t, 2, { hedgeAfterMs: 200 });
  const [first] = mirrors;
  first!.fault(/./, faults.silence());
  assert.equal(await page(), '200 mirror 1');
  await first!.log.waitFor(() => first!.openConnections === 0);
  assert.deepEqual(
    results.map(({ result, hedge }) => [result, hedge]),
    [
      ['ok', true],
      ['aborted', false],
    ],
  );
  assert.equal(await page(), '200 mirror 1');
  // It was asked first: what answered was no hedge.
  assert.deepEqual([results.at(-1)?.result, results.at(-1)?.hedge], ['ok', false]);
  first!.clearFaults();
  advance(30_000);
  assert.equal(await page(), '200 mirror 0');
});

test('a single mirror that stays silent is asked once more over another connection', async (t) => {
  const { mirrors, page } = await world(t, 1, { hedgeAfterMs: 200 });
  const [mirror] = mirrors;
  mirror!.fault(/./, faults.silence(), { times: 1 });
  assert.equal(await page(), '200 mirror 0');
  const [first, second] = mirror!.log.entries.map(({ connection }) => connection);
  assert.notEqual(first, second);
});

test('the second request of a single mirror is never sent over a connection that was open before', async (t) => {
  const { mirrors, page } = await world(t, 1, { hedgeAfterMs: 200 });
  const [mirror] = mirrors;
  mirror!.fault(/./, faults.delay(10), { times: 3 });
  await Promise.all([page(), page(), page()]);
  mirror!.fault(/./, faults.silence(), { times: 1 });
  assert.equal(await page(), '200 mirror 0');
  assert.equal(mirror!.log.entries.at(-1)!.connection, 4);
});

test('a probe that its caller gives up neither closes the circuit nor keeps the next probe waiting', async (t) => {
  const { mirrors, index, page, advance, untilOpen } = await world(t, 1);
  const [mirror] = mirrors;
  mirror!.fault(/./, faults.status(500));
  await untilOpen(0);
  advance(5_000);
  mirror!.fault(/./, faults.silence(), { times: 1 });
  mirror!.log.clear();
  const control = new AbortController();
  const failing = failureOf(index.fetchPage('a/', [], control.signal));
  await mirror!.log.waitFor(() => mirror!.log.count() === 1);
  control.abort();
  assert.equal((await failing).kind, 'aborted');
  assert.equal(index.status()[0]?.state, 'half-open');
  mirror!.clearFaults();
  assert.equal(await page(), '200 mirror 0');
});

test('a slow upstream is not asked twice as much: after a burst of five, one request in twenty is hedged', async (t) => {
  const { mirrors, page } = await world(t, 1, { hedgeAfterMs: 3 });
  mirrors[0]!.fault(/./, faults.delay(15));
  for (let i = 0; i < 60; i += 1) await page();
  const hedges = mirrors[0]!.log.count() - 60;
  assert.ok(hedges >= 5 && hedges <= 8, `${hedges} hedges`);
});

test('an upstream that answers late but in time still serves, and its circuit stays closed', async (t) => {
  const { mirrors, page, index } = await world(t, 1, { hedgeAfterMs: 20, totalMs: 2_000 });
  mirrors[0]!.fault(/./, faults.delay(60));
  for (let i = 0; i < 10; i += 1) assert.equal(await page(), '200 mirror 0');
  assert.equal(index.status()[0]?.state, 'closed');
  assert.ok(index.status()[0]!.latencyMs! >= 20);
});

test('ordered by latency, each mirror is measured once and then the fastest is asked', async (t) => {
  const { mirrors, page, index, advance } = await world(t, 3, { order: 'latency' });
  const asked = () => mirrors.map(({ log }) => log.count());
  const leads = () => index.status().findIndex((status) => status.leads);
  mirrors[0]!.fault(/./, faults.delay(80));
  mirrors[1]!.fault(/./, faults.delay(40));
  for (let i = 0; i < 6; i += 1) await page();
  assert.deepEqual(asked(), [1, 1, 4]);
  assert.equal(leads(), 2);

  // The leader breaks down: the next fastest takes over, and the lead follows once it is known to be slow.
  await mirrors[2]!.down();
  assert.equal(await page(), '200 mirror 1');
  await mirrors[2]!.up();
  mirrors[2]!.fault(/./, faults.delay(300));
  for (let i = 0; i < 4; i += 1) await page();
  assert.equal(leads(), 1);

  // What was slow is asked once more after five minutes, and leads when it has become fast.
  mirrors[0]!.clearFaults();
  mirrors[1]!.fault(/./, faults.delay(60));
  advance(300_000);
  for (let i = 0; i < 8; i += 1) await page();
  assert.equal(leads(), 0);
  assert.ok(index.status()[0]!.latencyMs! < 40);
});

test('a mirror that fails when it is measured costs one request and is left alone for five minutes', async (t) => {
  const { mirrors, page } = await world(t, 2, { order: 'latency' });
  mirrors[1]!.fault(/./, faults.status(500));
  for (let i = 0; i < 10; i += 1) assert.equal(await page(), '200 mirror 0');
  // The client itself tries a 500 twice.
  assert.equal(mirrors[1]!.log.count(), 2);
});

test('opening connections does not count as latency', async (t) => {
  const { mirrors, page, index } = await world(t, 2, {
    order: 'latency',
    client: slowToConnect(upstreamClient(t), 60),
  });
  for (let i = 0; i < 2; i += 1) await page();
  assert.ok(mirrors.every(({ log }) => log.count() === 1));
  for (const { latencyMs } of index.status()) assert.ok(latencyMs! < 50, `${latencyMs} ms`);
});

test('when nobody answers the failure comes at the total deadline, and five projects of them open the circuits', async (t) => {
  const { mirrors, page, index } = await world(t, 2, { hedgeAfterMs: 30, totalMs: 150 });
  for (const mirror of mirrors) mirror.fault(/./, faults.silence());
  const started = performance.now();
  const failures = await Promise.all(Array.from({ length: 5 }, (_, i) => failureOf(page(`project-${i}/`))));
  assert.deepEqual(new Set(failures.map(({ kind }) => kind)), new Set(['timeout']));
  assert.ok(performance.now() - started < 1_000);
  await until(() => index.status().every(({ state }) => state === 'open'));
  for (const mirror of mirrors) await mirror.log.waitFor(() => mirror.openConnections === 0);
});

test('a page that breaks off counts against its mirror, and a probe is passed by a whole page only', async (t) => {
  const { mirrors, page, index, advance, untilOpen } = await world(t, 1);
  const [mirror] = mirrors;
  mirror!.fault(/./, faults.truncated(3));
  await untilOpen(0);
  advance(5_000);
  await failureOf(page());
  assert.equal(index.status()[0]?.state, 'open');
  mirror!.clearFaults();
  advance(10_000);
  assert.equal(await page(), '200 mirror 0');
  assert.equal(index.status()[0]?.state, 'closed');
});

test('bodies that are no pages count as every other failure, and a neutral one that is none either', async (t) => {
  const check = async (_path: string, _response: unknown, body: Buffer) => {
    if (body.includes('Sign in')) throw new UpstreamFailure('invalid-body', 'no page');
  };
  const { index, mirrors, page, advance, events } = await world(t, 1, { neutralPath: '', check });
  const { source } = await index.fetchPage('a/', [], NEVER);
  await page();
  for (const project of ['a', 'b', 'c', 'd', 'd', 'd']) index.reportInvalidPage(source, `${project}/`);
  advance(60_000);
  for (const project of ['e', 'f', 'g', 'h']) index.reportInvalidPage(source, `${project}/`);
  index.reportValidPage(source, 'well/');
  for (const project of ['i', 'j', 'k', 'l']) index.reportInvalidPage(source, `${project}/`);
  assert.equal(mirrors[0]!.log.count('/simple/well/') + mirrors[0]!.log.count('/simple/'), 0, 'nobody was suspected');
  index.reportInvalidPage(source, 'm/');
  await mirrors[0]!.log.waitFor(() => mirrors[0]!.log.count('/simple/well/') === 1);
  assert.equal(index.status()[0]?.state, 'closed');
  mirrors[0]!.fault(/./, faults.loginPage());
  await until(() => {
    for (const project of ['n', 'o', 'p', 'q', 'r']) index.reportInvalidPage(source, `${project}/`);
    return index.status()[0]?.state === 'open';
  });
  assert.deepEqual(
    events.map(({ kind, reason }) => [kind, reason]),
    [['opened', 'invalid-body']],
  );
});

test('a page may redirect within its own host and to the page origins, nowhere else', async (t) => {
  const other = await FakeServer.start({ respond: () => ({ status: 200, fields: [], body: Buffer.from('other') }) });
  t.after(() => other.close());
  const elsewhere = `http://localhost:${other.port}/x/`;
  const plain = await world(t, 1);
  plain.mirrors[0]!.fault('/simple/a/', faults.redirect('/simple/b/'));
  plain.mirrors[0]!.fault('/simple/away/', faults.redirect(elsewhere));
  assert.equal(await plain.page('a/'), '200 mirror 0');
  assert.equal((await failureOf(plain.page('away/'))).kind, 'redirect');
  const client = upstreamClient(t, { configuredOrigins: [`http://localhost:${other.port}`] });
  const listed = await world(t, 1, { pageOrigins: [`localhost:${other.port}`], client });
  listed.mirrors[0]!.fault('/simple/away/', faults.redirect(elsewhere));
  assert.equal(await listed.page('away/'), '200 other');
});

test('credentials of a mirror are sent to it and to no other', async (t) => {
  const two = await world(t, 2);
  const [first, second] = two.mirrors;
  const { index } = await world(t, 1, {
    bases: [first!, second!].map(({ origin }) => ({ url: `${origin}/simple/` })),
    rights: new OriginRights([
      { url: `${first!.origin}/simple/`, credentials: fixed({ kind: 'bearer', token: 'canary' }) },
      { url: `${second!.origin}/simple/` },
    ]),
  });
  first!.fault(/./, faults.status(500));
  await bytesOf((await index.fetchPage('a/', [], NEVER)).body);
  assert.equal(fieldValue(first!.log.entries[0]!.fields, 'authorization'), 'Bearer canary');
  assert.ok(!JSON.stringify(second!.log.entries).includes('canary'));
});

test('a caller that gives up ends every request at once and harms no health', async (t) => {
  const { mirrors, index } = await world(t, 2, { hedgeAfterMs: 20 });
  for (const mirror of mirrors) mirror.fault(/./, faults.silence());
  for (let i = 0; i < 6; i += 1) {
    const control = new AbortController();
    const failing = failureOf(index.fetchPage('a/', [], control.signal));
    await mirrors[0]!.log.waitFor(() => mirrors[0]!.log.count() === i + 1);
    control.abort();
    assert.equal((await failing).kind, 'aborted');
  }
  for (const mirror of mirrors) await mirror.log.waitFor(() => mirror.openConnections === 0);
  assert.ok(index.status().every(({ state }) => state === 'closed'));
});

test('a mirror that is silent when nothing may be hedged any more is left for the next one', async (t) => {
  const { mirrors, page, index } = await world(t, 2, { hedgeAfterMs: 20, overdueAfterMs: 300 });
  const last = mirrors.at(-1)!;
  for (const mirror of mirrors) mirror.fault(/./, faults.silence());
  const control = new AbortController();
  const lost = Array.from({ length: 5 }, () => failureOf(index.fetchPage('a/', [], control.signal)));
  await last.log.waitFor(() => last.log.count('/simple/a/') === 5);
  last.clearFaults();
  assert.equal(await page('b/'), '200 mirror 1');
  control.abort();
  await Promise.all(lost);
});
