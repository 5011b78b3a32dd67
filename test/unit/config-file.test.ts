// The structures of the YAML file: indexes, routes, raw mounts.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { load, refusal, UPSTREAM } from '../support/proxy/config-world.ts';

const yaml = (content: string) => ({ files: { 'wheelkeep.yaml': content } });

test('indexes, their order, routes and raw mounts are read as design.md writes them', async (t) => {
  const { config } = await load(
    t,
    yaml(`
indexes:
  public: { upstreams: [https://index.example/simple/, https://mirror.example/simple] }
  internal:
    upstreams: [https://internal.example/simple/]
    missing_statuses: [403]
    page_origins: [https://pages.example]
    accept: html
default: [internal, public]
routes: [{ names: ["acme-*"], index: internal }]
raw:
  python-builds:
    origin: https://builds.example/releases
    listen: 127.0.0.1:5031
    stale_if_error: 1d
    max_body: 1GiB
    override_cache_control: max-age=3600
    redirect_origins: [https://storage.example]
`),
  );
  assert.deepEqual(config.indexes, [
    {
      name: 'public',
      upstreams: [{ url: UPSTREAM }, { url: 'https://mirror.example/simple/' }],
      missingStatuses: [],
      pageOrigins: [],
      accept: 'any',
    },
    {
      name: 'internal',
      upstreams: [{ url: 'https://internal.example/simple/' }],
      missingStatuses: [403],
      pageOrigins: ['https://pages.example'],
      accept: 'html',
    },
  ]);
  assert.deepEqual(config.defaultIndexes, ['internal', 'public']);
  assert.deepEqual(config.routes, [{ names: ['acme-*'], index: 'internal' }]);
  assert.deepEqual(config.raw, [
    {
      name: 'python-builds',
      origin: 'https://builds.example/releases/',
      maxBodyBytes: 2 ** 30,
      redirectOrigins: ['https://storage.example'],
      listen: { host: '127.0.0.1', port: 5031 },
      staleIfErrorMs: 86_400_000,
      overrideCacheControl: 'max-age=3600',
    },
  ]);
  assert.equal(config.upstreamFoundIn, 'wheelkeep.yaml line 3');
});

test('unset, the order of the root is the order of the file, and a raw body may be as large as a file', async (t) => {
  const { config } = await load(
    t,
    yaml(`
indexes: { b: { upstreams: [${UPSTREAM}] }, a: { upstreams: [https://a.example/] } }
raw: { builds: { origin: https://builds.example/ } }
max_file: 7GB
`),
  );
  assert.deepEqual(config.defaultIndexes, ['b', 'a']);
  assert.equal(config.raw[0]?.maxBodyBytes, 7e9);
});

test('every mistake in the structures is told with its place, beside mistakes elsewhere', async (t) => {
  const lines = await refusal(
    t,
    yaml(`port: 99999
indexes:
  simple: { upstreams: [${UPSTREAM}] }
  Public: { upstreams: [] }
  other: { upstreams: [nonsense], accept: xml, mirrors: [] }
  bare: {}
routes:
  - { names: ["a b"], index: 7 }
raw:
  builds: { origin: https://u:canary@builds.example/, listen: everywhere }
`),
  );
  const told = lines.join('\n');
  for (const expected of [
    /^port = 99999 \(wheelkeep.yaml line 1\): expected a whole number/m,
    /^indexes\.Public \(wheelkeep.yaml line 4\): expected a name of small letters/m,
    /^indexes\.other\.upstreams\.0 = nonsense \(wheelkeep.yaml line 5\): expected an http or https URL/m,
    /^indexes\.other\.accept = xml \(wheelkeep.yaml line 5\): expected any, json or html/m,
    /^indexes\.other\.mirrors \(wheelkeep.yaml line 5\): unknown key; known here: upstreams/m,
    /^indexes\.bare\.upstreams \(.*\): is missing; expected a list of URLs/m,
    /^routes\.0\.names\.0 = a b \(wheelkeep.yaml line 8\): expected a project name/m,
    /^routes\.0\.index = 7 \(wheelkeep.yaml line 8\): expected the name of an index/m,
    /^raw\.builds\.origin = .*\(wheelkeep.yaml line 10\): expected an http or https URL without user/m,
    /^raw\.builds\.listen = everywhere \(wheelkeep.yaml line 10\): expected host:port/m,
  ]) {
    assert.match(told, expected);
  }
  assert.doesNotMatch(told, /canary/);
});

test('a mistake elsewhere in the file does not make its indexes count as missing', async (t) => {
  const lines = await refusal(t, yaml(`indexes: { a: { upstreams: [${UPSTREAM}] } }\nraw: { b: {} }\n`));
  assert.deepEqual(lines, ['raw.b.origin (wheelkeep.yaml line 2): is missing']);
});

test('names must exist where they are used, and must not be paths of our own', async (t) => {
  const lines = await refusal(
    t,
    yaml(`indexes:
  files: { upstreams: [${UPSTREAM}] }
  public: { upstreams: [https://public.example/] }
default: [publik]
routes: [{ names: [acme], index: internal }]
`),
  );
  assert.deepEqual(lines, [
    'indexes.files (wheelkeep.yaml line 2): files is a path of our own; choose another name',
    'default.0 = publik (wheelkeep.yaml line 4): no such index; did you mean public?',
    'routes.0.index = internal (wheelkeep.yaml line 5): no such index; there are files, public',
  ]);
});

test('upstream and indexes together are refused, because either choice could leak private names', async (t) => {
  const file = yaml(`indexes: { public: { upstreams: [${UPSTREAM}] } }\n`);
  const lines = await refusal(t, { ...file, env: { WHEELKEEP_UPSTREAM: 'https://other.example/' } });
  assert.deepEqual(lines, [
    'upstream (WHEELKEEP_UPSTREAM): upstream and indexes exclude one another; keep one of them',
  ]);
});

test('keys of features that are not here are unknown', async (t) => {
  const lines = await refusal(
    t,
    yaml(`upstream: ${UPSTREAM}\ntls: { cert: x }\npolicies: {}\nblobs: {}\nredis: { cluster: true }\n`),
  );
  assert.equal(lines.length, 4);
  for (const line of lines) assert.match(line, /unknown key/);
});

test('a file that is no YAML, or no mapping, is refused with its line', async (t) => {
  assert.match((await refusal(t, yaml('port: 1\nport: 2\n'))).join(), /line 2.*no valid YAML.*unique/);
  assert.match((await refusal(t, yaml('a: [1\n'))).join(), /no valid YAML/);
  assert.match((await refusal(t, yaml('- port\n'))).join(), /expected keys with values/);
  assert.match(
    (await refusal(t, { ...yaml('port:\n'), env: { WHEELKEEP_UPSTREAM: UPSTREAM } })).join(),
    /port .*expected a value/,
  );
});

test('an empty file is no mistake, and a list reads like values by comma', async (t) => {
  const env = { WHEELKEEP_UPSTREAM: UPSTREAM };
  assert.equal((await load(t, { ...yaml('# nothing yet\n'), env })).config.port, 5030);
  const { config } = await load(
    t,
    yaml(
      `upstream: [${UPSTREAM}, https://mirror.example/simple/]\nuploads: yes\nredis:\n  url: redis://redis:6379/0\n`,
    ),
  );
  assert.equal(config.indexes[0]?.upstreams.length, 2);
  assert.equal(config.uploads, true);
  assert.deepEqual(config.redis, { url: 'redis://redis:6379/0', secret: undefined });
});

test('metadata is extracted where an index says so, and the value is checked', async (t) => {
  const index = (value: string) =>
    yaml(
      `indexes: { main: { upstreams: [${UPSTREAM}], extract_metadata: ${value} }, other: { upstreams: [${UPSTREAM}] } }`,
    );
  const { config } = await load(t, index('true'));
  assert.deepEqual(
    config.indexes.map(({ extractMetadata }) => extractMetadata),
    [true, undefined],
  );
  assert.match(
    (await refusal(t, index('yes please'))).join('\n'),
    /indexes\.main\.extract_metadata.*expected true or false/,
  );
});

test('ranges are passed on where an index says so, and the value is checked', async (t) => {
  const index = (value: string) => yaml(`indexes: { main: { upstreams: [${UPSTREAM}], pass_ranges: ${value} } }`);
  assert.equal((await load(t, index('true'))).config.indexes[0]?.passRanges, true);
  assert.equal((await load(t, index('false'))).config.indexes[0]?.passRanges, undefined);
  assert.match((await refusal(t, index('sometimes'))).join('\n'), /indexes\.main\.pass_ranges.*expected true or false/);
});

test('mirrors are ordered by latency where an index says so, and the value is checked', async (t) => {
  const index = (value: string) => yaml(`indexes: { main: { upstreams: [${UPSTREAM}], order: ${value} } }`);
  assert.equal((await load(t, index('latency'))).config.indexes[0]?.order, 'latency');
  assert.match(
    (await refusal(t, index('fastest'))).join('\n'),
    /indexes\.main\.order.*fastest.*expected configured or latency/,
  );
});

test('changed files are refused unless an index says otherwise, and the value is checked', async (t) => {
  const index = (value: string) => yaml(`indexes: { main: { upstreams: [${UPSTREAM}], changed_files: ${value} } }`);
  assert.equal((await load(t, index('refuse'))).config.indexes[0]?.changedFiles, undefined);
  assert.equal((await load(t, index('accept'))).config.indexes[0]?.changedFiles, 'accept');
  assert.match(
    (await refusal(t, index('maybe'))).join('\n'),
    /indexes\.main\.changed_files.*maybe.*expected refuse or accept/,
  );
});

test('where the files of mirrors lie is read, and the first mirror must say it, too', async (t) => {
  const mirrors = (first: string) =>
    yaml(
      `indexes: { main: { upstreams: [{ url: ${UPSTREAM}${first} }, { url: https://m.example/simple, files_base: https://m.example/p }] } }`,
    );
  const { config } = await load(t, mirrors(', files_base: https://files.example/packages/'));
  assert.deepEqual(config.indexes[0]!.upstreams, [
    { url: UPSTREAM, filesBase: 'https://files.example/packages/' },
    { url: 'https://m.example/simple/', filesBase: 'https://m.example/p/' },
  ]);
  assert.match((await refusal(t, mirrors(''))).join('\n'), /indexes\.main\.upstreams\.0\.files_base.*is missing/);
});
