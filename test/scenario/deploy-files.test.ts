// What lies in deploy/ is copied by users: it parses, it names only what exists, and the tools it is for accept it.

import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { parse, parseAllDocuments } from 'yaml';
import { readYamlFile } from '../../src/config/yaml-file.ts';
import { routeOf } from '../../src/http/routes.ts';
import { METRIC_TABLE } from '../../src/observe/metric-table.ts';
import { tool } from '../installer/tools.ts';
import { unknownMetrics, unknownVariables } from '../support/assert/metric-names.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { freePort } from '../support/proxy/free-port.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';

const run = promisify(execFile);
const FOLDER = fileURLToPath(new URL('../../deploy/', import.meta.url));
const FILES = readdirSync(FOLDER, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => relative(FOLDER, join(entry.parentPath, entry.name)));
/** Variables of the recipes themselves. */
const RECIPE_VARIABLES = ['WHEELKEEP_IMAGE'];

function content(file: string): string {
  return readFileSync(join(FOLDER, file), 'utf8');
}

// biome-ignore lint/suspicious/noExplicitAny: a foreign document, whose shape is what is being tested
type Foreign = any;

function documents(file: string): Foreign[] {
  return parseAllDocuments(content(file), { merge: true }).map((document) => {
    assert.deepEqual([...document.errors, ...document.warnings], [], file);
    return document.toJS();
  });
}

/** Why a test of a foreign tool is skipped, or false. */
function without(tool: string): string | false {
  try {
    execFileSync('sh', ['-c', `command -v ${tool}`], { stdio: 'ignore' });
    return false;
  } catch {
    return `there is no ${tool} on this machine`;
  }
}

for (const file of FILES.filter((name) => name.endsWith('.yaml'))) {
  test(`deploy/${file} is YAML`, () => {
    assert.ok(documents(file).every((document) => typeof document === 'object'));
  });
}

test('deploy files name only metrics, labels, values and variables that exist', () => {
  for (const file of FILES) {
    // In JSON the quotes of an expression are escaped.
    const text = content(file).replaceAll('\\"', '"');
    assert.deepEqual(unknownMetrics(text), [], file);
    assert.deepEqual(unknownVariables(text, RECIPE_VARIABLES), [], file);
  }
});

test('every metric is on the dashboard or in an alert', () => {
  const used = content('dashboard.json') + content('alerts.yaml');
  const names = Object.values(METRIC_TABLE).map(({ name }) => name);
  assert.deepEqual(
    names.filter((name) => !used.includes(name)),
    [],
  );
});

test('a metric, a label, a value or a variable that does not exist would be found', () => {
  assert.deepEqual(unknownMetrics('rate(wheelkeep_nothing_total[5m])'), ['wheelkeep_nothing_total']);
  const text =
    'wheelkeep_requests_total{kind=~"page|pear",shape="round",job="x"} wheelkeep_request_duration_seconds_sum';
  assert.deepEqual(unknownMetrics(text), ['wheelkeep_requests_total{kind="pear"}', 'wheelkeep_requests_total{shape}']);
  assert.deepEqual(unknownVariables('WHEELKEEP_PORT WHEELKEEP_PRT WHEELKEEP_IMAGE', RECIPE_VARIABLES), [
    'WHEELKEEP_PRT',
  ]);
});

test('the configuration of a company, on a disk and in the cluster, is one that Wheelkeep takes', () => {
  const [map] = documents('kubernetes.yaml').filter(({ kind }) => kind === 'ConfigMap');
  const [overlay] = documents('kustomize/configuration.yaml');
  for (const text of [content('wheelkeep.yaml'), ...[map, overlay].map(({ data }) => data['wheelkeep.yaml'])]) {
    assert.deepEqual(readYamlFile('wheelkeep.yaml', text).problems, []);
  }
});

test('the manifests of Kubernetes fit together: labels, ports, volumes, probes, time to end', () => {
  const all = documents('kubernetes.yaml').filter((document) => document !== null);
  const of = (kind: string): Foreign[] => all.filter((document) => document.kind === kind);
  const [set] = of('StatefulSet');
  const pod = set.spec.template;
  const [container] = pod.spec.containers;
  const selectors = [
    set.spec.selector.matchLabels,
    ...of('Service').map(({ spec }) => spec.selector),
    of('PodDisruptionBudget')[0].spec.selector.matchLabels,
    of('NetworkPolicy')[0].spec.podSelector.matchLabels,
  ];
  for (const selector of selectors) assert.deepEqual(selector, pod.metadata.labels);
  assert.ok(of('Service').some(({ metadata }) => metadata.name === set.spec.serviceName));
  const [{ name: portName, containerPort }] = container.ports;
  for (const service of of('Service')) assert.equal(service.spec.ports[0].targetPort, portName);
  assert.equal(of('NetworkPolicy')[0].spec.ingress[0].ports[0].port, containerPort);
  const volumes = [...pod.spec.volumes, ...set.spec.volumeClaimTemplates.map((claim: Foreign) => claim.metadata)];
  for (const mount of container.volumeMounts) assert.ok(volumes.some(({ name }) => name === mount.name));
  for (const [probe, kind] of [
    ['startupProbe', 'live'],
    ['livenessProbe', 'live'],
    ['readinessProbe', 'ready'],
  ] as const) {
    const { path, port } = container[probe].httpGet;
    assert.equal(port, portName);
    assert.equal(routeOf(path, new Set()).kind, kind);
  }
  const { scalars } = readYamlFile('w.yaml', of('ConfigMap')[0].data['wheelkeep.yaml']);
  const seconds = ['drain', 'grace'].map((key) => Number.parseInt(String(scalars.get(key)), 10));
  assert.ok(pod.spec.terminationGracePeriodSeconds > seconds[0]! + seconds[1]!);
});

test('the overlay changes only what the base has', () => {
  const [overlay] = documents('kustomize/kustomization.yaml');
  const bases = overlay.resources.map((path: string) => join('kustomize', path, 'kustomization.yaml'));
  const base = bases.flatMap((path: string) =>
    documents(path).flatMap(({ resources }) =>
      resources.flatMap((name: string) => documents(join(dirname(path), name))),
    ),
  );
  const found = (kind: string, name: string) =>
    base.find((one: Foreign) => one?.kind === kind && one.metadata.name === name);
  const set = found('StatefulSet', 'wheelkeep');
  const [container] = set.spec.template.spec.containers;
  for (const { name } of overlay.images) assert.equal(container.image.split(':')[0], name);
  for (const { name } of overlay.replicas) assert.ok(found('StatefulSet', name));
  for (const { path, target, patch } of overlay.patches) {
    const patches = path === undefined ? [] : documents(join('kustomize', path));
    for (const { kind, metadata } of patches)
      assert.ok(found(kind, metadata.name), `${path}: ${kind} ${metadata.name}`);
    for (const operation of target === undefined ? [] : parse(patch)) {
      // A replaced value is there; what is added goes to the end of a list that is there.
      const steps = operation.path.split('/').slice(1, operation.op === 'add' ? -1 : undefined);
      const value = steps.reduce((at: Foreign, step: string) => at?.[step], found(target.kind, target.name));
      assert.ok(operation.op === 'add' ? Array.isArray(value) : value !== undefined, operation.path);
    }
  }
  const [{ spec }] = documents('kustomize/redis.yaml');
  assert.equal(spec.template.spec.containers[0].name, container.name);
});

const schemas = tool('WHEELKEEP_TEST_SCHEMAS');

for (const [schema, file] of [
  ['compose-spec', 'compose.yaml'],
  ['github-workflows', 'github-actions.yaml'],
  ['gitlab-ci', 'gitlab-ci.yaml'],
] as const) {
  test(`deploy/${file} is what the schema of its tool allows`, { skip: schemas.skip }, async () => {
    await run(schemas.path, ['--builtin-schema', `vendor.${schema}`, join(FOLDER, file)]);
  });
}

test('the manifests are what the schemas of Kubernetes allow', { skip: schemas.skip }, async () => {
  const validate = join(dirname(schemas.path), 'kubernetes-validate');
  await run(validate, ['--strict', join(FOLDER, 'kubernetes.yaml')]);
});

test('what compose mounts is there, and every volume that a service uses is declared', () => {
  const [compose] = documents('compose.yaml');
  for (const { volumes = [], profiles } of Object.values<Foreign>(compose.services)) {
    assert.ok(profiles.length > 0);
    for (const volume of volumes as string[]) {
      const [source = ''] = volume.split(':');
      if (source.startsWith('./')) assert.ok(FILES.includes(source.slice(2)), source);
      else assert.ok(source in compose.volumes, source);
    }
  }
});

test('every alert is tested, and says what is wrong and what that means', () => {
  const rules = documents('alerts.yaml')[0].groups.flatMap((group: { rules: unknown[] }) => group.rules);
  const tested = content('alerts.test.yaml');
  for (const { alert, annotations, labels } of rules) {
    assert.match(tested, new RegExp(`alertname: ${alert}\\b`));
    assert.ok(annotations.summary && annotations.description);
    assert.match(labels.severity, /^(page|ticket)$/);
  }
});

test('the alerts do what they say', { skip: without('promtool') }, async () => {
  const { stdout } = await run('promtool', ['test', 'rules', join(FOLDER, 'alerts.test.yaml')]);
  assert.match(stdout, /SUCCESS/);
  await run('promtool', ['check', 'config', join(FOLDER, 'prometheus.yaml')]);
});

test('the recipe of GitLab starts Wheelkeep, points the installers at it and stops it', {
  skip: without('curl'),
}, async (t) => {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const folder = await temporaryFolder(t);
  const [{ variables, tests }] = documents('gitlab-ci.yaml');
  const port = await freePort();
  // As a runner does: before_script and script in one shell, after_script in another.
  const ask = 'curl -fs "$PIP_INDEX_URL" > page';
  for (const commands of [[...tests.before_script, ask], tests.after_script]) {
    const script = ['set -e', ...commands].join('\n').replaceAll('5030', String(port));
    await run('bash', ['-c', script], {
      cwd: folder,
      env: {
        ...variables,
        PATH: `${join(FOLDER, '..', 'bin')}:${process.env.PATH}`,
        HOME: folder,
        WHEELKEEP_DATA_DIR: variables.WHEELKEEP_DATA_DIR.replace('$CI_PROJECT_DIR', folder),
        WHEELKEEP_PORT: String(port),
        WHEELKEEP_UPSTREAM: index.url,
      },
    });
  }
  assert.match(readFileSync(join(folder, 'page'), 'utf8'), /<html/);
  assert.match(readFileSync(join(folder, 'wheelkeep.log'), 'utf8'), /listens on/);
  const pid = Number(readFileSync(join(folder, 'wheelkeep.pid'), 'utf8'));
  assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' }, 'it has ended');
  assert.ok(readdirSync(join(folder, '.wheelkeep')).includes('entries'), 'its data is where the cache is taken from');
});

test('systemd takes the unit', { skip: without('systemd-analyze') }, async (t) => {
  const folder = await temporaryFolder(t);
  // Only the place of the checkout differs: systemd looks whether the command is there.
  const checkout = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
  const unit = join(folder, 'wheelkeep.service');
  await writeFile(unit, content('wheelkeep.service').replaceAll('/opt/wheelkeep', checkout));
  const { stdout, stderr } = await run('systemd-analyze', ['verify', unit]);
  assert.equal(`${stdout}${stderr}`, '');
});
