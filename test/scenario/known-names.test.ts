// A file name once seen with a hash is that file, in whatever form a later page says otherwise; its core metadata
// likewise. What a serial, an ETag or a second record says does not get between a client and its file.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { until } from '../support/clock/until.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { fileWorld } from '../support/proxy/file-world.ts';
import { type ClientResponse, fetchAll, get } from '../support/proxy/http-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { severalIndexes } from '../support/proxy/several-indexes.ts';
import { RedisServer, redisMissing } from '../support/redis/redis-server.ts';
import type { FakeIndex, Listing } from '../support/upstream/fake-index.ts';
import * as faults from '../support/upstream/faults.ts';
import { type Distribution, sdist, wheel } from '../support/upstream/wheels.ts';

const JSON_PAGE = { accept: 'application/vnd.pypi.simple.v1+json' };
const TWO = wheel({ name: 'demo', version: '2.0' });
const OTHER = wheel({ name: 'demo', version: '1.0', files: { 'demo.py': 'VERSION = "other"\n' } });
const REQUIRING = wheel({ name: 'demo', version: '1.0', requires: ['injected'] });

interface File {
  readonly filename: string;
  readonly url: string;
  readonly hashes: Readonly<Record<string, string>>;
  readonly size?: number;
  readonly 'core-metadata'?: boolean | Readonly<Record<string, string>>;
}

const filesOf = (answer: ClientResponse) => (answer.json() as { readonly files: readonly File[] }).files;

async function world(t: TestContext, options: Parameters<typeof fileWorld>[1] = {}) {
  const clock = { ms: Date.now() };
  const it = await fileWorld(t, { ...options, now: () => clock.ms });
  const { index, file } = it;
  const page = () => get(`${it.proxy.url}/simple/demo/`, JSON_PAGE);
  const refresh = (ms = 61_000) => {
    clock.ms += ms;
    return page();
  };
  const offer = (...files: (readonly [Distribution, Listing?])[]) => {
    index.remove('demo');
    for (const [one, listing] of files) index.addListed('demo', one, listing ?? {});
  };
  const urlOf = (one: Distribution) => it.url.replace(it.path, index.pathOf(one));
  const alarms = async () =>
    (await it.proxy.metrics())['wheelkeep_integrity_failures_total{kind="changed-digest"}'] ?? 0;
  const installed = async () => {
    const listed = filesOf(await page()).filter(({ filename }) => filename === file.filename);
    const files = await Promise.all(listed.map(({ url }) => get(new URL(url, `${it.proxy.url}/simple/demo/`).href)));
    return files.map(({ status, sha256 }) => (status === 200 ? sha256 : status));
  };
  return { ...it, world: it, clock, page, refresh, offer, urlOf, alarms, installed };
}

const sha512 = ({ bytes }: Distribution) => createHash('sha512').update(bytes).digest('hex');
const md5 = ({ bytes }: Distribution) => createHash('md5').update(bytes).digest('hex');

const FORMS: Readonly<Record<string, (known: Distribution) => (readonly [Distribution, Listing?])[]>> = {
  'no hash, at another URL': () => [[OTHER, { hashes: {} }]],
  'a hash of another algorithm alone': () => [[OTHER, { hashes: { sha512: sha512(OTHER) } }]],
  'a weaker hash': () => [[OTHER, { hashes: { md5: md5(OTHER) } }]],
  'a hash that is none': () => [[OTHER, { hashes: { sha256: 'x' } }]],
  'the known hash under a name that nobody checks': (known) => [[OTHER, { hashes: { SHA256: known.sha256 } }]],
  'the known record and another one': (known) => [[known], [OTHER]],
  'another record and the known one': (known) => [[OTHER], [known]],
  'the known record and one without a hash': (known) => [[known], [OTHER, { hashes: {} }]],
};

for (const [form, listed] of Object.entries(FORMS)) {
  test(`a file that is listed with ${form} is a change, and so is what follows`, async (t) => {
    const { file, page, refresh, offer, installed, alarms, urlOf, world: it } = await world(t);
    await page();
    assert.equal((await get(it.url)).sha256, file.sha256);
    offer(...listed(file));
    await refresh();
    assert.deepEqual(await installed(), [file.sha256]);
    assert.equal(await alarms(), 1);
    offer([OTHER]);
    await refresh();
    await it.restart();
    assert.deepEqual(await installed(), [file.sha256]);
    assert.equal((await get(urlOf(OTHER))).status, 502);
    assert.equal((await get(it.url)).sha256, file.sha256);
  });
}

test('a file that left before 150 others, and after a 404 of the project, comes back as what it was or not at all', async (t) => {
  const { file, page, refresh, offer, installed, alarms, urlOf, index, world: it } = await world(t);
  const crowd = Array.from({ length: 150 }, (_, i) => wheel({ name: 'demo', version: `3.${i}` }));
  offer([file], [TWO], ...crowd.map((one) => [one] as const));
  await page();
  assert.equal((await get(it.url)).sha256, file.sha256);
  offer([TWO], ...crowd.map((one) => [one] as const));
  await refresh();
  offer([TWO]);
  await refresh();
  await it.restart();
  offer([OTHER], [TWO]);
  await refresh();
  assert.deepEqual(await installed(), [file.sha256]);
  assert.equal((await get(urlOf(OTHER))).status, 502);
  assert.equal((await get(it.url)).sha256, file.sha256);
  assert.equal(await alarms(), 1);

  index.remove('demo');
  for (let i = 0; i < 3; i += 1) await refresh(121_000);
  assert.equal((await page()).status, 404);
  await it.restart();
  index.add('demo', OTHER);
  await refresh(121_000);
  assert.deepEqual(await installed(), [file.sha256]);
  assert.equal((await get(urlOf(OTHER))).status, 502);
  // It is itself again.
  offer([file]);
  const [listed] = filesOf(await refresh());
  assert.deepEqual(listed!.hashes, { sha256: file.sha256 });
  assert.equal(listed!.size, file.bytes.length);
  assert.deepEqual(await installed(), [file.sha256]);
});

test('a rogue mirror does not win because the honest one is away for a moment', async (t) => {
  for (const listing of [{ hashes: {} }, { hashes: { sha512: sha512(OTHER) } }, {}]) {
    const it = await severalIndexes(t, { main: { mirrors: [{}, {}] } });
    const [honest, rogue] = it.mirrors('main') as [FakeIndex, FakeIndex];
    const one = wheel({ name: 'demo', version: '1.0' });
    honest.add('demo', one);
    rogue.addListed('demo', OTHER, listing);
    rogue.bumpSerial('demo', 50);
    const page = async () => filesOf(await get(`${it.proxy.url}/simple/demo/`, JSON_PAGE));
    const [before] = await page();
    assert.equal((await get(new URL(before!.url, `${it.proxy.url}/simple/demo/`).href)).sha256, one.sha256);
    const lift = honest.fault(/simple/, faults.status(503));
    for (let i = 0; i < 3; i += 1) {
      it.clock.advance(61_000);
      assert.deepEqual(await page(), [before]);
    }
    lift();
    it.clock.advance(400_000);
    assert.deepEqual(await page(), [before]);
  }
});

test('a purge says that the project may be another one', async (t) => {
  const { page, refresh, offer, installed, proxy, url } = await world(t);
  await page();
  await get(url);
  offer([OTHER, { hashes: {} }]);
  await refresh();
  const token = (await readFile(`${proxy.dataDir}/admin-token`, 'utf8')).trim();
  const fields = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const body = JSON.stringify({ project: 'demo' });
  await fetchAll(`${proxy.url}/-/api/purge`, { method: 'POST', fields, body });
  assert.deepEqual(await installed(), [OTHER.sha256]);
});

test('another node on the same Redis knows what this one has seen', { skip: redisMissing }, async (t) => {
  const redis = await RedisServer.start();
  t.after(() => redis.kill());
  const config = { redis: { url: redis.url, secret: undefined } };
  const { index, page, refresh, clock } = await world(t, { config });
  const [file] = filesOf(await page());
  index.remove('demo');
  index.add('demo', TWO);
  await refresh();
  const other = await startProxy({
    upstreams: [index.url],
    dataDir: await temporaryFolder(t),
    config,
    now: () => clock.ms,
  });
  t.after(() => other.close());
  index.remove('demo');
  index.add('demo', OTHER, TWO);
  clock.ms += 61_000;
  await until(async () => (await get(`${other.url}/-/ready`)).status === 200, 'the other node is ready');
  const files = filesOf(await get(`${other.url}/simple/demo/`, JSON_PAGE));
  assert.equal(files.find(({ filename }) => filename === file!.filename)!.hashes.sha256, file!.hashes.sha256);
});

for (const held of ['wheel', 'metadata', 'both', 'nothing'] as const) {
  test(`other core metadata for the same file does no harm, and no install fails over it (here: ${held})`, async (t) => {
    const { file, page, refresh, offer, index, path, url, proxy } = await world(t);
    await page();
    if (held !== 'metadata' && held !== 'nothing') assert.equal((await get(url)).sha256, file.sha256);
    if (held === 'metadata' || held === 'both') await get(`${url}.metadata`);
    offer([file, { coreMetadata: { sha256: REQUIRING.metadataSha256 } }]);
    index.fault(`${path}.metadata`, faults.replacedBody(REQUIRING.metadata));
    const [listed] = filesOf(await refresh());
    const claim = listed!['core-metadata'];
    const metadata = await get(`${url}.metadata`);
    if (held === 'nothing') {
      // Clients look into the wheel, whose hash they know.
      assert.equal(claim, undefined);
      assert.equal(metadata.status, 404);
    } else {
      assert.deepEqual(claim, { sha256: file.metadataSha256 });
      assert.deepEqual([metadata.status, metadata.sha256], [200, file.metadataSha256]);
    }
    assert.equal((await get(url)).sha256, file.sha256);
    // The index goes back to what the wheel holds.
    offer([file]);
    index.clearFaults();
    assert.deepEqual(filesOf(await refresh())[0]!['core-metadata'], { sha256: file.metadataSha256 });
    const again = await get(`${url}.metadata`);
    assert.deepEqual([again.status, again.sha256], [200, file.metadataSha256]);
    assert.equal((await proxy.metrics())['wheelkeep_integrity_failures_total{kind="changed-digest"}'], 1);
  });
}

test('an index that mends the metadata of a wheel that is here is believed', async (t) => {
  const { file, page, refresh, offer, url } = await world(t, {
    listing: { coreMetadata: { sha256: REQUIRING.metadataSha256 } },
  });
  await page();
  assert.equal((await get(url)).sha256, file.sha256);
  offer([file]);
  assert.deepEqual(filesOf(await refresh())[0]!['core-metadata'], { sha256: file.metadataSha256 });
  assert.equal((await get(`${url}.metadata`)).sha256, file.metadataSha256);
});

test('core metadata that is made anew for all of many wheels fails no install', async (t) => {
  const { page, refresh, offer, file, url } = await world(t);
  const crowd = Array.from({ length: 150 }, (_, i) => wheel({ name: 'demo', version: `3.${i}` }));
  offer([file], ...crowd.map((one) => [one] as const));
  await page();
  await get(url);
  const anew = { coreMetadata: { sha256: REQUIRING.metadataSha256 } };
  offer([file, anew], ...crowd.map((one) => [one, anew] as const), [TWO]);
  const answer = await refresh();
  assert.equal(answer.field('x-wheelkeep-stale'), undefined);
  const files = filesOf(answer);
  assert.equal(files.length, 152);
  assert.deepEqual(files[0]!['core-metadata'], { sha256: file.metadataSha256 });
  assert.ok(files.slice(1, 151).every((one) => one['core-metadata'] === undefined));
});

test('a serial that a mirror says once makes no honest one older', async (t) => {
  for (const jump of [2 ** 53 - 1, 2 ** 40, 7]) {
    const it = await severalIndexes(t, { main: { mirrors: [{}, {}] } });
    const [honest, rogue] = it.mirrors('main') as [FakeIndex, FakeIndex];
    const one = wheel({ name: 'demo', version: '1.0' });
    for (const mirror of [honest, rogue]) mirror.add('demo', one);
    rogue.bumpSerial('demo', jump);
    const page = () => get(`${it.proxy.url}/simple/demo/`, JSON_PAGE);
    await page();
    const lift = honest.fault(/simple/, faults.status(503));
    it.clock.advance(61_000);
    assert.equal((await page()).status, 200);
    lift();
    honest.bumpSerial('demo');
    it.clock.advance(400_000);
    assert.equal((await page()).field('x-wheelkeep-stale'), undefined, `${jump}`);
    honest.add('demo', TWO);
    it.clock.advance(400_000);
    assert.equal(filesOf(await page()).length, 2, `${jump}`);
  }
});

test('a page whose serial vanishes is taken as it is', async (t) => {
  const { index, page, refresh } = await world(t);
  await page();
  const names = [TWO];
  index.add('demo', ...names);
  index.fault('/simple/demo/', ({ send }) => {
    const body = Buffer.from(
      JSON.stringify({
        meta: { 'api-version': '1.1' },
        name: 'demo',
        files: names.map((one) => ({
          filename: one.filename,
          url: index.pathOf(one),
          hashes: { sha256: one.sha256 },
          size: 1,
        })),
      }),
    );
    return send({ status: 200, fields: ['content-type', JSON_PAGE.accept], body });
  });
  const answer = await refresh();
  assert.equal(answer.field('x-wheelkeep-stale'), undefined);
  assert.deepEqual(
    filesOf(answer).map(({ filename }) => filename),
    [TWO.filename],
  );
});

test('a page that changes while its ETag does not is seen by its serial, with one request more', async (t) => {
  const { index, page, refresh, file } = await world(t);
  await page();
  const stubborn = (serial: () => string) =>
    index.fault('/simple/demo/', ({ request, answer, send }) => {
      const isConditional = request.fields.some((name, i) => i % 2 === 0 && /^if-/i.test(name));
      const fields = ['content-type', JSON_PAGE.accept, 'etag', '"always"', 'x-pypi-last-serial', serial()];
      return send(
        isConditional
          ? { status: 304, fields, body: Buffer.alloc(0) }
          : { ...answer, fields: [...fields, ...codingOf(answer.fields)] },
      );
    });
  let serial = String(index.serialOf('demo'));
  stubborn(() => serial);
  await refresh();
  index.add('demo', TWO);
  serial = String(index.serialOf('demo'));
  const asked = index.requests('/simple/demo/');
  assert.deepEqual(
    filesOf(await refresh()).map(({ filename }) => filename),
    [file.filename, TWO.filename],
  );
  assert.equal(index.requests('/simple/demo/'), asked + 2);
  await refresh();
  assert.equal(index.requests('/simple/demo/'), asked + 3);
});

test('a file that is asked for and not listed makes the page itself be asked for, whatever its ETag says', async (t) => {
  const { index, page, clock, urlOf } = await world(t, { index: { serials: false } });
  index.fault('/simple/demo/', ({ request, answer, send }) => {
    const isConditional = request.fields.some((name, i) => i % 2 === 0 && /^if-/i.test(name));
    const fields = ['content-type', JSON_PAGE.accept, 'etag', '"always"', ...codingOf(answer.fields)];
    return send(isConditional ? { status: 304, fields, body: Buffer.alloc(0) } : { ...answer, status: 200, fields });
  });
  await page();
  index.add('demo', TWO);
  clock.ms += 10_000;
  assert.equal((await get(urlOf(TWO))).sha256, TWO.sha256);
});

function codingOf(fields: readonly string[]): string[] {
  const at = fields.findIndex((name, i) => i % 2 === 0 && name === 'content-encoding');
  return at < 0 ? [] : ['content-encoding', fields[at + 1]!];
}

for (const [what, fault] of Object.entries({
  'a login page': faults.loginPage(),
  'a login page that calls itself a file': faults.replacedBody('<!DOCTYPE html><html>sign in</html>'),
  'an empty body': faults.emptyBody(),
  'an error in words': faults.replacedBody('service temporarily unavailable'),
})) {
  test(`${what} in the place of a file without a hash is not kept`, async (t) => {
    const source = sdist({ name: 'demo', version: '5.0' });
    const { index, page, url, urlOf, path, file, offer, clock } = await world(t, { listing: { hashes: {} } });
    offer([file, { hashes: {}, coreMetadata: true }], [source, { hashes: {} }]);
    await page();
    const targets = [
      [url, path, file.sha256],
      [urlOf(source), index.pathOf(source), source.sha256],
      [`${url}.metadata`, `${path}.metadata`, file.metadataSha256],
    ] as const;
    for (const [address, at, sha256] of targets) {
      const lift = index.fault(at, fault);
      assert.ok((await get(address)).status >= 500, at);
      lift();
      clock.ms += 120_000;
      assert.equal((await get(address)).sha256, sha256, at);
      // Nor does it take the place of what is here.
      index.fault(at, fault);
      clock.ms += 700_000;
      assert.equal((await get(address)).sha256, sha256, at);
    }
  });
}

test('a second record with another name for the URL of a known file changes nothing about the file', async (t) => {
  const alias = wheel({ name: 'demo', version: '9.9', files: { 'demo.py': 'x = 9\n' } });
  const orders = (file: Distribution, path: string): (readonly [Distribution, Listing?])[][] => [
    [[alias, { url: `../..${path}` }], [file]],
    [[file], [alias, { url: `../..${path}` }]],
    [[alias, { url: `../..${path}`, hashes: {} }], [file]],
  ];
  for (const i of [0, 1, 2]) {
    const { file, path, page, offer, url, refresh } = await world(t);
    await page();
    offer(...orders(file, path)[i]!);
    await refresh();
    assert.equal((await get(url)).sha256, file.sha256, `order ${i}`);
  }
});
