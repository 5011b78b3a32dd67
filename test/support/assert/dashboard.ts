// Reads deploy/dashboard.json and deploy/alerts.yaml as Grafana and Prometheus do: panels, expressions, links.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

const FOLDER = fileURLToPath(new URL('../../../deploy/', import.meta.url));

/** A panel of Grafana, as far as tests look at it. A row holds panels of its own while it is collapsed. */
export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly collapsed?: boolean;
  readonly panels?: readonly Panel[];
  readonly targets?: readonly { readonly expr: string; readonly refId: string }[];
  readonly links?: readonly { readonly url: string }[];
  readonly fieldConfig?: {
    readonly defaults: { readonly thresholds?: { readonly steps: readonly unknown[] } };
    readonly overrides: readonly Override[];
  };
}

/** What one series is shown as. */
export interface Override {
  readonly matcher: { readonly id: string; readonly options: string };
  readonly properties: readonly { readonly id: string; readonly value: { readonly fixedColor?: string } }[];
}

/** A dashboard of Grafana, as far as tests look at it. */
export interface Dashboard {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: unknown }[] };
  readonly annotations: { readonly list: readonly { readonly name: string; readonly expr: string }[] };
}

/** A rule of deploy/alerts.yaml. */
export interface Alert {
  readonly alert: string;
  readonly expr: string;
}

export function readDashboard(): Dashboard {
  return JSON.parse(readFileSync(`${FOLDER}dashboard.json`, 'utf8'));
}

export function readAlerts(): readonly Alert[] {
  const { groups } = parse(readFileSync(`${FOLDER}alerts.yaml`, 'utf8')) as { groups: { rules: Alert[] }[] };
  return groups.flatMap(({ rules }) => rules);
}

/** All panels that show something, those of collapsed rows too. */
export function shownPanels({ panels }: Dashboard): readonly Panel[] {
  return panels.flatMap((panel) => (panel.type === 'row' ? (panel.panels ?? []) : [panel]));
}

/** `expression` with Grafana's variables replaced: everything of the job `wheelkeep`, rates over `window` (`10s`). */
export function withoutVariables(expression: string, window: string): string {
  return expression
    .replaceAll('$__rate_interval', window)
    .replaceAll('$__range', window)
    .replaceAll('$job', 'wheelkeep')
    .replace(/\$(instance|upstream)\b/g, '.*');
}

/** An alert's condition that gives 0 or 1 where it would give nothing or a value: its comparisons become verdicts. */
export function asVerdict(condition: string): string {
  // What stands in braces are matchers, not comparisons.
  return condition.replaceAll(/\{[^}]*\}|==|!=|>=|<=|>|</g, (part) => (part.startsWith('{') ? part : `${part} bool`));
}
