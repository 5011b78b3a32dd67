// The one use of prom-client. Every Metrics has a registry of its own, so that tests can hold several at once.

import prometheus, { type Metric } from 'prom-client';
import { CONFIGURED, type Definition, METRIC_TABLE } from './metric-table.ts';
import { type AnsweredRequest, RequestTally, type Sample } from './request-tally.ts';

type Table = typeof METRIC_TABLE;
/** Counted by `record()` in arrays of our own, because every request pays for them. */
type Tallied = 'requests' | 'requestFirstByte' | 'requestDuration' | 'responseBytes';
type Labels<D extends Definition> = {
  readonly [Label in keyof D['labels']]: D['labels'][Label] extends readonly (infer Value)[] ? Value : string;
};

/** Counts up. */
export interface Counter<L> {
  inc(labels: L, by?: number): void;
}
/** A level that goes up and down. */
export interface Gauge<L> {
  set(labels: L, value: number): void;
}
/** How a quantity is spread. */
export interface Histogram<L> {
  observe(labels: L, value: number): void;
}
type Meter<D extends Definition> = D['type'] extends 'counter'
  ? Counter<Labels<D>>
  : D['type'] extends 'gauge'
    ? Gauge<Labels<D>>
    : Histogram<Labels<D>>;
/** The metrics by their keys. */
export type Meters = { readonly [Key in Exclude<keyof Table, Tallied>]: Meter<Table[Key]> };

/** What one worker counted, as plain data that can be sent to another process. */
export type MetricsSnapshot = Awaited<ReturnType<prometheus.Registry['getMetricsAsJSON']>>;

/** Labels of build_info, and whether metrics of the process are told. */
export interface MetricsOptions {
  readonly version: string;
  /** Also tell about the process: CPU, memory, event loop delay, garbage collection (`process_*`, `nodejs_*`). */
  readonly process: boolean;
}

/** Counts what happens; `meters.evictions.inc({ reason: 'quota' })`. Labels are checked by the compiler. */
export class Metrics {
  readonly contentType = prometheus.Registry.PROMETHEUS_CONTENT_TYPE;
  readonly meters: Meters;
  readonly #registry = new prometheus.Registry();
  readonly #tally = new RequestTally(METRIC_TABLE.requestFirstByte.buckets, METRIC_TABLE.requestDuration.buckets);
  readonly #samplers: (() => void | Promise<void>)[] = [];

  constructor(options: MetricsOptions) {
    const tally = this.#tally;
    const tallied: Record<Tallied, (name: string) => Sample[]> = {
      requests: (name) => tally.requestSamples(name),
      requestFirstByte: (name) => tally.firstByteSamples(name),
      requestDuration: (name) => tally.durationSamples(name),
      responseBytes: (name) => tally.byteSamples(name),
    };
    const meters: Record<string, unknown> = {};
    for (const [key, definition] of Object.entries<Definition>(METRIC_TABLE)) {
      if (key in tallied) this.#registerTallied(definition, tallied[key as Tallied]);
      else meters[key] = this.#register(definition);
    }
    this.meters = meters as Meters;
    this.meters.buildInfo.set({ version: options.version, node: process.version }, 1);
    if (options.process) prometheus.collectDefaultMetrics({ register: this.#registry });
  }

  /** Costs less than 0.1 µs. */
  record(answered: AnsweredRequest): void {
    this.#tally.record(answered);
  }

  /** Calls `sample` before every scrape, to set gauges whose values others know (sizes, connections, health). */
  onScrape(sample: () => void | Promise<void>): void {
    this.#samplers.push(sample);
  }

  /** The registry in Prometheus' text format 0.0.4. Rejects when a sampler does. */
  async render(): Promise<string> {
    await this.#sample();
    return this.#registry.metrics();
  }

  /** The same as data, for a primary process that answers for several workers: see `renderWorkers`. */
  async snapshot(): Promise<MetricsSnapshot> {
    await this.#sample();
    return this.#registry.getMetricsAsJSON();
  }

  async #sample(): Promise<void> {
    await Promise.all(this.#samplers.map((sample) => sample()));
  }

  #register(definition: Definition): unknown {
    const { type, name, help, labels, buckets, aggregator = 'sum' } = definition;
    const common = { name, help, labelNames: Object.keys(labels), aggregator, registers: [this.#registry] };
    if (type === 'gauge') return new prometheus.Gauge(common);
    if (type === 'histogram') return new prometheus.Histogram({ ...common, buckets: [...(buckets ?? [])] });
    const counter = new prometheus.Counter(common);
    for (const combination of closedCombinations(labels)) counter.inc(combination, 0);
    return counter;
  }

  /** The registry needs a metric's name and `get()` only; prom-client's own aggregation of workers relies on that too. */
  #registerTallied(definition: Definition, samples: (name: string) => Sample[]): void {
    const { type, name, help } = definition;
    // What `get()` gives is plain data: snapshots of it go to other processes.
    const about = { name, help, type, aggregator: 'sum' };
    const metric = { ...about, get: () => ({ ...about, values: samples(name) }) };
    this.#registry.registerMetric(metric as unknown as Metric);
  }
}

/** What several workers counted, as one page in Prometheus' text format. */
export function renderWorkers(snapshots: readonly MetricsSnapshot[]): Promise<string> {
  return prometheus.AggregatorRegistry.aggregate([...snapshots]).metrics();
}

/** A counter that first appears with 1 hides its first event from rate(): small closed ones begin at 0. */
const MOST_SERIES_AT_ZERO = 36;

function closedCombinations(labels: Definition['labels']): Record<string, string>[] {
  let combinations: Record<string, string>[] = [{}];
  for (const [label, values] of Object.entries(labels)) {
    if (values === CONFIGURED) return [];
    combinations = combinations.flatMap((before) => values.map((value) => ({ ...before, [label]: value })));
  }
  return combinations.length > MOST_SERIES_AT_ZERO ? [] : combinations;
}
