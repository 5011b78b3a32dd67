// /pypi/<name>/json: cached like a page, its file URLs ours, asked of the index that has the project and no other.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { type ClientResponse, fetchAll, get } from '../support/proxy/http-client.ts';
import { severalIndexes } from '../support/proxy/several-indexes.ts';
import type { FakeIndex } from '../support/upstream/fake-index.ts';
import { loginPage, status } from '../support/upstream/faults.ts';
import { legacyJson, serveDocument } from '../support/upstream/json-documents.ts';
import { type Distribution, wheel } from '../support/upstream/wheels.ts';

const demo = wheel({ name: 'demo', version: '1.0' });

/** Adds the file to the page and serves both JSON documents about it. */
function publish(index: FakeIndex, file: Distribution, name = 'demo'): void {
  index.add(name, file);
  const url = new URL(index.pathOf(file), index.url).href;
  const document = legacyJson(name, [{ filename: file.filename, url }]);
  serveDocument(index, `/pypi/${name}/json`, document);
  serveDocument(index, `/pypi/${name}/${file.version}/json`, document);
}

const urlOf = (response: ClientResponse) => (response.json() as { urls: { url: string }[] }).urls[0]!.url;

test('the JSON of a project and of a version is served with links that lead to the file through us', async (t) => {
  const { proxy, upstream } = await severalIndexes(t, { main: {} });
  publish(upstream('main'), demo);
  for (const path of ['/pypi/demo/json', '/pypi/Demo/json', '/pypi/demo/1.0/json', '/main/pypi/demo/1.0/json']) {
    const answer = await get(proxy.url + path);
    assert.deepEqual([answer.status, answer.field('content-type')], [200, 'application/json'], path);
    const document = answer.json() as { info: { home_page: string }; releases: Record<string, { url: string }[]> };
    assert.equal(document.info.home_page, 'https://home.example/');
    assert.equal(document.releases['1.0']![0]!.url, urlOf(answer));
    const link = new URL(urlOf(answer), proxy.url + path).href;
    assert.ok(link.startsWith(`${proxy.url}${path.startsWith('/main') ? '/main' : ''}/files/http/`), link);
    assert.equal((await get(link)).sha256, demo.sha256);
  }
});

test('with a public URL the links are absolute', async (t) => {
  const { proxy, upstream } = await severalIndexes(t, { main: {} }, { publicUrl: 'https://wheels.example/' });
  publish(upstream('main'), demo);
  const { host } = new URL(upstream('main').url);
  const path = `files/http/${host}${upstream('main').pathOf(demo)}`;
  assert.equal(urlOf(await get(`${proxy.url}/pypi/demo/json`)), `https://wheels.example/${path}`);
  assert.equal(urlOf(await get(`${proxy.url}/main/pypi/demo/json`)), `https://wheels.example/main/${path}`);
});

test('repeated requests are hits with validators, codings and HEAD, and revalidation is conditional', async (t) => {
  const { proxy, upstream, clock } = await severalIndexes(t, { main: {} });
  publish(upstream('main'), demo);
  const url = `${proxy.url}/pypi/demo/json`;
  const first = await get(url);
  const zipped = await get(url, { 'accept-encoding': 'gzip' });
  assert.deepEqual(gunzipSync(zipped.body), first.body);
  assert.notEqual(zipped.field('etag'), first.field('etag'));
  const head = await fetchAll(url, { method: 'HEAD' });
  assert.equal(head.field('content-length'), String(first.body.length));
  const known = await get(url, { 'if-none-match': first.field('etag')! });
  assert.deepEqual([known.status, known.sizeBytes, known.field('vary')], [304, 0, 'Accept-Encoding']);
  assert.equal(upstream('main').requests('/pypi/demo/json'), 1);
  clock.advance(61_000);
  assert.match((await get(url)).field('cache-status')!, /fwd=stale; fwd-status=304/);
  assert.equal(upstream('main').requests('/pypi/demo/json'), 2);
});

test('in an outage the copy is served, and a page that is no JSON never replaces it', async (t) => {
  const { proxy, upstream, clock } = await severalIndexes(t, { main: {} });
  publish(upstream('main'), demo);
  const url = `${proxy.url}/pypi/demo/json`;
  const first = await get(url);
  for (const fault of [loginPage(), status(500), status(403)]) {
    clock.advance(120_000);
    const lift = upstream('main').fault('/pypi/demo/json', fault);
    const stale = await get(url);
    assert.deepEqual([stale.status, stale.sha256, stale.field('x-wheelkeep-stale')], [200, first.sha256, 'failure']);
    lift();
  }
  clock.advance(120_000);
  await upstream('main').down();
  assert.equal((await get(url)).sha256, first.sha256);
});

test('what upstream does not have is 404, a failure is not', async (t) => {
  const { proxy, upstream } = await severalIndexes(t, { main: {} });
  publish(upstream('main'), demo);
  upstream('main').add('plain', wheel({ name: 'plain', version: '1.0' }));
  upstream('main').fault('/pypi/demo/2.0/json', status(500));
  assert.equal((await get(`${proxy.url}/pypi/plain/json`)).status, 404);
  assert.equal((await get(`${proxy.url}/pypi/nothing/json`)).status, 404);
  assert.equal((await get(`${proxy.url}/pypi/demo/2.0/json`)).status, 502);
  const before = upstream('main').requests();
  for (const path of ['demo', 'demo/1.0', 'de%2fmo/json', 'demo/..%2f1/json', 'demo/1.0/json//', '-x/json']) {
    assert.equal((await get(`${proxy.url}/pypi/${path}`)).status, 404, path);
  }
  assert.equal(upstream('main').requests(), before);
});

test('a slash behind the path changes nothing', async (t) => {
  const { proxy, upstream } = await severalIndexes(t, { main: {} });
  publish(upstream('main'), demo);
  for (const path of ['demo/json', 'demo/1.0/json']) {
    const [plain, slashed] = [await get(`${proxy.url}/pypi/${path}`), await get(`${proxy.url}/pypi/${path}/`)];
    assert.equal(slashed.status, 200);
    assert.deepEqual(slashed.body, plain.body);
  }
});

test('the index that has the project gives its JSON; a bound name is not asked elsewhere, up or down', async (t) => {
  const routes = [{ names: ['acme-*'], index: 'internal' }];
  const { proxy, upstream } = await severalIndexes(t, { internal: {}, public: {} }, { routes });
  upstream('internal').add('demo', demo);
  publish(upstream('public'), wheel({ name: 'demo', version: '9.9' }));
  publish(upstream('public'), wheel({ name: 'acme-lib', version: '6.6' }), 'acme-lib');
  assert.equal((await get(`${proxy.url}/pypi/demo/json`)).status, 404);
  assert.equal((await get(`${proxy.url}/pypi/acme-lib/json`)).status, 404);
  assert.equal((await get(`${proxy.url}/public/pypi/acme-lib/json`)).status, 404);
  await upstream('internal').down();
  assert.ok((await get(`${proxy.url}/pypi/acme-other/json`)).status >= 502);
  assert.equal(upstream('public').requests(), 0);
});

test('the JSON of a quarantined project is refused', async (t) => {
  const { proxy, upstream, clock } = await severalIndexes(t, { main: {} });
  publish(upstream('main'), demo);
  assert.equal((await get(`${proxy.url}/pypi/demo/json`)).status, 200);
  upstream('main').setStatus('demo', 'quarantined');
  clock.advance(61_000);
  assert.equal((await get(`${proxy.url}/pypi/demo/json`)).status, 403);
});
