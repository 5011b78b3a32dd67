// One data folder lives on while its configuration changes: what an index gave is never given for another one, and is
// there again when its index is.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Config, IndexConfig } from '../../src/config/config.ts';
import { fieldValue, withField } from '../../src/core/http-message.ts';
import { Random, seedOf } from '../fuzz/random.ts';
import { FakeClock } from '../support/clock/clock.ts';
import { until } from '../support/clock/until.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { type ClientResponse, fetchAll, get } from '../support/proxy/http-client.ts';
import { getPage } from '../support/proxy/page-client.ts';
import { type RunningProxy, startProxy } from '../support/proxy/proxy.ts';
import { RedisServer, redisMissing } from '../support/redis/redis-server.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { FakeServer } from '../support/upstream/fake-server.ts';
import type { Fault } from '../support/upstream/fault-plan.ts';
import { legacyJson, serveDocument } from '../support/upstream/json-documents.ts';
import { type Distribution, wheel } from '../support/upstream/wheels.ts';

const DAY_MS = 86_400_000;

interface ListedFile {
  readonly filename: string;
  readonly url: string;
  readonly hashes: { readonly sha256: string };
}

const filesOf = (page: ClientResponse) => (page.json() as { readonly files: readonly ListedFile[] }).files;
const hashesOf = (page: ClientResponse) => filesOf(page).map(({ hashes }) => hashes.sha256);

/** The same file names at every index, and other bytes. */
const fileOf = (project: string, index: string) =>
  wheel({ name: project, version: '1.0', files: { 'whose.py': `INDEX = "${index}"\n` } });

/**
 * Answers 304 to whatever conditions there are, as Python's http.server does to a date, and tags its pages with its own
 * name: a tag that another server gave tells on who sent it.
 */
function confirmsEverything(tag: string): Fault {
  return ({ request, answer, send }) => {
    const asked = ['if-none-match', 'if-modified-since'].some((name) => fieldValue(request.fields, name) !== undefined);
    const fields = withField(answer.fields, 'etag', `"${tag}"`);
    return send(asked ? { status: 304, fields, body: Buffer.alloc(0) } : { ...answer, fields });
  };
}

async function indexOf(t: TestContext, tag: string, files: Readonly<Record<string, Distribution>>): Promise<FakeIndex> {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  for (const [project, file] of Object.entries(files)) index.add(project, file);
  index.fault(/^\/simple\//, confirmsEverything(tag));
  return index;
}

function overIndexes(...named: readonly (readonly [name: string, ...mirrors: FakeIndex[]])[]): Partial<Config> {
  const indexes = named.map(
    ([name, ...mirrors]): IndexConfig => ({
      name,
      upstreams: mirrors.map(({ url }) => ({ url })),
      missingStatuses: [],
      pageOrigins: [],
      accept: 'any',
    }),
  );
  const origins = named.flatMap(([, ...mirrors]) => mirrors.map(({ pages }) => pages.origin));
  return { indexes, defaultIndexes: indexes.map(({ name }) => name), fileOrigins: [...new Set(origins)] };
}

/** One folder and one clock, and one life at a time. */
async function folderOfLives(t: TestContext) {
  const dataDir = await temporaryFolder(t);
  const clock = new FakeClock();
  let proxy: RunningProxy | undefined;
  t.after(() => proxy?.close());
  return {
    dataDir,
    clock,
    live: async (config: Partial<Config>): Promise<RunningProxy> => {
      await proxy?.close();
      proxy = await startProxy({ upstreams: [], dataDir, config, now: clock.now });
      return proxy;
    },
  };
}

/** The tags in the conditions that a server was sent for its pages. */
function tagsSentTo({ log }: FakeIndex): string[] {
  const pages = log.entries.filter(({ path }) => path.startsWith('/simple/'));
  return pages.flatMap(({ fields }) => fieldValue(fields, 'if-none-match') ?? []);
}

const datesSentTo = ({ log }: FakeIndex) =>
  log.entries.filter(({ fields }) => fieldValue(fields, 'if-modified-since') !== undefined).length;

test('another upstream under the same name is asked as if nothing were stored, and the first one finds everything again', async (t) => {
  const files = { first: fileOf('demo', 'first'), second: fileOf('demo', 'second') };
  const [first, second] = [await indexOf(t, 'first', {}), await indexOf(t, 'second', {})];
  const version = '1.0';
  for (const [index, file] of [[first, files.first] as const, [second, files.second] as const]) {
    const { filename } = file;
    const provenance = `/integrity/demo/${version}/${filename}/provenance`;
    index.addListed('demo', file, { extra: { provenance: `${index.pages.origin}${provenance}` } });
    const document = legacyJson('demo', [{ filename, url: `${index.files.origin}/${filename}` }]);
    serveDocument(index, '/pypi/demo/json', { ...document, whose: index.url });
    serveDocument(index, `/pypi/demo/${version}/json`, { ...document, whose: index.url });
    const proof = { version: 1, attestation_bundles: [], whose: index.url };
    serveDocument(index, provenance, proof, 'application/vnd.pypi.integrity.v1+json');
  }
  const { live, clock } = await folderOfLives(t);
  const paths = [
    'simple/',
    'simple/demo/',
    'pypi/demo/json',
    `pypi/demo/${version}/json`,
    `integrity/demo/${version}/${files.first.filename}/provenance`,
  ];
  const everything = async ({ url }: RunningProxy) => {
    const pages = await Promise.all(paths.map((path) => get(`${url}/${path}`, { accept: '*/*' })));
    const page = await getPage({ url }, 'demo');
    const file = page.status === 200 ? [await get(new URL(filesOf(page)[0]!.url, `${url}/simple/demo/`).href)] : [];
    return [...pages, page, ...file];
  };
  const ofFirst = await everything(await live(overIndexes(['default', first])));
  assert.deepEqual(
    ofFirst.map(({ status }) => status),
    Array(paths.length + 2).fill(200),
  );
  assert.deepEqual(ofFirst.at(-1)!.body, files.first.bytes);

  // At once, while all of it would be fresh, and much later, when it would be asked about.
  for (const laterMs of [0, DAY_MS]) {
    clock.advance(laterMs);
    const proxy = await live(overIndexes(['default', second]));
    const ofSecond = await everything(proxy);
    assert.deepEqual(
      ofSecond.map(({ status }) => status),
      Array(paths.length + 2).fill(200),
    );
    assert.deepEqual(hashesOf(ofSecond.at(-2)!), [files.second.sha256]);
    assert.deepEqual(ofSecond.at(-1)!.body, files.second.bytes);
    for (const [place, answer] of ofSecond.entries()) {
      if (answer.text().includes('whose')) assert.ok(!answer.text().includes(first.pages.origin), paths[place]);
    }
    assert.ok(tagsSentTo(second).every((tag) => tag === '"second"'));
    await second.down();
    const withoutSecond = await everything(await live(overIndexes(['default', first])));
    assert.ok(withoutSecond.every((answer) => !answer.text().includes(second.pages.origin)));
    assert.deepEqual(withoutSecond.at(-1)!.body, files.first.bytes);
    await second.up();
  }

  await first.down();
  const again = await everything(await live(overIndexes(['default', first])));
  assert.deepEqual(
    again.map(({ status }) => status),
    Array(paths.length + 2).fill(200),
  );
  assert.deepEqual(again.at(-1)!.body, files.first.bytes);
  await second.down();
  const third = await indexOf(t, 'third', {});
  await third.down();
  const none = await everything(await live(overIndexes(['default', third])));
  assert.ok(
    none.every(({ status }) => status === 502 || status === 503),
    'nothing of other indexes stands in',
  );
});

test('a new upstream is sent no validators of the one before, whose pages it would confirm', async (t) => {
  const first = await indexOf(t, 'first', { demo: fileOf('demo', 'first') });
  const second = await indexOf(t, 'second', { demo: fileOf('demo', 'second') });
  const { live, clock } = await folderOfLives(t);
  await getPage(await live(overIndexes(['default', first])), 'demo');
  clock.advance(DAY_MS);
  const page = await getPage(await live(overIndexes(['default', second])), 'demo');
  assert.deepEqual(hashesOf(page), [fileOf('demo', 'second').sha256]);
  assert.deepEqual([tagsSentTo(second), datesSentTo(second)], [[], 0]);
});

test('mirrors that are added, taken away or put in another order behind the first keep what is stored', async (t) => {
  const files = { demo: fileOf('demo', 'main') };
  const [main, one, two] = [
    await indexOf(t, 'main', files),
    await indexOf(t, 'one', files),
    await indexOf(t, 'two', files),
  ];
  const { live, clock } = await folderOfLives(t);
  await getPage(await live(overIndexes(['default', main])), 'demo');
  await main.down();
  for (const mirrors of [[main, one, two], [main, two, one], [main, two], [main]]) {
    const held = await getPage(await live(overIndexes(['default', ...mirrors])), 'demo');
    assert.equal(held.status, 200);
    assert.match(held.field('cache-status') ?? '', /hit/);
  }
  assert.deepEqual([one.requests(), two.requests()], [0, 0]);

  // Stale now, and the first is away: the others are asked, and none of them about the first one's tag.
  clock.advance(DAY_MS);
  await getPage(await live(overIndexes(['default', main, one])), 'demo');
  await one.waitForRequest('/simple/demo/');
  clock.advance(DAY_MS);
  await main.up();
  await getPage(await live(overIndexes(['default', main, two])), 'demo');
  await main.waitFor((index) => index.requests('/simple/demo/') > 1);
  for (const [index, tag] of [
    [main, '"main"'],
    [one, '"one"'],
    [two, '"two"'],
  ] as const) {
    assert.ok(
      tagsSentTo(index).every((sent) => sent === tag),
      `${tag} was sent ${tagsSentTo(index)}`,
    );
  }
});

test('the address of an index may be spelled in another way and is the same index', async (t) => {
  const main = await indexOf(t, 'main', { demo: fileOf('demo', 'main') });
  const { live } = await folderOfLives(t);
  await getPage(await live(overIndexes(['default', main])), 'demo');
  await main.down();
  const config = overIndexes(['default', main]);
  const url = main.url.replace('/simple/', '/x/../%73imple/').replace('http:', 'HTTP:');
  const [index] = config.indexes!;
  const page = await getPage(await live({ ...config, indexes: [{ ...index!, upstreams: [{ url }] }] }), 'demo');
  assert.equal(page.status, 200);
});

test('a purge forgets what the configured indexes have of a project; one of everything also what others left', async (t) => {
  const first = await indexOf(t, 'first', { demo: fileOf('demo', 'first'), other: fileOf('other', 'first') });
  const second = await indexOf(t, 'second', { demo: fileOf('demo', 'second') });
  const { live, dataDir } = await folderOfLives(t);
  const purge = async ({ url }: RunningProxy, order: object) => {
    const token = (await readFile(join(dataDir, 'admin-token'), 'utf8')).trim();
    const fields = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const answer = await fetchAll(`${url}/-/api/purge`, { method: 'POST', fields, body: JSON.stringify(order) });
    assert.equal(answer.status, 200, answer.text());
    return (answer.json() as { readonly removed: number }).removed;
  };
  const withFile = async (proxy: RunningProxy, project: string) => {
    const page = await getPage(proxy, project);
    await get(new URL(filesOf(page)[0]!.url, `${proxy.url}/simple/${project}/`).href);
  };
  const one = await live(overIndexes(['default', first]));
  await withFile(one, 'demo');
  await withFile(one, 'other');
  const two = await live(overIndexes(['default', second]));
  await withFile(two, 'demo');
  assert.equal(await purge(two, { project: 'demo' }), 2, 'its page and its file');

  await Promise.all([first.down(), second.down()]);
  assert.ok((await getPage(two, 'demo')).status >= 502);
  assert.equal((await getPage(await live(overIndexes(['default', first])), 'demo')).status, 200);
  const last = await live(overIndexes(['default', second]));
  assert.ok((await purge(last, { all: true })) >= 4, 'pages and files of the index that is not configured');
  for (const project of ['demo', 'other']) {
    const { status } = await getPage(await live(overIndexes(['default', first])), project);
    assert.ok(status >= 502, `${project}: ${status}`);
  }
});

test('a raw mount under the same name gives nothing of the origin that it had before', async (t) => {
  const main = await indexOf(t, 'main', {});
  const served = async (whose: string) => {
    const fields = ['content-type', 'text/plain', 'cache-control', 'max-age=3600', 'etag', '"same"'];
    const respond = () => ({ status: 200, fields, body: Buffer.from(whose) });
    const server = await FakeServer.start({ respond });
    t.after(() => server.close());
    return server;
  };
  const [first, second] = [await served('first'), await served('second')];
  const { live } = await folderOfLives(t);
  const over = ({ origin }: FakeServer, path = '') => ({
    ...overIndexes(['default', main]),
    raw: [{ name: 'builds', origin: `${origin}/${path}`, redirectOrigins: [], maxBodyBytes: 1e6 }],
  });
  const textOf = async (config: Partial<Config>) => (await get(`${(await live(config)).url}/raw/builds/x`)).text();
  assert.equal(await textOf(over(first)), 'first');
  assert.equal(await textOf(over(second)), 'second');
  assert.equal(await textOf(over(second, 'below/')), 'second');
  assert.deepEqual(
    second.log.entries.map(({ path }) => path),
    ['/x', '/below/x'],
  );
  await first.down();
  assert.equal(await textOf(over(first)), 'first');
});

test('two nodes with different upstreams on one Redis give each its own pages', { skip: redisMissing }, async (t) => {
  const redis = await RedisServer.start();
  t.after(() => redis.kill());
  const first = await indexOf(t, 'first', { demo: fileOf('demo', 'first') });
  const second = await indexOf(t, 'second', { demo: fileOf('demo', 'second') });
  const shared = { redis: { url: `redis://127.0.0.1:${redis.port}`, secret: 'one secret' } };
  const nodeOf = async (index: FakeIndex) => {
    const { live, clock } = await folderOfLives(t);
    const proxy = await live({ ...overIndexes(['default', index]), ...shared });
    const page = () => {
      clock.advance(120_000);
      return getPage(proxy, 'demo');
    };
    return { url: proxy.url, page };
  };
  const shares = async () => Number(await redis.command('DBSIZE'));
  const [one, two] = [await nodeOf(first), await nodeOf(second)];
  await until(async () => (await one.page()).status === 200 && (await shares()) >= 2, 'the first one shares', 5_000);
  await until(
    async () => {
      assert.deepEqual(hashesOf(await two.page()), [fileOf('demo', 'second').sha256]);
      return (await shares()) >= 4;
    },
    'the second one shares',
    5_000,
  );
  for (let round = 0; round < 3; round++) {
    assert.deepEqual(hashesOf(await one.page()), [fileOf('demo', 'first').sha256]);
    assert.deepEqual(hashesOf(await two.page()), [fileOf('demo', 'second').sha256]);
  }
  // A node without anything has of each what was shared by its kind, and nothing else.
  await Promise.all([first.down(), second.down()]);
  for (const [index, whose] of [[first, 'first'] as const, [second, 'second'] as const]) {
    const node = await nodeOf(index);
    await until(async () => (await node.page()).status === 200, 'the page is had from Redis', 5_000);
    assert.deepEqual(hashesOf(await node.page()), [fileOf('demo', whose).sha256]);
  }
});

/** What a random life may be configured as: families of equivalent mirrors, each family another index. */
const FAMILIES = ['red', 'green', 'blue'];
const PROJECTS = ['alpha', 'beta'];

test('in random lives of one folder no index gives what another one gave, and each one keeps its own', async (t) => {
  const seed = seedOf(20_261_201);
  const random = new Random(seed);
  const mirrors = new Map<string, readonly FakeIndex[]>();
  for (const family of FAMILIES) {
    const files = Object.fromEntries(PROJECTS.map((project) => [project, fileOf(project, family)]));
    mirrors.set(family, [await indexOf(t, `${family}-0`, files), await indexOf(t, `${family}-1`, files)]);
  }
  const { live, clock } = await folderOfLives(t);
  /** What has been served: `<index name> <first base> <project>`. */
  const kept = new Set<string>();
  for (let life = 0; life < 25; life++) {
    const names = random.chance(0.3) ? ['one', 'two'] : ['default'];
    const rest = [...FAMILIES];
    const chosen = names.map((name) => {
      const family = rest.splice(random.below(rest.length), 1)[0]!;
      const both = mirrors.get(family)!;
      const ordered = random.chance(0.5) ? both : both.toReversed();
      return { name, family, servers: random.chance(0.5) ? ordered : ordered.slice(0, 1) };
    });
    for (const servers of mirrors.values()) {
      for (const server of servers) await (random.chance(0.4) ? server.down() : server.up());
    }
    clock.advance(random.pick([0, 30_000, 120_000, DAY_MS]));
    const proxy = await live(overIndexes(...chosen.map(({ name, servers }) => [name, ...servers] as const)));
    for (const { name, family, servers } of chosen) {
      const isUp = servers.some(({ pages }) => pages.isListening);
      for (const project of PROJECTS) {
        const told = `seed ${seed}, life ${life}: ${project} of ${name}, which is ${family}`;
        const base = `${proxy.url}/${name}/simple/${project}/`;
        const page = await get(base, { accept: 'application/vnd.pypi.simple.v1+json' });
        const place = `${name} ${servers[0]!.url} ${project}`;
        if (!isUp && !kept.has(place)) {
          assert.ok(page.status >= 502, `${told}: ${page.status} although nobody can have given it`);
          continue;
        }
        const expected = fileOf(project, family);
        assert.deepEqual([page.status, hashesOf(page)], [200, [expected.sha256]], told);
        kept.add(place);
        const file = await get(new URL(filesOf(page)[0]!.url, base).href);
        if (file.status === 200) assert.deepEqual(file.body, expected.bytes, told);
      }
    }
  }
  for (const [family, servers] of mirrors) {
    for (const [place, server] of servers.entries()) {
      const foreign = tagsSentTo(server).filter((tag) => tag !== `"${family}-${place}"`);
      assert.deepEqual(foreign, [], `seed ${seed}: validators of others were sent to ${family}-${place}`);
    }
  }
});
