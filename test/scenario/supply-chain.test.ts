// What a supply-chain policy keeps out is kept out on every path, from and until the same instant, with the reason.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { PolicyConfig } from '../../src/config/config.ts';
import { effectiveYaml } from '../../src/config/effective.ts';
import { loadConfig } from '../../src/config/load.ts';
import { ConfigurationError } from '../../src/config/problems.ts';
import { until as eventually } from '../support/clock/until.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { fetchAll, get } from '../support/proxy/http-client.ts';
import { type RunningProxy, startProxy } from '../support/proxy/proxy.ts';
import { spawnProxy } from '../support/proxy/spawned-proxy.ts';
import { RedisServer, redisMissing } from '../support/redis/redis-server.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { serveDocument } from '../support/upstream/json-documents.ts';
import { type Distribution, wheel } from '../support/upstream/wheels.ts';

const [HOUR, DAY] = [3_600_000, 86_400_000];
const JSON_TYPE = 'application/vnd.pypi.simple.v1+json';

async function policyOf(t: TestContext, text: string, file?: string): Promise<PolicyConfig> {
  return (await loaded(t, text, file)).config.policy!;
}

async function loaded(t: TestContext, text: string, file?: string) {
  const path = file ?? join(await temporaryFolder(t), 'wheelkeep.yaml');
  await writeFile(path, `upstream: https://index.example/simple/\n${text}`);
  const input = { flags: { config: path }, env: {}, cwd: '/', home: '/' };
  return loadConfig(input as never, { notes: false });
}

interface World {
  readonly index: FakeIndex;
  readonly proxy: RunningProxy;
  readonly now: { ms: number };
  readonly old: Distribution;
  readonly young: Distribution;
  url(file: Distribution, proxy?: RunningProxy): string;
  names(accept?: string): Promise<string[]>;
}

async function world(t: TestContext, yaml: string, more: { readonly policy?: PolicyConfig } = {}): Promise<World> {
  const now = { ms: Math.floor(Date.now() / 1000) * 1000 };
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const [old, young] = ['1.0', '2.0'].map((version) => wheel({ name: 'demo', version }));
  index.add('demo', old!);
  index.addListed('demo', young!, { uploadTime: new Date(now.ms - HOUR).toISOString() });
  const policy = more.policy ?? (await policyOf(t, yaml));
  const proxy = await startProxy({ upstreams: [index.url], now: () => now.ms, config: { policy } });
  t.after(() => proxy.close());
  const names = async (accept = JSON_TYPE) => {
    const { status, text } = await get(`${proxy.url}/simple/demo/`, { accept });
    assert.equal(status, 200);
    return [...new Set(text().match(/demo-[0-9.]+-py3-none-any\.whl(?=")/g) ?? text().match(/>demo-[^<]*/g) ?? [])].map(
      (name) => name.replace('>', ''),
    );
  };
  const url = (file: Distribution, at = proxy) =>
    `${at.url}/files/http/${new URL(index.url).host}${index.pathOf(file)}`;
  return { index, proxy, now, old: old!, young: young!, url, names };
}

const HTML = 'text/html';

test('a young release is on no page and 403 held by its address, until the very second at which it is old enough', async (t) => {
  const { index, now, old, young, url, names, proxy } = await world(
    t,
    'policy: { cooldown: 7d, contact: security@example }',
  );
  for (const accept of [JSON_TYPE, HTML]) assert.deepEqual(await names(accept), [old.filename]);
  const { versions } = JSON.parse((await get(`${proxy.url}/simple/demo/`, { accept: JSON_TYPE })).text());
  assert.ok(versions === undefined || !versions.includes('2.0'));
  const refused = await get(url(young));
  assert.equal(refused.status, 403);
  assert.equal(refused.field('cache-control'), 'no-store');
  const { type, detail } = JSON.parse(refused.text());
  assert.equal(type, 'about:blank#held');
  assert.match(detail, /^demo 2\.0 is held until \d{4}-\d\d-\d\dT\d\d:\d\dZ \(cooldown 7d\); security@example$/);
  assert.equal(refused.reasonPhrase, detail);
  for (const target of [`${url(young)}.metadata`, `${url(young)}.asc`]) assert.equal((await get(target)).status, 403);
  assert.equal((await get(url(young), { range: 'bytes=0-3' })).status, 403);
  assert.equal((await fetchAll(url(young), { method: 'HEAD' })).status, 403);
  assert.equal(index.requests(index.pathOf(young)), 0, 'nothing is asked of upstream');
  assert.equal((await get(url(old))).sha256, old.sha256);
  assert.match((await get(url(old))).field('cache-control')!, /immutable, s-maxage=60$/);

  const told = JSON.parse((await get(`${proxy.url}/-/policy/Demo`)).text());
  assert.deepEqual([told.index, told.mode, told.contact], ['default', 'enforce', 'security@example']);
  const [verdict] = told.files;
  assert.deepEqual([verdict.filename, verdict.rule, verdict.reason], [young.filename, 'cooldown', detail]);
  assert.equal(verdict.until, new Date(now.ms - HOUR + 7 * DAY).toISOString());

  const ripe = now.ms - HOUR + 7 * DAY;
  now.ms = ripe - 1_000;
  assert.deepEqual(await names(), [old.filename]);
  const close = await get(`${proxy.url}/simple/demo/`);
  assert.match(close.field('cache-control')!, /max-age=0/, 'a page is not fresh beyond the end of the cooldown');
  now.ms = ripe;
  assert.deepEqual(await names(), [old.filename, young.filename]);
  assert.deepEqual(await names(HTML), [old.filename, young.filename]);
  assert.equal((await get(url(young))).sha256, young.sha256);
  // A clock that is set back holds it again.
  now.ms = ripe - 2 * DAY;
  assert.deepEqual(await names(), [old.filename]);
  assert.equal((await get(url(young))).status, 403);
});

test('a hot page loses a release that a changed policy denies within five seconds, and gets it back; a mistake changes nothing', async (t) => {
  const file = join(await temporaryFolder(t), 'wheelkeep.yaml');
  const policy = await policyOf(t, 'policy: { contact: kim }', file);
  const { old, young, names, url, proxy } = await world(t, '', { policy });
  for (let i = 0; i < 3; i++) assert.deepEqual(await names(), [old.filename, young.filename]);
  assert.equal((await get(url(young))).status, 200);
  const denied = 'policy: { held: yanked, rules: [{ name: no-demo, deny: ["demo>=2"], reason: use baz }] }';
  await policyOf(t, denied, file);
  await eventually(async () => (await get(url(young))).status === 403);
  const page = (await get(`${proxy.url}/simple/demo/`, { accept: JSON_TYPE })).text();
  const listed = JSON.parse(page).files.find(({ filename }: { filename: string }) => filename === young.filename);
  assert.equal(listed.yanked, 'demo 2.0 is denied (no-demo: use baz)');
  assert.equal(JSON.parse((await get(url(young))).text()).type, 'about:blank#denied');
  await writeFile(file, 'policy: { rules: [');
  await eventually(async () => ((await proxy.metrics())['wheelkeep_policy_reloads_total{result="rejected"}'] ?? 0) > 0);
  assert.equal((await get(url(young))).status, 403, 'the last good policy stays in force');
  await policyOf(t, 'policy: {}', file);
  await eventually(async () => (await get(url(young))).status === 200);
  assert.equal(
    JSON.parse((await get(`${proxy.url}/simple/demo/`, { accept: JSON_TYPE })).text()).files[1].yanked,
    false,
  );
});

test('a release that claims to be old after its page was seen without it is held', async (t) => {
  const { index, old, now, names, proxy } = await world(t, 'policy: { cooldown: 1h }');
  assert.equal((await names()).length, 2);
  const forged = wheel({ name: 'demo', version: '3.0' });
  index.addListed('demo', forged, { uploadTime: '2019-01-01T00:00:00Z' });
  now.ms += 6_000;
  await get(`${proxy.url}/simple/demo/`, { 'cache-control': 'no-cache' });
  assert.ok(!(await names()).includes(forged.filename));
  now.ms += HOUR;
  assert.deepEqual((await names()).includes(old.filename) && (await names()).includes(forged.filename), true);
});

test('held: yanked with locked: serve lists a young release with the reason and serves it to lock files', async (t) => {
  const { young, url, proxy } = await world(t, 'policy: { cooldown: 7d, held: yanked, locked: serve }');
  const { files } = JSON.parse((await get(`${proxy.url}/simple/demo/`, { accept: JSON_TYPE })).text());
  assert.match(files[1].yanked, /^demo 2\.0 is held until /);
  assert.equal((await get(url(young))).sha256, young.sha256);
});

test('mode: report changes no byte and counts what it would have refused', async (t) => {
  const { young, old, url, names, proxy } = await world(t, 'policy: { cooldown: 7d, mode: report }');
  assert.deepEqual(await names(), [old.filename, young.filename]);
  assert.equal((await get(url(young))).sha256, young.sha256);
  assert.equal((await proxy.metrics())['wheelkeep_policy_refusals_total{rule="cooldown",mode="report"}'], 1);
});

test('an outage and a lost page do not let a held or denied release out', async (t) => {
  const { index, young, url, names, now, old } = await world(
    t,
    'policy: { cooldown: 30d, rules: [{ name: no, deny: ["demo==1.0"] }] }',
  );
  assert.deepEqual(await names(), [old.filename]);
  await index.down();
  now.ms += DAY;
  assert.deepEqual(await names(), [old.filename]);
  assert.equal((await get(url(young))).status, 403);
  assert.equal((await get(url(old))).status, 403);
});

test('a project that is denied as a whole is not on the list of projects', async (t) => {
  const { index, proxy } = await world(t, 'policy: { rules: [{ name: no, deny: ["evil-*"] }] }');
  index.add('evil-one', wheel({ name: 'evil-one', version: '1' }));
  for (const accept of [JSON_TYPE, HTML]) {
    const list = (await get(`${proxy.url}/simple/`, { accept })).text();
    assert.match(list, /demo/);
    assert.doesNotMatch(list, /evil/);
  }
});

test('every path says the same of every file, at every instant, and a longer cooldown never shows more', async (t) => {
  const start = Math.floor(Date.now() / 1000) * 1000;
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const files = ['1.0', '1.1', '2.0', '2.1', '3.0rc1', '4.0'].map((version) => wheel({ name: 'demo', version }));
  const ages = [900, 40, 20, 6, 3, 0.5];
  for (const [i, file] of files.entries()) {
    index.addListed('demo', file, { uploadTime: new Date(start - ages[i]! * DAY).toISOString() });
  }
  const recordOf = (file: Distribution) => {
    const { filename, version } = file;
    return { filename, version, url: new URL(index.pathOf(file), index.url).href };
  };
  const documentOf = (version: string) => ({
    info: { name: 'demo', version },
    urls: files.filter((file) => file.version === version).map(recordOf),
    releases: Object.fromEntries(files.map((file) => [file.version, [recordOf(file)]])),
  });
  serveDocument(index, '/pypi/demo/json', documentOf('4.0'));
  for (const { version } of files) serveDocument(index, `/pypi/demo/${version}/json`, documentOf(version));
  const shown: string[][] = [];
  for (const cooldown of ['0s', '1d', '4d', '7d', '30d']) {
    const now = { ms: start };
    const policy = await policyOf(t, `policy: { cooldown: ${cooldown}, rules: [{ name: no, deny: ["other"] }] }`);
    const proxy = await startProxy({ upstreams: [index.url], now: () => now.ms, config: { policy } });
    t.after(() => proxy.close());
    const seen = async () => {
      const page = JSON.parse((await get(`${proxy.url}/simple/demo/`, { accept: JSON_TYPE })).text());
      const names: string[] = page.files.map(({ filename }: { filename: string }) => filename);
      const html = (await get(`${proxy.url}/simple/demo/`, { accept: HTML })).text();
      assert.deepEqual(
        [...html.matchAll(/>(demo-[^<]*)</g)].map((match) => match[1]),
        names,
      );
      const served: string[] = [];
      for (const file of files) {
        const url = `${proxy.url}/files/http/${new URL(index.url).host}${index.pathOf(file)}`;
        const { status } = await get(url);
        assert.ok(status === 200 || status === 403, `${status}`);
        if (status === 200) served.push(file.filename);
      }
      assert.deepEqual(served, names);
      const legacy = JSON.parse((await get(`${proxy.url}/pypi/demo/json`)).text());
      const releases = Object.values(legacy.releases as Record<string, { filename: string }[]>).flat();
      assert.deepEqual(releases.map(({ filename }) => filename).sort(), [...names].sort());
      assert.deepEqual(
        legacy.urls.map(({ filename }: { filename: string }) => filename),
        [`demo-${legacy.info.version}-py3-none-any.whl`],
      );
      if (names.length > 0)
        assert.ok(names.includes(`demo-${legacy.info.version}-py3-none-any.whl`), legacy.info.version);
      return names;
    };
    shown.push(await seen());
    for (const days of [2, 5, 40]) {
      now.ms = start + days * DAY;
      await seen();
    }
    assert.equal((await seen()).length, files.length, 'all of them are old enough in the end');
  }
  for (const [i, names] of shown.slice(1).entries()) assert.ok(names.every((name) => shown[i]!.includes(name)));
  assert.deepEqual(
    shown.map(({ length }) => length),
    [6, 5, 4, 3, 2],
  );
});

test('exemptions, kinds of files, new projects and the allow list do what they say, also after a restart', async (t) => {
  const dataDir = await temporaryFolder(t);
  const until = new Date(Date.now() + 2 * DAY).toISOString();
  const yaml = `policy:
  cooldown: 7d
  new_projects: 30d
  default: deny
  files: { egg: refuse }
  rules: [{ name: vetted, allow: ["demo"] }, { name: fast, cooldown: 1d, projects: ["fast-*"], allow: ["fast-*"] }]
  exempt: [{ release: "demo==2.0", from: [cooldown], until: ${until}, reason: CVE-2026-1, by: kim }]`;
  const policy = await policyOf(t, yaml);
  const now = { ms: Math.floor(Date.now() / 1000) * 1000 };
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const at = (days: number) => ({ uploadTime: new Date(now.ms - days * DAY).toISOString() });
  const add = (name: string, version: string, days: number) => {
    const file = wheel({ name, version });
    index.addListed(name, file, at(days));
    return file;
  };
  add('demo', '1.0', 400);
  add('demo', '2.0', 1);
  add('demo', '2.1', 1);
  add('fast-one', '1.0', 90);
  add('fast-one', '1.1', 3);
  add('stranger', '1.0', 400);
  add('fast-new', '1.0', 3);
  const open = () => startProxy({ upstreams: [index.url], dataDir, now: () => now.ms, config: { policy } });
  let proxy = await open();
  t.after(() => proxy.close());
  const versions = async (name: string) => {
    const { files } = JSON.parse((await get(`${proxy.url}/simple/${name}/`, { accept: JSON_TYPE })).text());
    return files
      .filter(({ yanked }: { yanked: unknown }) => yanked === false)
      .map(({ filename }: { filename: string }) => filename.split('-')[1]);
  };
  for (let round = 0; round < 2; round++) {
    assert.deepEqual(await versions('demo'), ['1.0', '2.0']);
    assert.deepEqual(await versions('fast-one'), ['1.0', '1.1']);
    assert.deepEqual(await versions('fast-new'), []);
    assert.deepEqual(await versions('stranger'), []);
    await proxy.close();
    proxy = await open();
  }
  now.ms += 2 * DAY + 1_000;
  assert.deepEqual(await versions('demo'), ['1.0'], 'the exemption has ended');
});

test('nodes that share a Redis each obey their own policy, and one learns from the other what was pulled', {
  skip: redisMissing,
}, async (t) => {
  const redis = await RedisServer.start();
  t.after(() => redis.kill());
  const now = { ms: Math.floor(Date.now() / 1000) * 1000 };
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const [old, young] = ['1.0', '2.0'].map((version) => wheel({ name: 'demo', version }));
  index.add('demo', old!);
  index.addListed('demo', young!, { uploadTime: new Date(now.ms - HOUR).toISOString() });
  const node = async (policy?: PolicyConfig) => {
    const config = { redis: { url: redis.url, secret: undefined }, ...(policy && { policy }) };
    const proxy = await startProxy({ upstreams: [index.url], now: () => now.ms, config });
    t.after(() => proxy.close());
    return proxy;
  };
  const strict = await node(await policyOf(t, 'policy: { cooldown: 7d }'));
  const open = await node();
  const page = async (at: RunningProxy, fields = {}) =>
    (await get(`${at.url}/simple/demo/`, { accept: JSON_TYPE, ...fields })).text();
  const urlAt = (at: RunningProxy) => `${at.url}/files/http/${new URL(index.url).host}${index.pathOf(young!)}`;
  for (let round = 0; round < 2; round++) {
    assert.doesNotMatch(await page(strict), /demo-2\.0/);
    assert.match(await page(open), /demo-2\.0/);
    assert.equal((await get(urlAt(strict))).status, 403);
    assert.equal((await get(urlAt(open))).status, 200);
  }
  index.remove('demo', young!.filename);
  now.ms += 6_000;
  await page(strict, { 'cache-control': 'no-cache' });
  now.ms += 10 * 60_000;
  await page(open);
  await eventually(async () => (await get(urlAt(open))).status === 403);
});

test('two workers take a changed policy over within seconds, and after a restart it holds from the first answer on', async (t) => {
  const folder = await temporaryFolder(t);
  const index = await FakeIndex.start();
  t.after(() => index.close());
  index.add('demo', wheel({ name: 'demo', version: '1.0' }), wheel({ name: 'demo', version: '2.0' }));
  const config = join(folder, 'wheelkeep.yaml');
  await writeFile(config, 'policy: {}\n');
  const start = async () => {
    const proxy = await spawnProxy({
      dataDir: join(folder, 'data'),
      upstreams: [index.url],
      env: { WHEELKEEP_CONFIG: config, WHEELKEEP_WORKERS: '2', WHEELKEEP_FILE_ORIGINS: index.files.origin },
    });
    t.after(() => proxy.stop('SIGKILL'));
    return proxy;
  };
  // Each request is a connection of its own: the workers take turns.
  const shown = async (url: string) => {
    const pages = await Promise.all(
      Array.from({ length: 12 }, async () => (await get(`${url}/simple/demo/`, { accept: JSON_TYPE })).json()),
    );
    const yanked = pages.map((page) => (page as { files: { yanked: boolean | string }[] }).files[1]!.yanked);
    return new Set(yanked.map((value) => typeof value === 'string'));
  };
  const proxy = await start();
  assert.deepEqual([...(await shown(proxy.url))], [false]);
  await writeFile(config, 'policy: { rules: [{ name: no, deny: ["demo>=2"] }] }\n');
  await eventually(async () => {
    const all = await shown(proxy.url);
    return all.size === 1 && all.has(true);
  });
  await proxy.stop('SIGKILL');
  const again = await start();
  assert.deepEqual([...(await shown(again.url))], [true]);
});

test('wheelkeep check --print writes a policy that reads back as the same, and an ended exemption is a warning', async (t) => {
  const written = `policy:
  contact: security@example
  cooldown: 7d
  held: yanked
  files: { egg: refuse }
  rules: [{ name: no-foo, deny: ["foo", "bar>=2,<2.4"], reason: use baz }, { name: b, cooldown: 1d, projects: ["acme-*"] }]
  exempt: [{ release: foo, from: [cooldown], until: 2020-01-01, by: kim }, { release: bar, from: [deny], until: never }]`;
  const first = await loaded(t, written);
  assert.match(first.warnings.join(), /the exemption of foo ended on 2020-01-01/);
  const printed = effectiveYaml(first);
  const again = await policyOf(t, printed.slice(printed.indexOf('policy:')));
  assert.deepEqual(again.byIndex, first.config.policy!.byIndex);
});

test('a policy with mistakes stops the start with key, value and cure', async (t) => {
  const rejects = async (text: string, cure: RegExp) => {
    await assert.rejects(policyOf(t, text), (error: unknown) => {
      assert.ok(error instanceof ConfigurationError);
      assert.match(error.message, cure);
      return true;
    });
  };
  await rejects('policy: { cooldown: 7 }', /policy\.cooldown.*unit/s);
  await rejects('policy: { rules: [{ deny: ["foo"] }] }', /policy\.rules\.0\.name/);
  await rejects('policy: { rules: [{ name: a, deny: ["foo>>1"] }] }', /policy\.rules\.0\.deny\.0.*PEP 440/s);
  await rejects('policy: { exempt: [{ release: foo, from: [cooldown] }] }', /policy\.exempt\.0\.until/);
  await rejects('policy: { exempt: [{ release: foo, from: [cooldown], until: 2999-01-01 }] }', /90 days/);
  await rejects('policy: { locked: serve }', /held: yanked/);
  await rejects('policy: { cooldwn: 7d }', /unknown key/);
});
