// One outage from its beginning to its end, whatever its kind: what an installer gets meanwhile, with a copy held and
// without one, and that all is right again afterwards.

import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { RunningClock } from '../clock/clock.ts';
import { temporaryFolder } from '../disk/temporary-folder.ts';
import { FakeIndex } from '../upstream/fake-index.ts';
import type { Fault } from '../upstream/fault-plan.ts';
import { wheel } from '../upstream/wheels.ts';
import { type ClientResponse, get } from './http-client.ts';
import { getPage, listed, until } from './page-client.ts';
import { type RunningProxy, startProxy } from './proxy.ts';

export interface Failure {
  readonly name: string;
  /** Absent: the index refuses connections. */
  readonly fault?: () => Fault;
  /** What a client without a copy is told. */
  readonly cold: 502 | 503;
  /** How long after its end the index is asked again; 30 s unless the index wished otherwise. */
  readonly recoveryMs?: number;
}

export const PAGES = /^\/simple\/(?:foo|bar)\//;
/** Patience is 500 ms; a client that waited for upstream in vain would wait for 4 s and more. */
const LIMIT_MS = 3_000;
/** Less than patience: nobody waited. One of several answers must be as quick; a busy machine may delay any one of them. */
const AT_ONCE_MS = 400;

/** An index with `foo`, held and fresh, and `bar`, never asked for. */
export async function setting(test: TestContext) {
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

export function assertStale(answer: ClientResponse, held: ClientResponse): void {
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

export async function assertServedThrough(
  proxy: RunningProxy,
  clock: RunningClock,
  held: ClientResponse,
  cold: number,
) {
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

export async function playOutage(test: TestContext, { fault, cold, recoveryMs = 31_000 }: Failure): Promise<void> {
  const { clock, index, proxy, held } = await setting(test);
  if (fault === undefined) await index.down();
  else index.fault(PAGES, fault());
  await assertServedThrough(proxy, clock, held, cold);

  index.clearFaults();
  await index.up();
  index.add('foo', wheel({ name: 'foo', version: '2.0' }));
  clock.advance(recoveryMs);
  // A fetch that fails only now begins the shortest wait, of five seconds.
  await until(
    () => getPage(proxy, 'foo'),
    (answer) => answer.status === 200 && listed(answer).length === 2,
    12_000,
  );
  await until(
    () => getPage(proxy, 'bar'),
    ({ status }) => status === 200,
  );
}
