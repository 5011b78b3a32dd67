// The primary's side of /metrics and the status page: asks every worker what it counted and knows, waits a second at
// most, and hands on the lot.

import type { MetricsSnapshot } from '../observe/metrics.ts';
import type { StatusFacts } from '../status-page/facts.ts';
import { factsOfTheGone, mergeFacts } from '../status-page/merge-facts.ts';
import type { WorkerSnapshot } from './messages.ts';

/** The workers, and how long one may be silent, in milliseconds. */
export interface SnapshotRoundsOptions {
  /** The workers that serve now. */
  readonly workers: () => readonly number[];
  readonly ask: (worker: number, round: number) => void;
}

/** A worker that is stopped or busy for longer is told of by what it said last. */
const ROUND_MS = 1_000;

interface Round {
  readonly missing: Set<number>;
  readonly done: () => void;
  readonly result: Promise<void>;
}

/** Collects what all workers know. */
export class SnapshotRounds {
  readonly #options: SnapshotRoundsOptions;
  readonly #last = new Map<number, WorkerSnapshot>();
  readonly #departedMetrics = new DepartedMetrics();
  #departedFacts: StatusFacts | undefined;
  #round: Round | undefined;
  #rounds = 0;

  constructor(options: SnapshotRoundsOptions) {
    this.#options = options;
  }

  /** Resolves with the workers' snapshots, and one for all that are gone. Those who ask together share a round. */
  async collect(): Promise<readonly WorkerSnapshot[]> {
    this.#round ??= this.#begin();
    await this.#round.result;
    const here = [...this.#last.values()];
    if (this.#departedFacts === undefined) return here;
    return [...here, { metrics: this.#departedMetrics.snapshot, facts: this.#departedFacts }];
  }

  /** A worker's answer; one that comes late is still the newest word of that worker. */
  answered(worker: number, round: number, snapshot: WorkerSnapshot): void {
    this.#last.set(worker, snapshot);
    if (round === this.#rounds) this.#strike(worker);
  }

  left(worker: number): void {
    const last = this.#last.get(worker);
    if (last !== undefined) this.#remember(last);
    this.#last.delete(worker);
    this.#strike(worker);
  }

  #remember({ metrics, facts }: WorkerSnapshot): void {
    this.#departedMetrics.add(metrics);
    const gone = factsOfTheGone(facts);
    this.#departedFacts = this.#departedFacts === undefined ? gone : mergeFacts([gone, this.#departedFacts]);
  }

  #begin(): Round {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ROUND_MS);
    const missing = new Set(this.#options.workers());
    this.#rounds++;
    for (const worker of missing) this.#options.ask(worker, this.#rounds);
    if (missing.size === 0) resolve();
    const result = promise.finally(() => {
      clearTimeout(timer);
      this.#round = undefined;
    });
    return { missing, done: resolve, result };
  }

  #strike(worker: number): void {
    const round = this.#round;
    if (round?.missing.delete(worker) === true && round.missing.size === 0) round.done();
  }
}

// What workers counted that are gone. Without it the sums would fall when a worker dies, and Prometheus would take that
// for a restart of all and count everything twice. Levels (gauges) go with the process they were about.

type Metric = MetricsSnapshot[number];
type Value = Metric['values'][number] & { readonly metricName?: string };

/** The counts of workers that have ended. */
export class DepartedMetrics {
  readonly #metrics = new Map<string, { readonly metric: Metric; readonly values: Map<string, Value> }>();

  /** Adds the last that was heard of a worker. */
  add(snapshot: MetricsSnapshot): void {
    for (const metric of snapshot) {
      // The types say an enum; what comes are words.
      if (!['counter', 'histogram'].includes(String(metric.type))) continue;
      const { values } = this.#of(metric);
      for (const value of metric.values as Value[]) {
        const series = JSON.stringify([value.metricName, value.labels]);
        const before = values.get(series)?.value ?? 0;
        values.set(series, { ...value, value: before + value.value });
      }
    }
  }

  /** All of them as if they were one worker. */
  get snapshot(): MetricsSnapshot {
    return [...this.#metrics.values()].map(({ metric, values }) => ({ ...metric, values: [...values.values()] }));
  }

  #of(metric: Metric) {
    let known = this.#metrics.get(metric.name);
    if (known === undefined) {
      known = { metric, values: new Map() };
      this.#metrics.set(metric.name, known);
    }
    return known;
  }
}
