// The parts of primary and workers that need no process.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LEASE_MS } from '../../src/core/lease.ts';
import { Metrics, renderWorkers } from '../../src/observe/metrics.ts';
import { LeaseTable } from '../../src/workers/lease-table.ts';
import type { ToPrimary, WorkerSnapshot } from '../../src/workers/messages.ts';
import { PurgeRounds } from '../../src/workers/purge-rounds.ts';
import { DepartedMetrics, SnapshotRounds } from '../../src/workers/snapshot-rounds.ts';
import { WorkerLink } from '../../src/workers/worker-link.ts';
import { parseMetrics } from '../support/assert/prometheus-text.ts';

const PURGED = { kind: 'forget', keys: ['page:main:a'] } as const;
const first = { worker: 1, id: 10 };
const second = { worker: 2, id: 20 };

async function counted(times: number) {
  const metrics = new Metrics({ version: '1', process: false });
  const answered = { kind: 'page', outcome: 'hit', status: 200, firstByteMs: 2, durationMs: 2, bytes: 10 } as const;
  for (let i = 0; i < times; i++) metrics.record(answered);
  metrics.meters.openConnections.set({}, times);
  return structuredClone(await metrics.snapshot());
}
/** What a worker with that many hits tells; its facts are not looked at here. */
async function snapshot(times: number): Promise<WorkerSnapshot> {
  return { metrics: await counted(times), facts: { store: {} } as WorkerSnapshot['facts'] };
}
const HITS = 'wheelkeep_requests_total{kind="page",outcome="hit",status="2xx"}';
const BUCKET = 'wheelkeep_request_duration_seconds_bucket{kind="page",outcome="hit",le="0.0025"}';

test('one worker has the lease on a key, the others hear when it is done', () => {
  const table = new LeaseTable();
  assert.equal(table.request('a', first, 0), 'granted');
  assert.equal(table.request('a', second, 0), 'held');
  assert.equal(table.request('b', second, 0), 'granted');
  assert.deepEqual(table.release('a', first), [second]);
  assert.deepEqual(table.release('b', second), []);
  assert.equal(table.size, 0);
});

test('a lease that is held for too long goes to the next, and its late release ends nothing', () => {
  const table = new LeaseTable();
  table.request('a', first, 0);
  assert.equal(table.request('a', second, LEASE_MS - 1), 'held');
  const third = { worker: 3, id: 30 };
  assert.equal(table.request('a', third, LEASE_MS), 'granted');
  assert.deepEqual(table.release('a', first), []);
  assert.deepEqual(table.release('a', third), [second]);
});

test('a dead worker holds nothing and waits for nothing', () => {
  const table = new LeaseTable();
  table.request('a', first, 0);
  table.request('a', second, 0);
  table.request('b', second, 0);
  table.request('b', first, 0);
  assert.deepEqual(table.leave(1), [second]);
  assert.deepEqual(table.release('b', second), []);
  assert.equal(table.size, 0);
});

test('what dead workers counted is added up; their levels are forgotten', async () => {
  const departed = new DepartedMetrics();
  departed.add(await counted(3));
  departed.add(await counted(4));
  const seen = parseMetrics(await renderWorkers([departed.snapshot, await counted(5)]));
  assert.equal(seen[HITS], 12);
  assert.equal(seen[BUCKET], 12);
  assert.equal(seen.wheelkeep_open_connections, 5);
});

test('a scrape waits a second for a silent worker and then uses its last word', async () => {
  const asked: number[][] = [];
  const rounds = new SnapshotRounds({ workers: () => [1, 2], ask: (worker, round) => asked.push([worker, round]) });
  const sum = async () =>
    parseMetrics(await renderWorkers((await rounds.collect()).map(({ metrics }) => metrics)))[HITS];
  const one = sum();
  const other = sum();
  assert.deepEqual(asked, [
    [1, 1],
    [2, 1],
  ]);
  rounds.answered(1, 1, await snapshot(1));
  rounds.answered(2, 1, await snapshot(2));
  assert.deepEqual(await Promise.all([one, other]), [3, 3]);

  const startedAt = performance.now();
  const third = sum();
  rounds.answered(1, 2, await snapshot(10));
  assert.equal(await third, 12);
  assert.ok(performance.now() - startedAt >= 990);
  const fourth = sum();
  rounds.answered(1, 3, await snapshot(10));
  rounds.left(2);
  assert.equal(await fourth, 12);
});

test('a purge is done when every other worker has forgotten, or died, or kept silent for a second', async () => {
  const told: number[][] = [];
  const rounds = new PurgeRounds({ workers: () => [1, 2, 3], tell: (worker, round) => told.push([worker, round]) });
  const purged = rounds.purge(2, PURGED);
  assert.deepEqual(told, [
    [1, 1],
    [3, 1],
  ]);
  let isDone = false;
  void purged.then(() => {
    isDone = true;
  });
  rounds.forgotten(1, 1);
  await new Promise(setImmediate);
  assert.equal(isDone, false);
  rounds.left(3);
  await purged;

  const startedAt = performance.now();
  await rounds.purge(1, PURGED);
  assert.ok(performance.now() - startedAt >= 990);
});

test('a worker that keeps silent is waited for once, and again when it has answered', async () => {
  const told: number[] = [];
  const rounds = new PurgeRounds({ workers: () => [1, 2], tell: (_worker, round) => told.push(round) });
  await rounds.purge(1, PURGED);
  const startedAt = performance.now();
  for (let i = 0; i < 50; i++) await rounds.purge(1, PURGED);
  assert.ok(performance.now() - startedAt < 500);
  assert.equal(told.length, 51, 'it is told all the same');
  rounds.forgotten(2, 1);
  let isDone = false;
  const purged = rounds.purge(1, PURGED).then(() => {
    isDone = true;
  });
  await new Promise(setImmediate);
  assert.equal(isDone, false);
  rounds.forgotten(2, 52);
  await purged;
});

test('a worker whose primary is silent goes on without a lease, and gives back one that comes late', async () => {
  const sent: ToPrimary[] = [];
  const link = new WorkerLink((message) => sent.push(message));
  assert.deepEqual(await link.leases.request('a'), { kind: 'unknown' });
  const { id } = sent[0] as Extract<ToPrimary, { kind: 'lease' }>;
  link.receive({ kind: 'lease', id, state: 'granted' });
  assert.deepEqual(sent.slice(1), [{ kind: 'release', id, key: 'a' }]);
});

test('a worker that has to wait hears of the end', async () => {
  const link = new WorkerLink((message) => {
    if (message.kind === 'lease') link.receive({ kind: 'lease', id: message.id, state: 'held' });
  });
  const answer = await link.leases.request('a');
  assert.equal(answer.kind, 'held');
  link.receive({ kind: 'lease', id: 0, state: 'over' });
  if (answer.kind === 'held') await answer.over;
});
