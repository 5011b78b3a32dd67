// Core metadata that the index does not offer, cut out of its wheels where the operator asked for it.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { status, wrongByte } from '../support/faults.ts';
import { fetchAll, get } from '../support/http-client.ts';
import { severalIndexes } from '../support/several-indexes.ts';
import { sdist, wheel } from '../support/wheels.ts';

const JSON_PAGE = { accept: 'application/vnd.pypi.simple.v1+json' };
const demo = wheel({ name: 'demo', version: '1.0', requires: ['other>=1'] });
const large = wheel({ name: 'demo', version: '2.0', sizeBytes: 3_000_000 });

/** An index that offers no metadata of its own. */
async function world(t: TestContext, extractMetadata = true) {
  const config = extractMetadata ? { extractMetadata } : {};
  const { proxy, upstream, clock } = await severalIndexes(t, { main: { config } });
  const index = upstream('main');
  for (const file of [demo, large]) index.addListed('demo', file, { coreMetadata: false });
  index.fault(/\.metadata$/, status(404));
  const page = async () => {
    const answer = await get(`${proxy.url}/simple/demo/`, JSON_PAGE);
    return (answer.json() as { files: { filename: string; url: string; 'core-metadata'?: unknown }[] }).files;
  };
  const linkTo = async (filename: string) =>
    new URL((await page()).find((file) => file.filename === filename)!.url, `${proxy.url}/simple/demo/`).href;
  return { proxy, index, clock, page, linkTo };
}

test('wheels announce metadata, and it is what is packed in them', async (t) => {
  const { proxy, index, page, linkTo } = await world(t);
  assert.deepEqual(
    (await page()).map((file) => file['core-metadata']),
    [true, true],
  );
  assert.match(
    (await get(`${proxy.url}/simple/demo/`)).text(),
    /data-core-metadata="true" data-dist-info-metadata="true"/,
  );
  for (const file of [demo, large]) {
    const link = await linkTo(file.filename);
    const answer = await get(`${link}.metadata`);
    assert.deepEqual([answer.status, answer.sha256], [200, file.metadataSha256]);
    assert.equal(answer.field('etag'), `"${file.metadataSha256}"`);
    const head = await fetchAll(`${link}.metadata`, { method: 'HEAD' });
    assert.equal(head.field('content-length'), String(file.metadata.length));
    assert.equal((await get(link)).sha256, file.sha256);
    assert.equal(index.requests(index.pathOf(file)), 1, 'the wheel was fetched once for both');
  }
  assert.equal(index.requests(/\.metadata$/), 0);
});

test('in an outage it is served, also when only the wheel is here', async (t) => {
  const { index, clock, linkTo } = await world(t);
  const link = await linkTo(demo.filename);
  await get(link);
  await index.down();
  clock.advance(120_000);
  assert.equal((await get(`${link}.metadata`)).sha256, demo.metadataSha256);
  clock.advance(86_400_000);
  assert.equal((await get(`${link}.metadata`)).sha256, demo.metadataSha256);
});

test('off by default: nothing is announced and nothing served', async (t) => {
  const { page, linkTo } = await world(t, false);
  assert.deepEqual(
    (await page()).map((file) => file['core-metadata']),
    [false, false],
  );
  assert.equal((await get(`${await linkTo(demo.filename)}.metadata`)).status, 404);
});

test('what upstream offers stays as it is, and files that are no wheel or have no hash announce nothing', async (t) => {
  const { index, clock, page, linkTo } = await world(t);
  index.add('demo', wheel({ name: 'demo', version: '3.0' }));
  index.addListed('demo', sdist({ name: 'demo', version: '4.0' }), {});
  index.addListed('demo', wheel({ name: 'demo', version: '5.0' }), { coreMetadata: false, hashes: {} });
  clock.advance(61_000);
  const claims = (await page()).map((file) => file['core-metadata']);
  assert.deepEqual([claims[3], claims[4]], [false, false]);
  assert.deepEqual(claims[2], { sha256: wheel({ name: 'demo', version: '3.0' }).metadataSha256 });
  assert.equal((await get(`${await linkTo('demo-4.0.tar.gz')}.metadata`)).status, 404);
});

test('a wheel with wrong bytes or without METADATA gives an error, never some metadata', async (t) => {
  const { index, clock, linkTo } = await world(t);
  index.fault(index.pathOf(demo), wrongByte(100));
  assert.equal((await get(`${await linkTo(demo.filename)}.metadata`)).status, 502);
  const bytes = Buffer.from('no zip file at all');
  const { createHash } = await import('node:crypto');
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const odd = { ...demo, filename: 'demo-6.0-py3-none-any.whl', version: '6.0', bytes, sha256 };
  index.addListed('demo', odd, { coreMetadata: false });
  clock.advance(61_000);
  assert.equal((await get(`${await linkTo(odd.filename)}.metadata`)).status, 502);
});

test('of two indexes with the same upstream each shows metadata as it is configured', async (t) => {
  const several = await severalIndexes(t, { main: {} });
  several.upstream('main').addListed('demo', demo, { coreMetadata: false });
  const shared = { upstreams: [{ url: several.upstream('main').url }], missingStatuses: [], pageOrigins: [] };
  const plain = { ...shared, name: 'plain', accept: 'any' } as const;
  await several.restart({
    indexes: [plain, { ...plain, name: 'extracting', extractMetadata: true }],
    defaultIndexes: ['plain'],
  });
  for (const [index, expected] of [
    ['plain', false],
    ['extracting', true],
    ['plain', false],
  ] as const) {
    const answer = await get(`${several.proxy.url}/${index}/simple/demo/`, JSON_PAGE);
    const [file] = (answer.json() as { files: { 'core-metadata': unknown }[] }).files;
    assert.equal(file!['core-metadata'], expected, index);
  }
});
