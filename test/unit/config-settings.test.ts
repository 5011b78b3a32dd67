// Flag before environment before file before default, and every mistake at once.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { OPTIONS } from '../../src/config/options.ts';
import { load, refusal, UPSTREAM } from '../support/proxy/config-world.ts';

const env = { WHEELKEEP_UPSTREAM: UPSTREAM };

test('without anything but an upstream every option has its documented default', async (t) => {
  const { config, folder } = await load(t, { env });
  assert.equal(config.host, '127.0.0.1');
  assert.equal(config.port, 5030);
  assert.equal(config.dataDir, join(folder, 'home/data'));
  assert.equal(config.pageFreshMs, 60_000);
  assert.equal(config.patienceMs, 500);
  assert.equal(config.staleIfErrorMs, Number.POSITIVE_INFINITY);
  assert.equal(config.diskQuotaBytes, 50e9);
  assert.equal(config.uploads, false);
  assert.equal(config.redis, undefined);
  assert.deepEqual(config.indexes, [
    { name: 'default', upstreams: [{ url: UPSTREAM }], missingStatuses: [], pageOrigins: [], accept: 'any' },
  ]);
  assert.deepEqual(config.defaultIndexes, ['default']);
  assert.equal(config.upstreamFoundIn, 'WHEELKEEP_UPSTREAM');
});

test('a flag wins over the environment, the environment over the file, the file over the default', async (t) => {
  const files = { 'wheelkeep.yaml': 'port: 1001\npatience: 1s\npage_fresh: 2m\n' };
  const { config, read } = await load(t, {
    files,
    env: { ...env, WHEELKEEP_PORT: '1002', WHEELKEEP_PATIENCE: '2s' },
    flags: { port: '1003' },
  });
  assert.deepEqual([config.port, config.patienceMs, config.pageFreshMs], [1003, 2000, 120_000]);
  assert.deepEqual(
    [read.sources.port, read.sources.patience, read.sources.pageFresh, read.sources.grace],
    ['--port', 'WHEELKEEP_PATIENCE', 'wheelkeep.yaml line 3', 'default'],
  );
});

test('an empty variable counts as unset, because compose files pass those on', async (t) => {
  const { config } = await load(t, { env: { ...env, WHEELKEEP_PORT: '', WHEELKEEP_REDIS_URL: '' } });
  assert.equal(config.port, 5030);
  assert.equal(config.redis, undefined);
});

test('all mistakes of all sources are told at once, each with key, value, source and cure', async (t) => {
  const lines = await refusal(t, {
    files: { 'wheelkeep.yaml': 'patience: 500\nworkers: 0\npage_frehs: 60s\nlog_level: loud\n' },
    env: { WHEELKEEP_UPSTREAM: 'ftp://index.example/', WHEELKEEP_DISK_QOUTA: '1GB', WHEELKEEP_PORT: '70000' },
    flags: { logFormat: 'xml' },
  });
  assert.deepEqual(lines.toSorted(), [
    'WHEELKEEP_DISK_QOUTA: unknown variable; did you mean WHEELKEEP_DISK_QUOTA?',
    'log_format = xml (--log-format): expected one of text, json',
    'log_level = loud (wheelkeep.yaml line 4): expected one of debug, info, warn, error',
    'page_frehs (wheelkeep.yaml line 3): unknown key; did you mean page_fresh?',
    'patience = 500 (wheelkeep.yaml line 1): expected a number with its unit (ms, s, m, h or d)',
    'port = 70000 (WHEELKEEP_PORT): expected a whole number from 0 to 65535',
    'upstream = ftp://index.example/ (WHEELKEEP_UPSTREAM): expected an http or https URL without query, for example https://index.example/simple/',
    'workers = 0 (wheelkeep.yaml line 2): expected a whole number from 1 to 256',
  ]);
});

test('no secret appears in a refusal', async (t) => {
  const lines = await refusal(t, {
    files: {
      'wheelkeep.yaml': 'redis: { url: "http://:canary@redis/", secret: canary }\nupstream: "ftp://u:canary@x/"\n',
    },
  });
  assert.equal(lines.length, 2);
  assert.doesNotMatch(lines.join('\n'), /canary/);
});

test('variables that Kubernetes makes of a Service named wheelkeep are not taken for ours', async (t) => {
  const { config } = await load(t, {
    env: {
      ...env,
      WHEELKEEP_PORT: 'tcp://10.0.0.7:5030',
      WHEELKEEP_PORT_5030_TCP: 'tcp://10.0.0.7:5030',
      WHEELKEEP_PORT_5030_TCP_ADDR: '10.0.0.7',
      WHEELKEEP_SERVICE_HOST: '10.0.0.7',
      WHEELKEEP_SERVICE_PORT_HTTP: '5030',
      WHEELKEEP_REDIS_PORT: 'tcp://10.0.0.8:6379',
    },
  });
  assert.equal(config.port, 5030);
});

test('values that contradict one another are refused', async (t) => {
  const lines = await refusal(t, {
    env: { ...env, WHEELKEEP_DISK_QUOTA: '1GB', WHEELKEEP_FREE_SPACE_FLOOR: '2GB', WHEELKEEP_REDIS_SECRET: 'x' },
  });
  assert.deepEqual(lines, [
    'disk_quota = 1GB (WHEELKEEP_DISK_QUOTA): expected more than free_space_floor, which is 2GB',
    'redis.secret (WHEELKEEP_REDIS_SECRET): has no effect without redis.url; set both or none',
  ]);
});

test('an upstream that is our own address is refused', async (t) => {
  for (const url of ['http://localhost:5030/simple/', 'http://127.0.0.1:5030/simple/', 'http://[::1]:5030/simple/']) {
    const lines = await refusal(t, { env: { WHEELKEEP_UPSTREAM: url } });
    assert.match(lines.join('\n'), /this is our own address/);
  }
});

test('a file that is named and not there is a mistake, and hides no other', async (t) => {
  const lines = await refusal(t, { env: { WHEELKEEP_CONFIG: 'gone.yaml', WHEELKEEP_PORT: 'x' } });
  assert.deepEqual(lines.length, 2);
  assert.match(lines[0]!, /^config = gone.yaml \(WHEELKEEP_CONFIG\): cannot be read \(ENOENT\)/);
});

test('relative paths start at the file that names them, else at the working folder', async (t) => {
  const files = { 'etc/wheelkeep.yaml': 'data_dir: cache\n' };
  const inFile = await load(t, { files, env: { ...env, WHEELKEEP_CONFIG: 'etc/wheelkeep.yaml' } });
  assert.equal(inFile.config.dataDir, join(inFile.folder, 'etc/cache'));
  const inEnv = await load(t, { env: { ...env, WHEELKEEP_DATA_DIR: 'cache' } });
  assert.equal(inEnv.config.dataDir, join(inEnv.folder, 'cache'));
  const nowhere = await load(t, { env });
  assert.equal(nowhere.config.dataDir, join(nowhere.folder, 'home/data'));
});

test('every option has a variable after its key, and its default and example are values of its unit', () => {
  for (const option of Object.values(OPTIONS)) {
    assert.equal(option.variable, `WHEELKEEP_${option.name.toUpperCase().replace('.', '_')}`);
    assert.ok(option.description.endsWith('.'), option.name);
    assert.doesNotThrow(() => option.unit.parse(option.example), option.name);
    if (option.default !== undefined) assert.doesNotThrow(() => option.unit.parse(option.default!), option.name);
  }
});

test('an audit log that could not be written is refused, and none is made by whoever only checks', async (t) => {
  const { config, folder } = await load(t, {
    env: { WHEELKEEP_UPSTREAM: UPSTREAM, WHEELKEEP_AUDIT_LOG: 'audit.jsonl' },
  });
  assert.equal(config.auditLog, join(folder, 'audit.jsonl'));
  assert.equal(existsSync(join(folder, 'audit.jsonl')), false);
  const lines = await refusal(t, {
    env: { WHEELKEEP_UPSTREAM: UPSTREAM, WHEELKEEP_AUDIT_LOG: 'no/folder/audit.jsonl' },
  });
  assert.match(lines.join('\n'), /audit_log = \S+audit\.jsonl \(WHEELKEEP_AUDIT_LOG\): cannot be written \(ENOENT\)/);
});
