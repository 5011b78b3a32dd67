// What workers counted that are gone. Without it the sums would fall when a worker dies, and Prometheus would take that
// for a restart of all and count everything twice. Levels (gauges) go with the process they were about.

import type { MetricsSnapshot } from '../observe/metrics.ts';

type Metric = MetricsSnapshot[number];
type Value = Metric['values'][number] & { readonly metricName?: string };

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
