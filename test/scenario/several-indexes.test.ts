// Several indexes behind one URL: the first that has a project wins, names are bound, and failures are no licence.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fieldValue } from '../../src/core/http-message.ts';
import { type ClientResponse, fetchAll, get } from '../support/proxy/http-client.ts';
import { severalIndexes } from '../support/proxy/several-indexes.ts';
import type { FakeIndex } from '../support/upstream/fake-index.ts';
import { status } from '../support/upstream/faults.ts';
import { wheel } from '../support/upstream/wheels.ts';

const JSON_PAGE = { accept: 'application/vnd.pypi.simple.v1+json' };
const ROUTES = [{ names: ['Acme.*', 'tool'], index: 'internal' }];

interface File {
  readonly filename: string;
  readonly url: string;
}

const page = (base: string, project: string) => get(`${base}/simple/${project}/`, JSON_PAGE);
const filesOf = (response: ClientResponse) => (response.json() as { readonly files: readonly File[] }).files;
const namesOf = (response: ClientResponse) => filesOf(response).map(({ filename }) => filename);
const linkOf = (base: string, project: string, response: ClientResponse) =>
  new URL(filesOf(response)[0]!.url, `${base}/simple/${project}/`).href;

test('the first index that has the project gives the page, the later ones are not asked and nothing is merged', async (t) => {
  const { proxy, upstream } = await severalIndexes(t, { internal: {}, public: {} });
  upstream('internal').add('demo', wheel({ name: 'demo', version: '1.0' }));
  upstream('public').add('demo', wheel({ name: 'demo', version: '9.9' }));
  upstream('public').add('other', wheel({ name: 'other', version: '2.0' }));
  const demo = await page(proxy.url, 'demo');
  assert.deepEqual(namesOf(demo), ['demo-1.0-py3-none-any.whl']);
  assert.equal((await get(linkOf(proxy.url, 'demo', demo))).status, 200);
  assert.equal(upstream('public').requests(), 0);
  assert.deepEqual(namesOf(await page(proxy.url, 'other')), ['other-2.0-py3-none-any.whl']);
  assert.equal((await page(proxy.url, 'neither')).status, 404);
});

test('an index has its own pages, files and metadata under its name', async (t) => {
  const { proxy, upstream } = await severalIndexes(t, { internal: {}, public: {} });
  upstream('internal').add('demo', wheel({ name: 'demo', version: '1.0' }));
  const theirs = wheel({ name: 'demo', version: '9.9' });
  upstream('public').add('demo', theirs);
  const base = `${proxy.url}/public`;
  const demo = await page(base, 'demo');
  assert.deepEqual(namesOf(demo), [theirs.filename]);
  const link = linkOf(base, 'demo', demo);
  assert.ok(link.startsWith(`${proxy.url}/public/files/http/`), link);
  assert.equal((await get(link)).sha256, theirs.sha256);
  assert.equal((await get(`${link}.metadata`)).sha256, theirs.metadataSha256);
  assert.equal((await get(link.replace('/public/', '/internal/'))).status, 404);
  assert.equal((await get(link.replace('/public/', '/'))).status, 404);
  assert.equal((await get(`${proxy.url}/nobody/simple/demo/`)).status, 404);
  assert.equal((await fetchAll(`${proxy.url}/public/simple/demo`)).field('location'), 'demo/');
});

test('an index that fails ends the search with 502 or 503, whatever the later ones have', async (t) => {
  const { proxy, upstream } = await severalIndexes(t, { internal: {}, public: {} });
  upstream('public').add('demo', wheel({ name: 'demo', version: '9.9' }));
  for (const code of [500, 503, 401, 403, 429]) {
    upstream('internal').fault(`/simple/demo${code}/`, status(code));
    const answer = await page(proxy.url, `demo${code}`);
    assert.ok(answer.status === 502 || answer.status === 503, `${code} became ${answer.status}`);
    assert.equal(answer.field('content-type'), 'application/problem+json');
  }
  await upstream('internal').down();
  assert.ok((await page(proxy.url, 'demo')).status >= 502);
  assert.equal(upstream('public').requests(), 0);
});

test('a status declared to mean missing counts at its index only', async (t) => {
  const { proxy, upstream } = await severalIndexes(t, { internal: { config: { missingStatuses: [403] } }, public: {} });
  upstream('internal').fault(/^\/simple\//, status(403));
  upstream('public').add('demo', wheel({ name: 'demo', version: '9.9' }));
  upstream('public').fault('/simple/hidden/', status(403));
  assert.deepEqual(namesOf(await page(proxy.url, 'demo')), ['demo-9.9-py3-none-any.whl']);
  assert.equal((await page(proxy.url, 'hidden')).status, 502);
});

test('a bound name is asked at its index alone: pages, files and metadata', async (t) => {
  const { proxy, upstream } = await severalIndexes(t, { public: {}, internal: {} }, { routes: ROUTES });
  const ours = wheel({ name: 'acme-lib', version: '1.0' });
  const theirs = wheel({ name: 'acme-lib', version: '6.6' });
  upstream('internal').add('acme-lib', ours);
  upstream('public').add('acme-lib', theirs);
  upstream('public').add('acme-evil', wheel({ name: 'acme-evil', version: '6.6' }));
  const found = await page(proxy.url, 'acme-lib');
  assert.deepEqual(namesOf(found), [ours.filename]);
  const link = linkOf(proxy.url, 'acme-lib', found);
  assert.equal((await get(link)).sha256, ours.sha256);
  assert.equal((await get(`${link}.metadata`)).sha256, ours.metadataSha256);
  assert.equal((await page(proxy.url, 'acme-evil')).status, 404);
  assert.equal((await page(`${proxy.url}/public`, 'acme-lib')).status, 404);
  const host = new URL(upstream('public').url).host;
  const foreign = `files/http/${host}${upstream('public').pathOf(theirs)}`;
  for (const path of [foreign, `public/${foreign}`, `${foreign}.metadata`, `public/${foreign}.metadata`]) {
    assert.equal((await get(`${proxy.url}/${path}`)).status, 404, path);
  }
  assert.equal(upstream('public').requests(), 0);
});

test('while its index is down a bound name is an error, also in refreshes, and no other index hears of it', async (t) => {
  const { proxy, upstream, clock } = await severalIndexes(t, { public: {}, internal: {} }, { routes: ROUTES });
  const ours = wheel({ name: 'acme-lib', version: '1.0' });
  upstream('internal').add('acme-lib', ours);
  upstream('public').add('acme-lib', wheel({ name: 'acme-lib', version: '6.6' }));
  upstream('public').add('tool', wheel({ name: 'tool', version: '6.6' }));
  const link = linkOf(proxy.url, 'acme-lib', await page(proxy.url, 'acme-lib'));
  await upstream('internal').down();
  assert.ok((await page(proxy.url, 'tool')).status >= 502);
  assert.ok((await get(link)).status >= 502);
  clock.advance(90_000);
  const stale = await page(proxy.url, 'acme-lib');
  assert.deepEqual([stale.status, namesOf(stale)], [200, [ours.filename]]);
  assert.equal(upstream('public').requests(), 0);
});

test('a file kept from another index is not served once its name is bound', async (t) => {
  const world = await severalIndexes(t, { public: {}, internal: {} });
  world.upstream('public').add('tool', wheel({ name: 'tool', version: '6.6' }));
  const link = linkOf(world.proxy.url, 'tool', await page(world.proxy.url, 'tool'));
  assert.equal((await get(link)).status, 200);
  const { pathname } = new URL(link);
  await world.restart({ routes: ROUTES });
  assert.equal((await get(`${world.proxy.url}${pathname}`)).status, 404);
  assert.equal((await get(`${world.proxy.url}/public${pathname}`)).status, 404);
});

test('an index that said "no such project" before its outage lets the next one answer, but never becomes a 404', async (t) => {
  const { proxy, upstream, clock } = await severalIndexes(t, { internal: {}, public: {} });
  upstream('public').add('demo', wheel({ name: 'demo', version: '1.0' }));
  assert.equal((await page(proxy.url, 'demo')).status, 200);
  assert.equal((await page(proxy.url, 'nowhere')).status, 404);
  await upstream('internal').down();
  clock.advance(90_000);
  assert.equal((await page(proxy.url, 'demo')).status, 200);
  assert.ok((await page(proxy.url, 'nowhere')).status >= 502);
});

test('credentials go to the upstream they were given for and to no other host', async (t) => {
  const credentials = { kind: 'basic', user: 'ci', password: 'canary' } as const;
  const plans = { internal: { mirrors: [{ separateFiles: true }], credentials }, public: {} };
  const { proxy, upstream } = await severalIndexes(t, plans);
  upstream('internal').add('acme-lib', wheel({ name: 'acme-lib', version: '1.0' }));
  upstream('public').add('demo', wheel({ name: 'demo', version: '1.0' }));
  for (const project of ['acme-lib', 'demo']) {
    const found = await page(proxy.url, project);
    assert.equal((await get(linkOf(proxy.url, project, found))).status, 200);
    assert.doesNotMatch(found.text(), /canary/);
  }
  const sent = (index: FakeIndex) =>
    index.log.entries.map(({ path, fields }) => [path.split('/')[1], fieldValue(fields, 'authorization')]);
  const basic = `Basic ${Buffer.from('ci:canary').toString('base64')}`;
  assert.deepEqual(sent(upstream('internal')), [
    ['simple', basic],
    ['packages', undefined],
    ['simple', basic],
  ]);
  assert.ok(sent(upstream('public')).every(([, authorization]) => authorization === undefined));
});

test('the root lists the projects of all its indexes once, and bound names only where they are bound', async (t) => {
  const { proxy, upstream } = await severalIndexes(t, { internal: {}, public: {} }, { routes: ROUTES });
  const names = (index: FakeIndex, ...projects: string[]) => {
    for (const project of projects) index.add(project, wheel({ name: project, version: '1.0' }));
  };
  names(upstream('internal'), 'acme-lib', 'demo');
  names(upstream('public'), 'demo', 'acme-evil', 'other');
  const listed = async (base: string) => {
    const response = await get(`${base}/simple/`, JSON_PAGE);
    return (response.json() as { projects: { name: string }[] }).projects.map(({ name }) => name);
  };
  assert.deepEqual(await listed(proxy.url), ['acme-lib', 'demo', 'other']);
  assert.deepEqual(await listed(`${proxy.url}/internal`), ['acme-lib', 'demo']);
  const html = await get(`${proxy.url}/simple/`);
  assert.deepEqual(html.text().match(/<a href="[^"]*"/g), [
    '<a href="acme-lib/"',
    '<a href="demo/"',
    '<a href="other/"',
  ]);
  const tag = html.field('etag')!;
  assert.equal((await get(`${proxy.url}/simple/`, { 'if-none-match': tag })).status, 304);
});
