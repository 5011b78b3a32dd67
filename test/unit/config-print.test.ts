// What is shown of a configuration: effective values, first lines, docs/configuration.md's table. Never a secret.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { installerVariables } from '../../src/commands/env.ts';
import { explainStartFailure } from '../../src/commands/start-failure.ts';
import { effectiveYaml } from '../../src/config/effective.ts';
import { administrationUrl, clientUrl } from '../../src/config/own-addresses.ts';
import { startLines } from '../../src/config/start-lines.ts';
import { load, UPSTREAM } from '../support/proxy/config-world.ts';

const FULL = `indexes:
  public:
    upstreams: [https://u:canary@index.example/simple/, https://mirror.example/simple/]
  internal:
    upstreams: [https://internal.example/simple/]
    credentials: { bearer: canary }
    accept: json
default: [internal, public]
routes: [{ names: ["acme-*"], index: internal }]
raw:
  builds: { origin: https://builds.example/, credentials: { basic: "me:canary" }, stale_if_error: 1d }
redis: { url: "redis://:canary@redis:6379/0", secret: canary }
patience: 750ms
`;

test('the effective values are YAML with every value, its source, and no secret', async (t) => {
  const loaded = await load(t, { files: { 'wheelkeep.yaml': FULL }, env: { WHEELKEEP_PORT: '8080' } });
  const printed = effectiveYaml(loaded);
  assert.doesNotMatch(printed, /canary/);
  assert.match(printed, /^port: 8080 # WHEELKEEP_PORT$/m);
  assert.match(printed, /^patience: 750ms # wheelkeep.yaml line 13$/m);
  assert.match(printed, /^page_fresh: 60s # default$|^page_fresh: 1m # default$/m);
  const read = parse(printed);
  assert.deepEqual(read.redis, { url: 'redis://***@redis:6379/0', secret: '***' });
  assert.deepEqual(read.indexes.internal, {
    upstreams: [{ url: 'https://internal.example/simple/', credentials: { bearer: '***' } }],
    accept: 'json',
  });
  assert.deepEqual(read.default, ['internal', 'public']);
  assert.equal(read.raw.builds.stale_if_error, '1d');
});

test('what is printed can be used as the configuration file', async (t) => {
  const env = { WHEELKEEP_UPSTREAM: 'https://index.example/simple/,https://mirror.example/', WHEELKEEP_WORKERS: '3' };
  const first = await load(t, { env });
  const again = await load(t, { files: { 'wheelkeep.yaml': effectiveYaml(first) } });
  // Each of the two has a home of its own.
  const same = { upstreamFoundIn: '', netrcFile: '' };
  assert.deepEqual({ ...again.config, ...same }, { ...first.config, ...same });
});

test('the first lines say listener, upstream and its source, data folder, Redis, and what to type', async (t) => {
  const { config, folder } = await load(t, {
    env: { WHEELKEEP_UPSTREAM: UPSTREAM, WHEELKEEP_REDIS_URL: 'redis://:canary@redis/' },
  });
  assert.deepEqual(startLines(config, { url: 'http://127.0.0.1:5030/', version: '1.2.3' }), [
    'Wheelkeep 1.2.3 listens on http://127.0.0.1:5030/',
    `upstream: ${UPSTREAM} (from WHEELKEEP_UPSTREAM)`,
    `data: ${folder}/home/data, at most 50GB`,
    "redis: redis://***@redis/, records authenticated by the connection's password",
    'try: pip install --index-url http://127.0.0.1:5030/simple/ requests',
  ]);
});

test('several indexes, raw mounts, a proxy and an unprotected Redis are told of at the start', async (t) => {
  const { config } = await load(t, {
    files: {
      'wheelkeep.yaml': FULL.replace('redis://:canary@redis:6379/0', 'redis://redis').replace(', secret: canary', ''),
    },
    env: { HTTPS_PROXY: 'http://u:canary@proxy.example:3128', WHEELKEEP_HOST: 'wheels.example' },
  });
  const lines = startLines(config, { url: 'http://wheels.example:5030/', version: '1.2.3' }).join('\n');
  assert.match(lines, /^index internal: https:\/\/internal.example\/simple\/$/m);
  assert.match(lines, /^order of \/simple\/: internal, public \(from wheelkeep.yaml line \d\)$/m);
  assert.match(lines, /^raw mount \/raw\/builds\/: https:\/\/builds.example\/$/m);
  assert.match(lines, /not against an attacker; set redis.secret/);
  assert.match(lines, /^proxy: http:\/\/\*\*\*@proxy.example:3128\/; it resolves names/m);
  assert.match(lines, /^try: pip install --index-url \S+ --trusted-host wheels.example requests$/m);
  assert.doesNotMatch(lines, /canary/);
});

test('what to type is the address that clients use, not the one that is listened on', async (t) => {
  const env = { WHEELKEEP_UPSTREAM: UPSTREAM, WHEELKEEP_HOST: '0.0.0.0' };
  const typed = async (more: Record<string, string>) =>
    startLines((await load(t, { env: { ...env, ...more } })).config, {
      url: 'http://127.0.0.1:41234/',
      version: '1',
    }).at(-1);
  assert.equal(await typed({}), 'try: pip install --index-url http://127.0.0.1:41234/simple/ requests');
  assert.match(
    startLines((await load(t, { env })).config, { url: 'http://127.0.0.1:5030/', version: '1' })[0]!,
    /listens on http:\/\/127.0.0.1:5030\/ and every other address of this machine$/,
  );
  const named = await typed({ WHEELKEEP_PUBLIC_URL: 'https://wheels.example' });
  assert.equal(named, 'try: pip install --index-url https://wheels.example/simple/ requests');
});

test('a listener on every address is reached by loopback, an IPv6 one in brackets', () => {
  const rest = { adminListen: undefined, tlsCertFile: undefined, basePath: undefined };
  const at = (host: string) => ({ host, port: 5030, ...rest });
  assert.equal(clientUrl(at('0.0.0.0')), 'http://127.0.0.1:5030/');
  assert.equal(clientUrl(at('::')), 'http://[::1]:5030/');
  assert.equal(clientUrl({ ...at('10.1.2.3'), tlsCertFile: 'tls.crt' }), 'https://10.1.2.3:5030/');
  const adminListen = { host: '::', port: 5031 };
  assert.equal(administrationUrl({ ...at('0.0.0.0'), adminListen }), 'http://[::1]:5031/');
  assert.equal(clientUrl({ ...at('::1'), basePath: '/wheels' }), 'http://[::1]:5030/wheels/');
  assert.equal(administrationUrl({ ...at('::1'), basePath: '/wheels' }), 'http://[::1]:5030/wheels/');
  assert.equal(administrationUrl({ ...at('::1'), basePath: '/wheels', adminListen }), 'http://[::1]:5031/');
  assert.equal(administrationUrl(at('0.0.0.0')), 'http://127.0.0.1:5030/');
});

test('installers are told to trust a host only where pip would refuse it', () => {
  assert.deepEqual(installerVariables('http://127.0.0.1:5030/'), {
    PIP_INDEX_URL: 'http://127.0.0.1:5030/simple/',
    UV_DEFAULT_INDEX: 'http://127.0.0.1:5030/simple/',
    PDM_PYPI_URL: 'http://127.0.0.1:5030/simple/',
    PIPENV_PYPI_MIRROR: 'http://127.0.0.1:5030/simple/',
  });
  assert.equal(installerVariables('http://wheels.example:5030/').PIP_TRUSTED_HOST, 'wheels.example');
  assert.equal(installerVariables('https://wheels.example/').PIP_TRUSTED_HOST, undefined);
});

test('a start that fails by the machine is explained by key, value and cure', async (t) => {
  const yaml = 'raw: { builds: { origin: https://builds.example/, listen: "127.0.0.1:81" } }\n';
  const { config, read } = await load(t, {
    files: { 'wheelkeep.yaml': yaml },
    env: { WHEELKEEP_UPSTREAM: UPSTREAM, WHEELKEEP_PORT: '80' },
  });
  const explain = (fields: object) => explainStartFailure(Object.assign(new Error('x'), fields), config, read.sources);
  assert.match(
    explain({ code: 'EADDRINUSE', syscall: 'listen' })!,
    /^port = 80 \(WHEELKEEP_PORT\): .*WHEELKEEP_PORT=81$/,
  );
  assert.match(explain({ code: 'EADDRINUSE', syscall: 'listen', port: 81 })!, /^raw.builds.listen: port 81: is in use/);
  assert.match(explain({ code: 'EACCES', syscall: 'listen' })!, /above 1023/);
  assert.match(explain({ code: 'EADDRNOTAVAIL', syscall: 'listen' })!, /^host = 127.0.0.1 \(default\)/);
  assert.match(
    explain({ code: 'EROFS', path: `${config.dataDir}/entries` })!,
    /^data_dir = .*EROFS.*WHEELKEEP_DATA_DIR/,
  );
  assert.match(explain({ code: 'ENOSPC', path: `${config.dataDir}/entries` })!, /free some space/);
  assert.equal(explain({ code: 'EIO' }), undefined);
});
