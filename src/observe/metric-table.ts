// The one table of Wheelkeep's own metrics: the registry, the types of their labels and docs/metrics.md come from it.
// Labels are closed lists, or names that the configuration gives; never a project, a file, a user or a URL.

import { FAILURE_KINDS } from '../core/errors.ts';

/** What was asked for: the route, in one word. */
export const KINDS = [
  'page',
  'list',
  'file',
  'metadata',
  'json',
  'raw',
  'passthrough',
  'status',
  'health',
  'metrics',
  'admin',
  'other',
] as const;
/** What a request was for. */
export type Kind = (typeof KINDS)[number];

/**
 * How it was answered. A 404 from a stored negative entry is a `hit`, one that upstream just gave is a `miss`.
 * What we answer by ourselves (status, health, metrics) is a `hit`; what we refuse (a rule, a limit, a malformed
 * request, no such route) is `denied`; 502 and 503 are `failed`.
 */
export const OUTCOMES = [
  'hit',
  'miss',
  'revalidated',
  'updated',
  'stale-while-revalidate',
  'stale-if-error',
  'passthrough',
  'denied',
  'failed',
] as const;
/** How a request was answered. */
export type Outcome = (typeof OUTCOMES)[number];

/** The first digit of a status; `none` when the client left before there was one. */
export const STATUS_CLASSES = ['none', '1xx', '2xx', '3xx', '4xx', '5xx'] as const;

/** How requests to upstreams end. */
export const UPSTREAM_RESULTS = ['ok', 'not-modified', 'missing', ...FAILURE_KINDS] as const;

/** `tampered` did not carry our MAC; the `write-` results are of writes that nobody waited for. */
const REDIS_RESULTS = [
  'hit',
  'miss',
  'stored',
  'error',
  'timeout',
  'skipped',
  'tampered',
  'damaged-record',
  'write-refused',
  'write-dropped',
  'write-too-large',
] as const;
/** How calls to Redis end. */
export type RedisResultLabel = (typeof REDIS_RESULTS)[number];

/** The values of a label are names from the configuration: as many as the operator wrote, and no more. */
export const CONFIGURED = 'configured';
type LabelValues = readonly string[] | typeof CONFIGURED;

/** One metric. Histograms name their buckets' upper bounds, in the metric's unit. */
export interface Definition {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly name: string;
  readonly help: string;
  readonly labels: Readonly<Record<string, LabelValues>>;
  readonly buckets?: readonly number[];
  /** How several workers' values become one; sums when absent. */
  readonly aggregator?: 'sum' | 'min' | 'max' | 'first';
}

/** Seconds. They separate what design.md promises: hits, the patience of 0.5 s, the deadlines of 10, 14 and 15 s. */
const LATENCY_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 60, 300] as const;

/** All metrics of our own. */
export const METRIC_TABLE = {
  requests: {
    type: 'counter',
    name: 'wheelkeep_requests_total',
    help: 'Requests answered, by kind, outcome and class of status.',
    labels: { kind: KINDS, outcome: OUTCOMES, status: STATUS_CLASSES },
  },
  requestFirstByte: {
    type: 'histogram',
    name: 'wheelkeep_request_first_byte_seconds',
    help: 'Time from the end of the request head to the first byte of the answer.',
    labels: { kind: KINDS, outcome: OUTCOMES },
    buckets: LATENCY_BUCKETS,
  },
  requestDuration: {
    type: 'histogram',
    name: 'wheelkeep_request_duration_seconds',
    help: 'Time from the end of the request head to the end of the answer.',
    labels: { kind: KINDS, outcome: OUTCOMES },
    buckets: LATENCY_BUCKETS,
  },
  responseBytes: {
    type: 'counter',
    name: 'wheelkeep_response_bytes_total',
    help: 'Bytes of bodies sent to clients.',
    labels: { kind: KINDS },
  },
  clientAborts: {
    type: 'counter',
    name: 'wheelkeep_client_aborts_total',
    help: 'Clients that left before their answer was complete.',
    labels: { kind: KINDS },
  },
  rejectedRequests: {
    type: 'counter',
    name: 'wheelkeep_rejected_requests_total',
    help: 'Requests refused because of a limit, before any route was asked.',
    labels: {
      reason: [
        'malformed',
        'head-too-large',
        'body-too-large',
        'timeout',
        'overloaded',
        'draining',
        'loop',
        'tls',
        'unauthorized',
        'too-many-failures',
      ],
    },
  },
  certificateExpiry: {
    type: 'gauge',
    name: 'wheelkeep_certificate_expiry_timestamp_seconds',
    help: 'When the certificate of the listeners ends, in seconds since the epoch; 0 without TLS.',
    labels: {},
    aggregator: 'min',
  },
  openConnections: {
    type: 'gauge',
    name: 'wheelkeep_open_connections',
    help: 'Client connections that are open now.',
    labels: {},
  },
  staleAnswers: {
    type: 'counter',
    name: 'wheelkeep_stale_answers_total',
    help: 'Answers from a stale copy, by why it was not refreshed first.',
    labels: { kind: KINDS, reason: ['refreshing', 'patience', 'back-off', 'failure', 'unconfirmed'] },
  },
  collapsedRequests: {
    type: 'counter',
    name: 'wheelkeep_collapsed_requests_total',
    help: 'Requests that joined a flight instead of asking upstream.',
    labels: { kind: KINDS },
  },
  activeFlights: {
    type: 'gauge',
    name: 'wheelkeep_active_flights',
    help: 'Flights (upstream requests that clients may share) under way now.',
    labels: {},
  },
  oldestStaleAge: {
    type: 'gauge',
    name: 'wheelkeep_oldest_stale_age_seconds',
    help: 'Time since validation of the oldest page that was served stale in the last minute; 0 when none was.',
    labels: {},
    aggregator: 'max',
  },
  upstreamRequests: {
    type: 'counter',
    name: 'wheelkeep_upstream_requests_total',
    help: 'Requests to upstreams, by result.',
    labels: { upstream: CONFIGURED, kind: KINDS, result: UPSTREAM_RESULTS },
  },
  upstreamLatency: {
    type: 'histogram',
    name: 'wheelkeep_upstream_latency_seconds',
    help: 'Time from asking an upstream to the head of its answer.',
    labels: { upstream: CONFIGURED },
    buckets: LATENCY_BUCKETS,
  },
  upstreamReceivedBytes: {
    type: 'counter',
    name: 'wheelkeep_upstream_received_bytes_total',
    help: 'Bytes of bodies received from upstreams.',
    labels: { kind: KINDS },
  },
  upstreamHealthy: {
    type: 'gauge',
    name: 'wheelkeep_upstream_healthy',
    help: '1 when the last exchange with the upstream was sound, else 0.',
    labels: { upstream: CONFIGURED },
    aggregator: 'min',
  },
  upstreamBreakerState: {
    type: 'gauge',
    name: 'wheelkeep_upstream_breaker_state',
    help: '0 when the breaker is closed, 1 while it probes, 2 when it is open.',
    labels: { upstream: CONFIGURED },
    aggregator: 'max',
  },
  upstreamAverageLatency: {
    type: 'gauge',
    name: 'wheelkeep_upstream_average_latency_seconds',
    help: 'Moving average of the time from a request for a page to the head of its answer, without opening the connection.',
    labels: { upstream: CONFIGURED },
    aggregator: 'max',
  },
  upstreamLeads: {
    type: 'gauge',
    name: 'wheelkeep_upstream_leads',
    help: '1 for the mirror of an index that is asked first, else 0.',
    labels: { upstream: CONFIGURED },
    aggregator: 'max',
  },
  mirrorRefusals: {
    type: 'counter',
    name: 'wheelkeep_mirror_refusals_total',
    help: 'Pages of a mirror that were not accepted: older than ours, another hash, files or the project gone.',
    labels: { upstream: CONFIGURED, reason: ['lagging', 'changed-hash', 'files-left', 'missing', 'serial-jump'] },
  },
  integrityFailures: {
    type: 'counter',
    name: 'wheelkeep_integrity_failures_total',
    help: 'Bytes that were not what they should be, and were not served.',
    labels: {
      kind: [
        'wrong-digest',
        'wrong-length',
        'changed-digest',
        'damaged-blob',
        'damaged-entry',
        'wrong-mac',
        'wrong-metadata',
      ],
    },
  },
  storeBytes: {
    type: 'gauge',
    name: 'wheelkeep_store_bytes',
    help: 'Bytes held, by store: of the memory budget, and on disk.',
    labels: { store: ['memory', 'blobs'] },
    aggregator: 'max',
  },
  storeObjects: {
    type: 'gauge',
    name: 'wheelkeep_store_objects',
    help: 'Entries or blobs held, by store.',
    labels: { store: ['entries', 'blobs'] },
    aggregator: 'max',
  },
  outageReadiness: {
    type: 'gauge',
    name: 'wheelkeep_outage_readiness_ratio',
    help: 'Share of what an install from a lock file asks for that would be served while upstream is away, at its last drill.',
    labels: { lock: CONFIGURED },
    aggregator: 'min',
  },
  outageReadinessTime: {
    type: 'gauge',
    name: 'wheelkeep_outage_readiness_timestamp_seconds',
    help: 'When a lock file was drilled last, in seconds since 1970.',
    labels: { lock: CONFIGURED },
    aggregator: 'max',
  },
  diskFree: {
    type: 'gauge',
    name: 'wheelkeep_disk_free_bytes',
    help: 'Free space of the file system that holds the data folder.',
    labels: {},
    aggregator: 'min',
  },
  diskWritesPaused: {
    type: 'gauge',
    name: 'wheelkeep_disk_writes_paused',
    help: '1 while nothing is stored because the disk is full or failing, else 0.',
    labels: {},
    aggregator: 'max',
  },
  diskWriteFailures: {
    type: 'counter',
    name: 'wheelkeep_disk_write_failures_total',
    help: 'Bodies that could not be stored; their clients were served all the same.',
    labels: { reason: ['quota', 'full', 'read-only', 'descriptors', 'io'] },
  },
  pageThreadEnds: {
    type: 'counter',
    name: 'wheelkeep_page_threads_ended_total',
    help: 'Threads that were ended while they read a page, by the reason: too much time, too much memory, an error.',
    labels: { reason: ['time', 'memory', 'error'] },
  },
  diskReadFailures: {
    type: 'counter',
    name: 'wheelkeep_disk_read_failures_total',
    help: 'Stored bodies that the disk did not give when they were wanted or scrubbed; they are kept.',
    labels: { reason: ['descriptors', 'permission', 'short-read', 'io'] },
  },
  policyRefusals: {
    type: 'counter',
    name: 'wheelkeep_policy_refusals_total',
    help: 'Requests for files that the supply-chain policy refused, or with `mode: report` would have, by rule.',
    labels: {
      rule: ['removed', 'deny', 'allow', 'files', 'new_projects', 'cooldown', 'quarantined'],
      mode: ['enforce', 'report'],
    },
  },
  policyReloads: {
    type: 'counter',
    name: 'wheelkeep_policy_reloads_total',
    help: 'Changed policies that were taken into force, and changed files that could not be read.',
    labels: { result: ['taken', 'rejected'] },
  },
  evictions: {
    type: 'counter',
    name: 'wheelkeep_evictions_total',
    help: 'Blobs removed, by reason.',
    labels: { reason: ['quota', 'free-space', 'purge', 'removed', 'damaged'] },
  },
  evictedBytes: {
    type: 'counter',
    name: 'wheelkeep_evicted_bytes_total',
    help: 'Bytes of blobs removed.',
    labels: {},
  },
  redisCalls: {
    type: 'counter',
    name: 'wheelkeep_redis_calls_total',
    help: 'Calls to Redis, by result; skipped are those not made because it failed just before.',
    labels: {
      result: REDIS_RESULTS,
    },
  },
  entryStoreFaults: {
    type: 'counter',
    name: 'wheelkeep_entry_store_faults_total',
    help: 'Operations of the entry database that failed, or rows that were damaged.',
    labels: {
      fault: [
        'full',
        'read-only',
        'io',
        'busy',
        'damaged',
        'error',
        'damaged-record',
        'record-too-large',
        'newer-record',
      ],
    },
  },
  unhandledErrors: {
    type: 'counter',
    name: 'wheelkeep_unhandled_errors_total',
    help: 'Errors of a kind the code does not expect: each is a bug.',
    labels: {},
  },
  droppedLogLines: {
    type: 'counter',
    name: 'wheelkeep_dropped_log_lines_total',
    help: 'Log lines given up because their reader is too slow or gone.',
    labels: {},
  },
  scrapeErrors: {
    type: 'counter',
    name: 'wheelkeep_scrape_errors_total',
    help: 'Scrapes that could not be rendered.',
    labels: {},
  },
  buildInfo: {
    type: 'gauge',
    name: 'wheelkeep_build_info',
    help: 'Always 1; the labels name the versions.',
    labels: { version: CONFIGURED, node: CONFIGURED },
    aggregator: 'first',
  },
} as const satisfies Readonly<Record<string, Definition>>;

/** The table of docs/metrics.md, in Markdown. */
export function metricsTable(): string {
  const rows = Object.values<Definition>(METRIC_TABLE).map(({ name, type, labels, help }) => {
    const names = Object.keys(labels).map((label) => `\`${label}\``);
    return `| \`${name}\` | ${type} | ${names.join(', ')} | ${help} |`;
  });
  return ['| metric | type | labels | meaning |', '| --- | --- | --- | --- |', ...rows, ''].join('\n');
}
