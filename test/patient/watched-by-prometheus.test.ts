// A real Prometheus, configured as deploy/prometheus.yaml says for https and clients, watches a real Wheelkeep under a
// mixed load with faults: what the dashboard and the alerts ask for is there, and every metric moves.

import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { hashPassword } from '../../src/access/secret-hash.ts';
import { METRIC_TABLE } from '../../src/observe/metric-table.ts';
import { asVerdict, readAlerts, readDashboard, shownPanels, withoutVariables } from '../support/assert/dashboard.ts';
import { until } from '../support/clock/until.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { runCommand } from '../support/proxy/command.ts';
import { freePort } from '../support/proxy/free-port.ts';
import { type ClientOptions, type ClientResponse, fetchAll, sendRaw } from '../support/proxy/http-client.ts';
import { type PrometheusServer, prometheusMissing, startPrometheus } from '../support/proxy/prometheus-server.ts';
import { spawnProxy } from '../support/proxy/spawned-proxy.ts';
import { RedisServer, redisMissing } from '../support/redis/redis-server.ts';
import { certificateAuthority } from '../support/upstream/certificates.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import * as faults from '../support/upstream/faults.ts';
import { uvLock } from '../support/upstream/lock-files.ts';
import { type Distribution, wheel } from '../support/upstream/wheels.ts';

const DEPLOY = fileURLToPath(new URL('../../deploy/', import.meta.url));
const PASSWORD = 'what-prometheus-says';
const AUTHORIZATION = `Basic ${Buffer.from(`prometheus:${PASSWORD}`).toString('base64')}`;
const UNCACHED = { fields: { 'cache-control': 'no-cache' } };
const LIMIT_MS = 120_000;
/** With everything there, without Redis, without upstreams: a few scrapes each. */
const PHASE_MS = 3000;
/** Rates look back this far: some forty scrapes. */
const WINDOW = '10s';
const PROJECTS = ['alpha', 'beta', 'gamma', 'delta'];

/** Metrics that a healthy process on a healthy disk never moves. */
const STILL: Readonly<Record<string, string>> = {
  wheelkeep_certificate_expiry_timestamp_seconds: 'it moves when the certificate is replaced (tls-listener.test.ts)',
  wheelkeep_outage_readiness_ratio: 'it moves from drill to drill',
  wheelkeep_outage_readiness_timestamp_seconds: 'it moves from drill to drill',
  wheelkeep_upstream_leads: 'another mirror leads when it is clearly faster (mirrors.test.ts)',
  wheelkeep_disk_writes_paused: 'it needs a full or broken disk (unreadable-disk.test.ts)',
  wheelkeep_disk_read_failures_total: 'it needs a broken disk (unreadable-disk.test.ts)',
  wheelkeep_entry_store_faults_total: 'it needs a broken disk (unreadable-disk.test.ts)',
  wheelkeep_policy_refusals_total: 'it needs a policy (supply-chain.test.ts)',
  wheelkeep_policy_reloads_total: 'it needs a policy that changes (supply-chain.test.ts)',
  wheelkeep_unhandled_errors_total: 'it needs a bug',
  wheelkeep_page_threads_ended_total: 'it needs a page that is made to cost much (page-pool.test.ts)',
  wheelkeep_dropped_log_lines_total: 'it needs a reader of the log that hangs',
  wheelkeep_scrape_errors_total: 'it needs a bug',
  wheelkeep_build_info: 'it is always 1',
};

/** deploy/prometheus.yaml with its lines for https and clients in force, for one node, scraped four times a second. */
async function configuration(folder: string, port: number, ca: string): Promise<string> {
  const [caFile, passwordFile] = [join(folder, 'ca.pem'), join(folder, 'password')];
  await writeFile(caFile, ca);
  await writeFile(passwordFile, PASSWORD);
  const given = await readFile(join(DEPLOY, 'prometheus.yaml'), 'utf8');
  const secured = given
    .replaceAll(/^( +)# (?=(?:scheme|tls_config|basic_auth): )/gm, '$1')
    .replace('/etc/prometheus/wheelkeep-ca.pem', caFile)
    .replace('/etc/prometheus/wheelkeep-password', passwordFile)
    .replace('scrape_interval: 15s', 'scrape_interval: 250ms\n  scrape_timeout: 250ms\n  evaluation_interval: 1s')
    .replace('alerts.yaml', join(DEPLOY, 'alerts.yaml'))
    .replace(/targets: .*/, `targets: ["127.0.0.1:${port}"]`);
  assert.match(secured, /^ +scheme: https$/m);
  const path = join(folder, 'prometheus.yaml');
  await writeFile(path, secured);
  return path;
}

/** A node with TLS, clients and Redis over two mirrors, whose lock file was drilled before it started. */
async function world(t: TestContext) {
  const folder = await temporaryFolder(t);
  const dataDir = join(folder, 'data');
  const mirrors = [await FakeIndex.start(), await FakeIndex.start()] as const;
  const redis = await RedisServer.start();
  t.after(async () => {
    await Promise.all(mirrors.map((mirror) => mirror.close()));
    await redis.kill();
  });
  const authority = certificateAuthority();
  const { cert, key } = authority.issue(['127.0.0.1']);
  const files = { cert: join(folder, 'tls.crt'), key: join(folder, 'tls.key'), clients: join(folder, 'clients') };
  await writeFile(files.cert, cert);
  await writeFile(files.key, key, { mode: 0o600 });
  await writeFile(files.clients, `prometheus:${await hashPassword(PASSWORD, { ln: 10, r: 8, p: 1 })}\n`);
  const locked = { alpha: [wheel({ name: 'alpha', version: '1.0' })] };
  await writeFile(join(folder, 'uv.lock'), uvLock(mirrors[0], locked));
  await runCommand({ index: mirrors[0], dataDir, cwd: folder }, 'drill', 'uv.lock');
  const port = await freePort();
  const start = () =>
    spawnProxy({
      dataDir,
      port,
      upstreams: mirrors.map(({ url }) => url),
      env: {
        WHEELKEEP_TLS_CERT_FILE: files.cert,
        WHEELKEEP_TLS_KEY_FILE: files.key,
        WHEELKEEP_CLIENTS_FILE: files.clients,
        WHEELKEEP_REDIS_URL: redis.url,
        WHEELKEEP_PAGE_FRESH: '1s',
        WHEELKEEP_PATIENCE: '50ms',
        WHEELKEEP_FREE_SPACE_FLOOR: '1MB',
        WHEELKEEP_DISK_QUOTA: '4MB',
        WHEELKEEP_GRACE: '0s',
      },
    });
  let proxy = await start();
  t.after(() => proxy.stop('SIGKILL'));
  const prometheus = await startPrometheus(t, await configuration(folder, port, authority.cert));
  return {
    mirrors,
    redis,
    prometheus,
    plainUrl: `http://127.0.0.1:${port}/`,
    /** Undefined when no answer came: a client that left. */
    ask: (path: string, { fields, ...options }: ClientOptions = {}): Promise<ClientResponse | undefined> => {
      const request = { ...options, ca: authority.cert, fields: { authorization: AUTHORIZATION, ...fields } };
      return fetchAll(`${proxy.url}${path}`, request).catch(() => undefined);
    },
    restart: async () => {
      await proxy.stop('SIGKILL');
      proxy = await start();
    },
  };
}

type World = Awaited<ReturnType<typeof world>>;

/** Publishes at both mirrors and gives the path at which Wheelkeep serves the file. */
function publish({ mirrors }: Pick<World, 'mirrors'>, project: string, file: Distribution): string {
  for (const mirror of mirrors) mirror.add(project, file);
  const { host, protocol } = new URL(mirrors[0].url);
  return `/files/${protocol.slice(0, -1)}/${host}${mirrors[0].pathOf(file)}`;
}

/** One round of everything that installers and faults do; `round` makes its projects new ones. */
async function round(world: World, number: number): Promise<void> {
  const { mirrors, ask } = world;
  const [first, second] = mirrors;
  const fresh = `fresh-${number}`;
  const large = publish(world, fresh, wheel({ name: fresh, version: '1.0', sizeBytes: 400_000 }));
  first.fault(`/simple/${fresh}/`, faults.delay(100), { times: 1 });
  // Several clients want one cold page at once.
  await Promise.all(Array.from({ length: 4 }, () => ask(`/simple/${fresh}/`)));
  await Promise.all([ask(large), ask(`${large}.metadata`)]);
  for (const project of PROJECTS) await ask(`/simple/${project}/`);
  // One that nobody has, one that no mirror can give, one client that speaks plain http.
  await Promise.all([
    ask('/simple/nothing/'),
    ask('/simple/failing/'),
    sendRaw(world.plainUrl, 'GET / HTTP/1.1\r\n\r\n'),
  ]);
  // A file too large for the quota, whose client leaves while most of it is still to come, and one that arrives damaged
  // from both mirrors.
  const huge = publish(world, `huge-${number}`, wheel({ name: 'huge', version: `${number}`, sizeBytes: 10_000_000 }));
  await ask(`/simple/huge-${number}/`);
  await ask(huge, { abortAfterBytes: 1000 });
  const damaged = publish(world, `damaged-${number}`, wheel({ name: 'damaged', version: `${number}` }));
  for (const mirror of mirrors) mirror.fault(/damaged-\d+-py3/, faults.wrongByte(-100));
  await ask(`/simple/damaged-${number}/`);
  await ask(damaged);
  // The leading mirror fails now and then, and the other one lags behind.
  const lagging = `lagging-${number}`;
  const [old, added] = ['1.0', '2.0'].map((version) => wheel({ name: lagging, version }));
  for (const mirror of mirrors) mirror.add(lagging, old!);
  first.add(lagging, added!);
  first.bumpSerial(lagging, 100);
  await ask(`/simple/${lagging}/`);
  first.fault(`/simple/${lagging}/`, faults.status(503));
  second.bumpSerial(lagging);
  // An index gives other bytes under a name that it has used.
  const changed = `changed-${number}`;
  for (const size of [1000, 2000]) {
    const file = wheel({ name: changed, version: '1.0', sizeBytes: size });
    for (const mirror of mirrors) {
      if (size === 2000) mirror.remove(changed, file.filename);
      mirror.add(changed, file);
    }
    await ask(`/simple/${changed}/`, UNCACHED);
  }
  await ask(`/simple/${lagging}/`, UNCACHED);
}

/** What has to be asked, by its name: each expression is taken out once it gave a number. */
function expressions(): Map<string, string> {
  const dashboard = readDashboard();
  const named = [
    ...shownPanels(dashboard).flatMap(({ title, targets }) =>
      targets!.map(({ expr, refId }) => [`panel ${title} ${refId}`, expr] as const),
    ),
    ...dashboard.annotations.list.map(({ name, expr }) => [`annotation ${name}`, expr] as const),
    ...readAlerts().map(({ alert, expr }) => [`alert ${alert}`, asVerdict(expr)] as const),
    ...Object.values(METRIC_TABLE)
      .filter(({ name }) => !(name in STILL))
      .map(({ name, type }) => {
        const series = type === 'histogram' ? `${name}_count` : name;
        return [`metric ${name} moves`, `max(changes(${series}[1m])) > 0`] as const;
      }),
  ];
  return new Map(named.map(([name, expr]) => [name, withoutVariables(expr, WINDOW)]));
}

/** Takes out what gives a number now. Rejects when an expression cannot be parsed. */
async function strike(prometheus: PrometheusServer, waiting: Map<string, string>): Promise<void> {
  for (const [name, expression] of waiting) {
    const samples = await prometheus.query(expression);
    if (samples.some(({ value }) => !Number.isNaN(value))) waiting.delete(name);
  }
}

test('every expression of dashboard and alerts gives numbers, and every metric moves, under load with faults', {
  skip: prometheusMissing || redisMissing,
}, async (t) => {
  const play = await world(t);
  const { mirrors, redis, prometheus } = play;
  for (const name of PROJECTS) publish(play, name, wheel({ name, version: '1.0' }));
  for (const mirror of mirrors) mirror.fault('/simple/failing/', faults.status(500));
  const waiting = expressions();
  assert.ok(waiting.size > 70);
  await until(async () => (await prometheus.query('up == 1')).length === 1, 'Prometheus has scraped the node', 20_000);
  const end = performance.now() + LIMIT_MS;
  let number = 0;
  const load = async () => {
    const phaseEnd = performance.now() + PHASE_MS;
    do {
      number += 1;
      await round(play, number);
      await strike(prometheus, waiting);
    } while (waiting.size > 0 && performance.now() < phaseEnd);
  };
  while (waiting.size > 0 && performance.now() < end) {
    await load();
    await redis.kill();
    await load();
    await redis.restart();
    await Promise.all(mirrors.map((mirror) => mirror.down()));
    await load();
    await Promise.all(mirrors.map((mirror) => mirror.up()));
    await play.restart();
  }
  assert.deepEqual([...waiting.keys()], []);
  const rules = await prometheus.rules();
  assert.deepEqual(
    rules.filter(({ health }) => health !== 'ok'),
    [],
  );
  assert.equal(rules.length, readAlerts().length);
});

test('a metric without movement is one that the table has', () => {
  const names = new Set<string>(Object.values(METRIC_TABLE).map(({ name }) => name));
  assert.deepEqual(
    Object.keys(STILL).filter((name) => !names.has(name)),
    [],
  );
});
