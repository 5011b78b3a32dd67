import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FailureKind } from '../../src/core/errors.ts';
import {
  type Definition,
  KINDS,
  METRIC_TABLE,
  metricsTable,
  OUTCOMES,
  type UPSTREAM_RESULTS,
} from '../../src/observe/metric-table.ts';
import { Metrics, renderWorkers } from '../../src/observe/metrics.ts';
import { parseMetrics } from '../support/assert/prometheus-text.ts';

const newMetrics = () => new Metrics({ version: '1.2.3', process: false });
const rows = Object.values<Definition>(METRIC_TABLE);

test('every name follows the naming rules: prefix, base unit, _total for counters alone', () => {
  for (const { name, type } of rows) {
    assert.match(name, /^wheelkeep_[a-z][a-z_]*[a-z]$/);
    assert.equal(name.endsWith('_total'), type === 'counter', name);
    assert.doesNotMatch(name, /_(?:ms|milliseconds|kb|mb|megabytes|count|sum|bucket)(?:_|$)/, name);
  }
  assert.equal(new Set(rows.map(({ name }) => name)).size, rows.length);
});

test('no label can carry a project, a file, a user or a URL: all are closed lists, or names that the operator gives', () => {
  const open = rows.flatMap(({ labels }) => Object.entries(labels).filter(([, values]) => values === 'configured'));
  assert.deepEqual(new Set(open.map(([label]) => label)), new Set(['upstream', 'lock', 'version', 'node']));
});

test('every kind of upstream failure is a result that can be counted', () => {
  // The compiler refuses this line when errors.ts knows a kind that the table does not.
  const missing: Exclude<FailureKind, (typeof UPSTREAM_RESULTS)[number]>[] = [];
  assert.deepEqual(missing, []);
});

test('docs/metrics.md gets one row a metric', () => {
  const table = metricsTable().trimEnd().split('\n');
  assert.equal(table.length, rows.length + 2);
  for (const line of table) assert.equal(line.split(' | ').length, 4, line);
});

test('a request is counted by kind, outcome and status, with its bytes and both its times', async () => {
  const metrics = newMetrics();
  metrics.record({ kind: 'page', outcome: 'hit', status: 200, firstByteMs: 0.4, durationMs: 4, bytes: 1000 });
  metrics.record({ kind: 'page', outcome: 'hit', status: 304, firstByteMs: 500, durationMs: 500, bytes: 0 });
  metrics.record({
    kind: 'file',
    outcome: 'failed',
    status: 502,
    firstByteMs: 400_000,
    durationMs: 400_000,
    bytes: 10,
  });
  metrics.record({ kind: 'file', outcome: 'miss', status: 0, firstByteMs: 1000, durationMs: 1000, bytes: 5 });
  const seen = parseMetrics(await metrics.render());
  const first = 'wheelkeep_request_first_byte_seconds';
  assert.equal(seen['wheelkeep_requests_total{kind="page",outcome="hit",status="2xx"}'], 1);
  assert.equal(seen['wheelkeep_requests_total{kind="page",outcome="hit",status="3xx"}'], 1);
  assert.equal(seen['wheelkeep_requests_total{kind="file",outcome="failed",status="5xx"}'], 1);
  assert.equal(seen['wheelkeep_requests_total{kind="file",outcome="miss",status="none"}'], 1);
  assert.equal(seen['wheelkeep_response_bytes_total{kind="page"}'], 1000);
  assert.equal(seen['wheelkeep_response_bytes_total{kind="file"}'], 15);
  assert.equal(seen[`${first}_bucket{kind="page",outcome="hit",le="0.001"}`], 1);
  assert.equal(seen[`${first}_bucket{kind="page",outcome="hit",le="0.25"}`], 1);
  assert.equal(seen[`${first}_bucket{kind="page",outcome="hit",le="0.5"}`], 2);
  assert.equal(seen[`${first}_bucket{kind="page",outcome="hit",le="+Inf"}`], 2);
  assert.equal(seen[`${first}_sum{kind="page",outcome="hit"}`], 0.5004);
  assert.equal(seen[`${first}_bucket{kind="file",outcome="failed",le="300"}`], 0);
  assert.equal(seen[`${first}_count{kind="file",outcome="failed"}`], 1);
  assert.equal(seen['wheelkeep_request_duration_seconds_sum{kind="page",outcome="hit"}'], 0.504);
});

test('a series that nothing touched does not exist, but small counters begin at zero so that rate() sees the first event', async () => {
  const text = await newMetrics().render();
  assert.doesNotMatch(text, /wheelkeep_requests_total\{/);
  assert.doesNotMatch(text, /wheelkeep_request_duration_seconds_bucket/);
  assert.equal(parseMetrics(text)['wheelkeep_integrity_failures_total{kind="wrong-digest"}'], 0);
});

test('the number of series is bounded whatever is asked for', async () => {
  const metrics = newMetrics();
  const touchAll = () => {
    for (const kind of KINDS)
      for (const outcome of OUTCOMES)
        metrics.record({ kind, outcome, status: 200, firstByteMs: 10, durationMs: 20, bytes: 1 });
  };
  const series = async () =>
    (await metrics.render()).split('\n').filter((line) => /^wheelkeep_\w+_total/.test(line)).length;
  touchAll();
  const once = await series();
  for (let i = 0; i < 100; i++) touchAll();
  assert.equal(await series(), once);
});

test('gauges that others know are asked for at each scrape', async () => {
  const metrics = newMetrics();
  let connections = 3;
  metrics.onScrape(() => metrics.meters.openConnections.set({}, connections));
  assert.equal(parseMetrics(await metrics.render()).wheelkeep_open_connections, 3);
  connections = 4;
  assert.equal(parseMetrics(await metrics.render()).wheelkeep_open_connections, 4);
});

test('several instances count apart', async () => {
  const [one, other] = [newMetrics(), newMetrics()];
  one.meters.unhandledErrors.inc({});
  assert.equal(parseMetrics(await one.render()).wheelkeep_unhandled_errors_total, 1);
  assert.equal(parseMetrics(await other.render()).wheelkeep_unhandled_errors_total, 0);
});

test("workers' counts are added, their health is the worst of them", async () => {
  const workers = [newMetrics(), newMetrics()];
  for (const [healthy, worker] of workers.entries()) {
    worker.record({ kind: 'page', outcome: 'hit', status: 200, firstByteMs: 2, durationMs: 2, bytes: 10 });
    worker.meters.evictions.inc({ reason: 'quota' }, 2);
    worker.meters.upstreamHealthy.set({ upstream: 'public' }, healthy);
  }
  // As it travels between processes.
  const snapshots = JSON.parse(JSON.stringify(await Promise.all(workers.map((worker) => worker.snapshot()))));
  const seen = parseMetrics(await renderWorkers(snapshots));
  assert.equal(seen['wheelkeep_requests_total{kind="page",outcome="hit",status="2xx"}'], 2);
  assert.equal(seen['wheelkeep_request_duration_seconds_bucket{kind="page",outcome="hit",le="0.0025"}'], 2);
  assert.equal(seen['wheelkeep_evictions_total{reason="quota"}'], 4);
  assert.equal(seen['wheelkeep_upstream_healthy{upstream="public"}'], 0);
  assert.equal(seen[`wheelkeep_build_info{version="1.2.3",node="${process.version}"}`], 1);
});

test('the process tells of itself under the standard names', async () => {
  const text = await new Metrics({ version: '0', process: true }).render();
  for (const name of ['process_resident_memory_bytes', 'nodejs_eventloop_lag_p99_seconds', 'process_open_fds']) {
    assert.match(text, new RegExp(`^${name} `, 'm'));
  }
});
