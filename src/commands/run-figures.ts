// What an app did during one run, from its metrics.

import { KINDS, METRIC_TABLE, type Outcome } from '../observe/metric-table.ts';
import type { MetricsSnapshot } from '../observe/metrics.ts';

/** What a run came to: requests, hits, bytes, seconds. */
export interface RunFigures {
  /** For pages and files; not those for our own status and metrics. */
  readonly requests: number;
  /** Answered from what was stored, without waiting for upstream. */
  readonly hits: number;
  readonly sentBytes: number;
  readonly upstreamBytes: number;
  /** Waiting that the hits spared, over all requests (many wait at the same time); undefined without a comparison. */
  readonly savedSeconds: number | undefined;
  /** Answers from a stale copy, by reason. */
  readonly stale: ReadonlyMap<string, number>;
  /** Requests that were answered with 502 or 503. */
  readonly failed: number;
  /** Requests to upstreams that failed, by kind of failure. */
  readonly upstreamFailures: ReadonlyMap<string, number>;
}

const HITS: readonly Outcome[] = ['hit', 'stale-while-revalidate', 'stale-if-error'];
const OWN: ReadonlySet<string> = new Set(['status', 'health', 'metrics', 'admin']);
const SERVED = KINDS.filter((kind) => !OWN.has(kind));
const UPSTREAM_ANSWERS: ReadonlySet<string> = new Set(['ok', 'not-modified', 'missing']);

type Labels = Readonly<Record<string, string | number | undefined>>;

/** The figures out of the metrics of the own server. */
export function runFigures(snapshot: MetricsSnapshot): RunFigures {
  const read = new Reading(snapshot);
  const requests = METRIC_TABLE.requests.name;
  const isHit = (labels: Labels) => HITS.includes(labels.outcome as Outcome) && !OWN.has(String(labels.kind));
  return {
    requests: read.sum(requests, ({ kind }) => !OWN.has(String(kind))),
    hits: read.sum(requests, isHit),
    sentBytes: read.sum(METRIC_TABLE.responseBytes.name, ({ kind }) => !OWN.has(String(kind))),
    upstreamBytes: read.sum(METRIC_TABLE.upstreamReceivedBytes.name, () => true),
    savedSeconds: savedSeconds(read),
    stale: read.by(METRIC_TABLE.staleAnswers.name, 'reason'),
    failed: read.sum(requests, ({ outcome }) => outcome === 'failed'),
    upstreamFailures: new Map(
      [...read.by(METRIC_TABLE.upstreamRequests.name, 'result')].filter(([result]) => !UPSTREAM_ANSWERS.has(result)),
    ),
  };
}

/** Each hit counts as much as a miss of its kind took on average in this run, less what the hit took itself. */
function savedSeconds(read: Reading): number | undefined {
  const { name } = METRIC_TABLE.requestDuration;
  let saved: number | undefined;
  for (const kind of SERVED) {
    const is = (outcomes: readonly Outcome[]) => (labels: Labels) =>
      labels.kind === kind && outcomes.includes(labels.outcome as Outcome);
    const misses = read.sum(`${name}_count`, is(['miss']));
    const hits = read.sum(`${name}_count`, is(HITS));
    if (misses === 0 || hits === 0) continue;
    const usual = read.sum(`${name}_sum`, is(['miss'])) / misses;
    saved = (saved ?? 0) + Math.max(0, hits * usual - read.sum(`${name}_sum`, is(HITS)));
  }
  return saved;
}

/** The samples of a snapshot, to be added up. */
class Reading {
  readonly #samples: readonly { readonly name: string; readonly labels: Labels; readonly value: number }[];

  constructor(snapshot: MetricsSnapshot) {
    this.#samples = snapshot.flatMap(({ name, values }) =>
      (values as readonly { value: number; labels: Labels; metricName?: string }[]).map((sample) => ({
        name: sample.metricName ?? name,
        labels: sample.labels,
        value: sample.value,
      })),
    );
  }

  sum(name: string, of: (labels: Labels) => boolean): number {
    return this.#samples.reduce((sum, one) => (one.name === name && of(one.labels) ? sum + one.value : sum), 0);
  }

  /** The sums by the value of one label, without zeros. */
  by(name: string, label: string): Map<string, number> {
    const sums = new Map<string, number>();
    for (const one of this.#samples) {
      if (one.name !== name || one.value === 0) continue;
      const value = String(one.labels[label]);
      sums.set(value, (sums.get(value) ?? 0) + one.value);
    }
    return sums;
  }
}
