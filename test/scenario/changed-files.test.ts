// One name, another hash: an alarm, and by the operator's rule the file stays as it was or is taken as it comes.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { IndexConfig } from '../../src/config/config.ts';
import { fileWorld } from '../support/proxy/file-world.ts';
import { type ClientResponse, fetchAll, get } from '../support/proxy/http-client.ts';
import type { RunningProxy } from '../support/proxy/proxy.ts';
import { severalIndexes } from '../support/proxy/several-indexes.ts';
import type { FakeIndexOptions } from '../support/upstream/fake-index.ts';
import * as faults from '../support/upstream/faults.ts';
import { type Distribution, wheel } from '../support/upstream/wheels.ts';

const JSON_PAGE = { accept: 'application/vnd.pypi.simple.v1+json' };
const TWO = wheel({ name: 'demo', version: '2.0' });
/** Another file under the name of the first. */
const OTHER = wheel({ name: 'demo', version: '1.0', files: { 'demo.py': 'VERSION = "other"\n' } });

interface File {
  readonly filename: string;
  readonly url: string;
  readonly hashes: { readonly sha256: string };
}

/** A proxy that knows demo 1.0, in front of an index that offers other bytes under that name, and demo 2.0. */
async function changedWorld(t: TestContext, indexConfig: Partial<IndexConfig>, index: FakeIndexOptions = {}) {
  const clock = { ms: Date.now() };
  const world = await fileWorld(t, { now: () => clock.ms, indexConfig, index });
  const page = async () => {
    const answer = await get(`${world.proxy.url}/simple/demo/`, JSON_PAGE);
    assert.equal(answer.field('x-wheelkeep-stale'), undefined);
    return hashes(answer);
  };
  const urlOf = (file: Distribution) => world.url.replace(world.path, world.index.pathOf(file));
  const { index: upstream, file, path } = world;
  const refresh = () => {
    clock.ms += 61_000;
    return page();
  };
  const alarms = async () =>
    (await world.proxy.metrics())['wheelkeep_integrity_failures_total{kind="changed-digest"}'] ?? 0;
  /** The index offers `file` in the place of all that it has. */
  const offer = (...files: Distribution[]) => {
    world.index.remove('demo');
    world.index.add('demo', ...files);
  };
  return { world, index: upstream, file, path, url: world.url, clock, page, refresh, alarms, urlOf, offer };
}

const hashes = (answer: ClientResponse) =>
  Object.fromEntries(
    (answer.json() as { readonly files: readonly File[] }).files.map((file) => [file.filename, file.hashes.sha256]),
  );
const code = (answer: ClientResponse) => [answer.status, (answer.json() as { readonly type: string }).type];
const CHANGED = [502, 'about:blank#changed-file'];

async function api(proxy: RunningProxy, path: string, body?: string): Promise<unknown> {
  const token = (await readFile(join(proxy.dataDir, 'admin-token'), 'utf8')).trim();
  const fields = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const method = body === undefined ? 'GET' : 'POST';
  const answer = await fetchAll(`${proxy.url}/-/api/${path}`, { method, fields, ...(body !== undefined && { body }) });
  assert.equal(answer.status, 200, answer.text());
  return answer.json();
}

for (const formats of ['negotiated', 'html-only'] as const) {
  test(`a file with a new hash is refused: its old bytes are served, a new release is seen (${formats})`, async (t) => {
    const { page, refresh, alarms, url, urlOf, offer, file, index } = await changedWorld(t, {}, { formats });
    await page();
    assert.equal((await get(url)).sha256, file.sha256);
    offer(OTHER, TWO);
    const expected = { [file.filename]: file.sha256, [TWO.filename]: TWO.sha256 };
    assert.deepEqual(await refresh(), expected);
    assert.equal(await alarms(), 1);
    assert.equal((await get(url)).sha256, file.sha256);
    assert.equal((await get(`${url}.metadata`)).sha256, file.metadataSha256);
    assert.equal((await get(urlOf(TWO))).sha256, TWO.sha256);

    const refused = await get(urlOf(OTHER));
    assert.deepEqual(code(refused), CHANGED);
    assert.match(refused.text(), /demo-1\.0-py3-none-any\.whl another hash.*wheelkeep purge demo/);
    assert.match(refused.field('retry-after')!, /^[1-5]$/);
    assert.equal(index.requests(index.pathOf(OTHER)), 0);

    // It is one alarm however often the page is refreshed, and over when the index takes it back.
    index.bumpSerial('demo');
    assert.deepEqual(await refresh(), expected);
    assert.equal(await alarms(), 1);
    offer(file, TWO);
    assert.deepEqual(await refresh(), expected);
    assert.equal((await get(url)).sha256, file.sha256);
  });
}

test('the refusal outlives a restart, is explained, and ends when the operator purges the project', async (t) => {
  const { world, refresh, page, offer, urlOf, url, file } = await changedWorld(t, {});
  await page();
  await get(url);
  offer(OTHER);
  await refresh();
  await world.restart();
  assert.deepEqual(await page(), { [file.filename]: file.sha256 });
  assert.deepEqual(code(await get(urlOf(OTHER))), CHANGED);
  const explained = (await api(world.proxy, `explain?project=demo&file=${file.filename}`)) as {
    readonly file: { readonly verdict: string };
    readonly indexes: readonly [{ readonly page: { readonly facts: { readonly kept: readonly string[] } } }];
  };
  assert.match(explained.file.verdict, /listed as it was.*another hash now; its bytes are here/);
  assert.deepEqual(explained.indexes[0].page.facts.kept, [file.filename]);

  await api(world.proxy, 'purge', JSON.stringify({ project: 'demo' }));
  assert.deepEqual(await page(), { [file.filename]: OTHER.sha256 });
  assert.equal((await get(urlOf(OTHER))).sha256, OTHER.sha256);
});

test('new bytes under the old URL are refused, held or not', async (t) => {
  for (const held of [true, false]) {
    const { index, page, refresh, url, path, file, alarms } = await changedWorld(t, {});
    await page();
    if (held) assert.equal((await get(url)).sha256, file.sha256);
    index.remove('demo', file.filename);
    index.addListed('demo', OTHER, { url: `../..${path}` });
    index.fault(path, faults.replacedBody(OTHER.bytes));
    assert.deepEqual(await refresh(), { [file.filename]: file.sha256 });
    const answer = await get(url);
    if (held) assert.equal(answer.sha256, file.sha256);
    else assert.deepEqual(code(answer), CHANGED);
    assert.equal(await alarms(), 1);
  }
});

for (const changedFiles of ['refuse', 'accept'] as const) {
  test(`a file that left its page and comes back with another hash under another URL is noticed (${changedFiles})`, async (t) => {
    const { world, page, refresh, alarms, offer, url, urlOf, file } = await changedWorld(t, { changedFiles });
    await page();
    assert.equal((await get(url)).sha256, file.sha256);
    offer(TWO);
    const without = { [TWO.filename]: TWO.sha256 };
    assert.deepEqual(await refresh(), without);
    await world.restart();
    // A page that changes while it is away does not make it be forgotten.
    offer(TWO, wheel({ name: 'demo', version: '3.0' }));
    assert.equal(Object.keys(await refresh()).length, 2);
    assert.equal(await alarms(), 0);
    offer(OTHER, TWO);
    const isRefused = changedFiles === 'refuse';
    assert.equal((await refresh())[file.filename], isRefused ? file.sha256 : OTHER.sha256);
    assert.equal(await alarms(), 1);
    assert.equal((await get(urlOf(file))).sha256, file.sha256);
    const other = await get(urlOf(OTHER));
    if (isRefused) assert.deepEqual(code(other), CHANGED);
    else assert.equal(other.sha256, OTHER.sha256);
    await refresh();
    assert.equal(await alarms(), 1);
  });
}

test('a file that left its page and comes back as it was is simply there again', async (t) => {
  const { page, refresh, alarms, offer, file } = await changedWorld(t, {});
  await page();
  offer(TWO);
  await refresh();
  offer(file, TWO);
  assert.deepEqual(await refresh(), { [file.filename]: file.sha256, [TWO.filename]: TWO.sha256 });
  assert.equal(await alarms(), 0);
});

test('a project that was gone does not come back with other bytes under a URL that we hold', async (t) => {
  const { index, page, clock, url, path, file, alarms } = await changedWorld(t, {});
  await page();
  assert.equal((await get(url)).sha256, file.sha256);
  index.remove('demo');
  for (let i = 0; i < 3; i += 1) {
    clock.ms += 121_000;
    await get(url.replace(/\/files\/.*/, '/simple/demo/'));
  }
  index.addListed('demo', OTHER, { url: `../..${path}` });
  index.fault(path, faults.replacedBody(OTHER.bytes));
  clock.ms += 121_000;
  assert.deepEqual(await page(), { [file.filename]: file.sha256 });
  assert.equal((await get(url)).sha256, file.sha256);
  assert.equal(await alarms(), 1);
});

test('where changed files are accepted the page shows the new hash at once, with an alarm, and held bytes stay', async (t) => {
  const { page, refresh, alarms, url, urlOf, offer, file, world } = await changedWorld(t, { changedFiles: 'accept' });
  await page();
  assert.equal((await get(url)).sha256, file.sha256);
  offer(OTHER);
  assert.deepEqual(await refresh(), { [file.filename]: OTHER.sha256 });
  assert.equal((await get(urlOf(OTHER))).sha256, OTHER.sha256);
  // A lock file that names the old hash and URL.
  assert.equal((await get(url)).sha256, file.sha256);
  assert.equal(await alarms(), 1);
  const { events } = (await api(world.proxy, 'events')) as { events: { kind: string; message: string }[] };
  assert.match(events.find(({ kind }) => kind === 'changed-digest')!.message, /another hash.*accepted: demo-1\.0/);
});

test('a page on which more than a hundred files have changed is not believed at all', async (t) => {
  const { index, page, clock, world, file } = await changedWorld(t, {});
  const names = Array.from({ length: 101 }, (_, i) => wheel({ name: 'demo', version: `3.${i}` }));
  index.add('demo', ...names);
  const before = await page();
  index.remove('demo');
  index.addListed('demo', TWO, {});
  for (const name of [file, ...names]) index.addListed('demo', name, { hashes: { sha256: '0'.repeat(64) } });
  clock.ms += 61_000;
  const answer = await get(`${world.proxy.url}/simple/demo/`, JSON_PAGE);
  assert.deepEqual(hashes(answer), before);
  assert.equal(answer.field('x-wheelkeep-stale') !== undefined, true);
});

test('with several mirrors one that gives another hash is believed where changed files are accepted', async (t) => {
  const one = wheel({ name: 'demo', version: '1.0' });
  for (const changedFiles of ['refuse', 'accept'] as const) {
    const world = await severalIndexes(t, { main: { mirrors: [{}, {}], config: { changedFiles } } });
    const [first, second] = world.mirrors('main');
    for (const mirror of [first!, second!]) mirror.add('demo', one);
    const page = async () => hashes(await get(`${world.proxy.url}/simple/demo/`, JSON_PAGE));
    await page();
    first!.remove('demo');
    first!.add('demo', OTHER);
    world.clock.advance(61_000);
    const expected = changedFiles === 'accept' ? OTHER : one;
    assert.deepEqual(await page(), { [one.filename]: expected.sha256 }, changedFiles);
  }
});
