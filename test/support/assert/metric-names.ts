// Finds what a text (README, an alert, a dashboard) says of our metrics and options, and what of it does not exist.

import { CONFIG_VARIABLE, OPTIONS } from '../../../src/config/options.ts';
import { CONFIGURED, type Definition, METRIC_TABLE } from '../../../src/observe/metric-table.ts';

const METRICS = new Map(Object.values<Definition>(METRIC_TABLE).map((metric) => [metric.name, metric]));
const VARIABLES = new Set([CONFIG_VARIABLE, ...Object.values(OPTIONS).map(({ variable }) => variable)]);
/** Labels that Prometheus and its histograms add. */
const FOREIGN_LABELS = new Set(['job', 'instance', 'le']);

/** Names of metrics, labels and label values in `text` that the table does not have. */
export function unknownMetrics(text: string): string[] {
  return [...text.matchAll(/\b(wheelkeep_[a-z_]*[a-z])(?:\{([^}]*)\})?/g)].flatMap(([, name = '', matchers = '']) => {
    const metric = METRICS.get(name) ?? METRICS.get(name.replace(/_(bucket|sum|count)$/, ''));
    if (metric === undefined) return [name];
    return [...matchers.matchAll(/(\w+)(?:=~|!~|!=|=)"([^"]*)"/g)].flatMap(([, label = '', values = '']) => {
      if (FOREIGN_LABELS.has(label)) return [];
      const known = metric.labels[label];
      if (known === undefined) return [`${name}{${label}}`];
      if (known === CONFIGURED) return [];
      return values.split('|').flatMap((value) => (known.includes(value) ? [] : [`${name}{${label}="${value}"}`]));
    });
  });
}

/** Names like our variables in `text` that no option has, but for those in `others`. */
export function unknownVariables(text: string, others: readonly string[] = []): string[] {
  const names = text.match(/\bWHEELKEEP_[A-Z][A-Z_]*/g) ?? [];
  return names.filter((name) => !VARIABLES.has(name) && !others.includes(name));
}
