// Provenance (PEP 740): cached byte for byte, for files whose page offers it.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Config } from '../../src/config/config.ts';
import { get } from '../support/proxy/http-client.ts';
import { severalIndexes } from '../support/proxy/several-indexes.ts';
import { serveDocument } from '../support/upstream/json-documents.ts';
import { wheel } from '../support/upstream/wheels.ts';

const TYPE = 'application/vnd.pypi.integrity.v1+json';
const DOCUMENT = { version: 1, attestation_bundles: [{ publisher: { kind: 'Example' }, attestations: [] }] };
const JSON_PAGE = { accept: 'application/vnd.pypi.simple.v1+json' };
const demo = wheel({ name: 'demo', version: '1.0' });
const PLACE = `integrity/demo/1.0/${demo.filename}/provenance`;

async function world(t: TestContext, config: Partial<Config> = {}) {
  const { proxy, upstream, clock } = await severalIndexes(t, { main: {} }, config);
  const index = upstream('main');
  const theirs = new URL(`../${PLACE}`, index.url).href;
  index.addListed('demo', demo, { extra: { provenance: theirs } });
  serveDocument(index, `/${PLACE}`, DOCUMENT, TYPE);
  return { proxy, index, clock, theirs };
}

test('provenance is served byte for byte with its own type, and only once fetched', async (t) => {
  const { proxy, index } = await world(t);
  for (const path of [PLACE, `main/${PLACE}`]) {
    const answer = await get(`${proxy.url}/${path}`);
    assert.deepEqual([answer.status, answer.field('content-type')], [200, TYPE]);
    assert.equal(answer.text(), JSON.stringify(DOCUMENT));
    const again = await get(`${proxy.url}/${path}`, { 'if-none-match': answer.field('etag')! });
    assert.equal(again.status, 304);
  }
  assert.equal(index.requests(`/${PLACE}`), 1);
});

test('in an outage the copy is served', async (t) => {
  const { proxy, index, clock } = await world(t);
  await get(`${proxy.url}/${PLACE}`);
  await index.down();
  clock.advance(120_000);
  const answer = await get(`${proxy.url}/${PLACE}`);
  assert.deepEqual([answer.status, answer.text()], [200, JSON.stringify(DOCUMENT)]);
});

test('nothing is asked of upstream for a file or version that the page does not offer provenance for', async (t) => {
  const { proxy, index } = await world(t);
  index.add('demo', wheel({ name: 'demo', version: '2.0' }));
  const other = wheel({ name: 'demo', version: '2.0' }).filename;
  for (const path of [`1.1/${demo.filename}`, `2.0/${other}`, '1.0/unknown-1.0.tar.gz', `1.0/..%2f${demo.filename}`]) {
    assert.equal((await get(`${proxy.url}/integrity/demo/${path}/provenance`)).status, 404, path);
  }
  assert.equal((await get(`${proxy.url}/${PLACE}/`)).status, 404);
  assert.equal(index.requests(/^\/integrity/), 0);
});

test('pages keep the provenance URL of upstream, or name ours when clients reach us over https', async (t) => {
  const found = async (config: Partial<Config>) => {
    const { proxy, theirs } = await world(t, config);
    const page = await get(`${proxy.url}/simple/demo/`, JSON_PAGE);
    const [file] = (page.json() as { files: { provenance: string }[] }).files;
    const html = (await get(`${proxy.url}/simple/demo/`)).text();
    assert.ok(html.includes(`data-provenance="${file!.provenance}"`), html);
    return file!.provenance === theirs ? 'theirs' : file!.provenance;
  };
  assert.equal(await found({}), 'theirs');
  assert.equal(await found({ publicUrl: 'http://wheels.example/' }), 'theirs');
  assert.equal(await found({ publicUrl: 'https://wheels.example/' }), `https://wheels.example/main/${PLACE}`);
});
