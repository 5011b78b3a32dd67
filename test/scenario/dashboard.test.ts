// The dashboard is what somebody looks at in the night: every panel has its place, its meaning and a way to the runbook.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { OUTCOMES } from '../../src/observe/metric-table.ts';
import { asVerdict, type Panel, readAlerts, readDashboard, shownPanels } from '../support/assert/dashboard.ts';

const dashboard = readDashboard();
const panels = shownPanels(dashboard);

function text(path: string): string {
  return readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), 'utf8');
}

/** Throws when two panels lie over one another or one lies outside of the 24 columns. */
function assertApart(shown: readonly Panel[]): void {
  const cells = new Set<string>();
  for (const { title, gridPos } of shown) {
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
        assert.ok(x < 24 && !cells.has(`${x},${y}`), title);
        cells.add(`${x},${y}`);
      }
    }
  }
}

test('every panel has a title, a description, expressions and a place of its own, in open and in opened rows', () => {
  for (const { title, description, targets } of panels) {
    assert.ok(title && description && targets!.length > 0, title);
    assert.equal(new Set(targets!.map(({ refId }) => refId)).size, targets!.length, title);
  }
  const all = [...dashboard.panels, ...dashboard.panels.flatMap((row) => row.panels ?? [])];
  assert.equal(new Set(all.map(({ id }) => id)).size, all.length);
  assertApart(dashboard.panels);
  for (const row of dashboard.panels) if (row.panels?.length) assertApart(row.panels);
});

test('the rows that matter in the night are open, the others are collapsed', () => {
  const rows = dashboard.panels.filter(({ type }) => type === 'row');
  assert.deepEqual(
    rows.map(({ title, collapsed }) => [title, collapsed]),
    [
      ['Now', false],
      ['Requests and upstreams', false],
      ['Latency', false],
      ['Mirrors', true],
      ['Store', true],
      ['Redis', true],
      ['Process', true],
    ],
  );
  for (const row of rows) assert.equal(row.collapsed, row.panels!.length > 0, row.title);
});

test('every number of the row Now has thresholds', () => {
  const stats = panels.filter(({ type }) => type === 'stat');
  assert.equal(stats.length, 12);
  for (const { title, fieldConfig } of stats) assert.ok(fieldConfig!.defaults.thresholds!.steps.length > 0, title);
});

test('every outcome has a colour of its own, the same one in every panel', () => {
  const byOutcome = panels.filter(({ targets }) => targets!.some(({ expr }) => /sum by \([^)]*outcome/.test(expr)));
  assert.ok(byOutcome.length >= 2);
  for (const { title, fieldConfig } of byOutcome) {
    const colours = fieldConfig!.overrides.map(({ matcher, properties }) => [
      matcher.options,
      properties[0]!.value.fixedColor,
    ]);
    assert.deepEqual(colours.map(([outcome]) => outcome).sort(), [...OUTCOMES].sort(), title);
    assert.equal(new Set(colours.map(([, colour]) => colour)).size, OUTCOMES.length, title);
    assert.deepEqual(fieldConfig!.overrides, byOutcome[0]!.fieldConfig!.overrides, title);
  }
});

test('every expression of ours follows the variables job and instance, those of upstreams the variable upstream', () => {
  const expressions = [
    ...panels.flatMap(({ targets }) => targets!.map(({ expr }) => expr)),
    ...dashboard.annotations.list.map(({ expr }) => expr),
  ];
  for (const expression of expressions) {
    const selectors = expression.match(/\b(?:wheelkeep|process|nodejs)_\w+(?:\{[^}]*\})?|\bup\{[^}]*\}/g) ?? [];
    assert.ok(selectors.length > 0 || expression.includes('ALERTS'), expression);
    for (const selector of selectors) {
      assert.match(selector, /\{job="\$job",instance=~"\$instance"[,}]/, expression);
      if (/^wheelkeep_(upstream|mirror)_/.test(selector) && !selector.startsWith('wheelkeep_upstream_received_bytes')) {
        assert.match(selector, /,upstream=~"\$upstream"/, expression);
      }
    }
  }
  const names = dashboard.templating.list.map(({ name }) => name);
  assert.deepEqual(names, ['source', 'job', 'instance', 'upstream', 'runbook']);
});

test('every alert has a panel that leads to its section of the runbook, and every such link leads somewhere', () => {
  const anchors = [...text('docs/runbook.md').matchAll(/^## (\w+)$/gm)].map(([, heading]) => heading!.toLowerCase());
  const linked = panels.flatMap(({ links = [] }) => links.map(({ url }) => url));
  for (const url of linked) {
    const [, anchor = ''] = /^\$\{runbook\}#(\w+)$/.exec(url) ?? [];
    assert.ok(anchors.includes(anchor), url);
  }
  for (const { alert } of readAlerts()) {
    assert.ok(linked.includes(`\${runbook}#${alert.toLowerCase()}`), `no panel leads to ${alert}`);
  }
});

test('compose gives Grafana the data source, the dashboard and the folder in which its provisioning looks', () => {
  const { services } = parse(text('deploy/compose.yaml'));
  const mounts = new Map<string, string>(
    services.grafana.volumes.map((volume: string) => volume.split(':').slice(0, 2)),
  );
  const [source] = parse(text('deploy/grafana/datasource.yaml')).datasources;
  const [provider] = parse(text('deploy/grafana/dashboards.yaml')).providers;
  assert.equal(mounts.get('./grafana/datasource.yaml'), '/etc/grafana/provisioning/datasources/wheelkeep.yaml');
  assert.equal(mounts.get('./grafana/dashboards.yaml'), '/etc/grafana/provisioning/dashboards/wheelkeep.yaml');
  assert.equal(mounts.get('./dashboard.json'), `${provider.options.path}/wheelkeep.json`);
  const { hostname, port } = new URL(source.url);
  assert.ok(services[hostname].ports.some((mapping: string) => mapping.endsWith(`:${port}`)));
  assert.equal(source.jsonData.timeInterval, parse(text('deploy/prometheus.yaml')).global.scrape_interval);
});

test('a condition as a verdict compares without filtering, and leaves matchers alone', () => {
  assert.equal(asVerdict('up{job!="a"} == 0'), 'up{job!="a"} == bool 0');
  assert.equal(asVerdict('a{b=~"c"} > 0 and a < 7'), 'a{b=~"c"} > bool 0 and a < bool 7');
});

test('each section of the runbook names a panel that exists and leads back to it', () => {
  const sections = text('docs/runbook.md').split(/^## /m).slice(1);
  for (const section of sections) {
    const [heading = ''] = section.split('\n');
    const [, title] = /^Panel: \*\*(.*)\*\*\.$/m.exec(section) ?? [];
    const panel = panels.find((one) => one.title === title);
    assert.ok(panel !== undefined, `${heading}: ${title}`);
    assert.ok(
      panel.links?.some(({ url }) => url.endsWith(`#${heading.toLowerCase()}`)),
      `${heading}: ${title}`,
    );
  }
});
