// Core metadata that the index does not offer, cut out of its wheels where the operator asked for it.

import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { fieldValue, withoutFields } from '../../src/core/http-message.ts';
import { fetchAll, get } from '../support/proxy/http-client.ts';
import { severalIndexes } from '../support/proxy/several-indexes.ts';
import { type ArchiveMember, zip } from '../support/upstream/archives.ts';
import type { FakeIndex } from '../support/upstream/fake-index.ts';
import type { Fault } from '../support/upstream/fault-plan.ts';
import { alter, gzipped, status, withAnswerField, wrongByte } from '../support/upstream/faults.ts';
import { type Distribution, sdist, wheel } from '../support/upstream/wheels.ts';

const JSON_PAGE = { accept: 'application/vnd.pypi.simple.v1+json' };
const demo = wheel({ name: 'demo', version: '1.0', requires: ['other>=1'] });
/** Does not shrink. */
const FILLER = randomBytes(600_000);
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

/** The ranges in which the wheel was asked for. */
function requestsFor(index: FakeIndex, file: Distribution): string[] {
  const path = index.pathOf(file);
  return index.log.entries.filter((one) => one.path === path).map((one) => fieldValue(one.fields, 'range') ?? 'whole');
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
    const [asked, ...others] = requestsFor(index, file);
    assert.ok(
      others.length === 0 && asked!.endsWith(`-${file.bytes.length - 1}`),
      'only the end of the wheel was read',
    );
    assert.equal((await get(link)).sha256, file.sha256);
    assert.deepEqual(requestsFor(index, file), [asked, 'whole']);
    // Proven now, and without another request.
    assert.equal((await get(`${link}.metadata`)).sha256, file.metadataSha256);
    assert.deepEqual(requestsFor(index, file), [asked, 'whole']);
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
  const { index, clock, page, linkTo } = await world(t);
  index.fault(index.pathOf(demo), wrongByte(100));
  assert.equal((await get(`${await linkTo(demo.filename)}.metadata`)).status, 502);
  const bytes = Buffer.from('no zip file at all');
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const odd = { ...demo, filename: 'demo-6.0-py3-none-any.whl', version: '6.0', bytes, sha256 };
  index.addListed('demo', odd, { coreMetadata: false });
  clock.advance(61_000);
  assert.equal((await get(`${await linkTo(odd.filename)}.metadata`)).status, 502);
  // What turned out not to be there is claimed no more: installers take the wheel.
  const claims = (await page()).map((file) => [file.filename, file['core-metadata']]);
  assert.deepEqual(claims.at(-1), [odd.filename, false]);
});

/** Ways in which parts of a file are not to be had, or not to be believed: then the whole wheel is taken. */
const ODD_RANGES: Readonly<Record<string, Fault>> = {
  'ignores Range': alter(({ fields }) => ({
    status: 200,
    fields: withoutFields(fields, new Set(['content-range'])),
    body: large.bytes,
  })),
  'refuses ranges': status(416),
  'knows no ranges': status(501),
  'tells another size': withAnswerField('content-range', `bytes 0-1/${large.bytes.length + 1}`),
  'tells no range': alter(({ fields }) => ({ fields: withoutFields(fields, new Set(['content-range'])) })),
  'sends another part': withAnswerField('content-range', `bytes 0-65556/${large.bytes.length}`),
  'sends less': alter(({ body }) => ({ body: body.subarray(1) })),
  'codes the part': gzipped(),
  'sends bytes of no wheel': alter(({ body }) => ({ body: Buffer.alloc(body.length) })),
};

for (const [what, fault] of Object.entries(ODD_RANGES)) {
  test(`an upstream that ${what} costs the whole wheel, once, and the metadata is right`, async (t) => {
    const { index, linkTo } = await world(t);
    const link = await linkTo(large.filename);
    index.fault(index.pathOf(large), onParts(fault));
    assert.equal((await get(`${link}.metadata`)).sha256, large.metadataSha256);
    assert.equal((await get(link)).sha256, large.sha256);
    assert.deepEqual(
      requestsFor(index, large).map((range) => (range === 'whole' ? range : 'part')),
      ['part', 'whole'],
    );
  });
}

test('metadata at the other end of a wheel is read with If-Range, and not from a file that is another one by then', async (t) => {
  const { index, clock, linkTo } = await world(t);
  const front = atTheFront();
  index.addListed('demo', front, { coreMetadata: false });
  clock.advance(61_000);
  const link = await linkTo(front.filename);
  assert.equal((await get(`${link}.metadata`)).sha256, front.metadataSha256);
  const [tail, head, ...others] = index.log.entries.filter(({ path }) => path === index.pathOf(front));
  assert.match(fieldValue(tail!.fields, 'range')!, /^bytes=\d{7}-\d{7}$/);
  assert.match(fieldValue(head!.fields, 'range')!, /^bytes=0-\d{5}$/);
  assert.deepEqual([fieldValue(tail!.fields, 'if-range'), others.length], [undefined, 0]);
  assert.equal(fieldValue(head!.fields, 'if-range'), `"${front.sha256.slice(0, 32)}"`);

  const changing = { ...front, filename: 'demo-8.0-py3-none-any.whl', version: '8.0' };
  index.addListed('demo', changing, { coreMetadata: false });
  clock.advance(61_000);
  let parts = 0;
  const another: Fault = (exchange) => {
    parts += 1;
    return withAnswerField('etag', `"${parts}"`)(exchange);
  };
  index.fault(index.pathOf(changing), onParts(another));
  assert.equal((await get(`${await linkTo(changing.filename)}.metadata`)).sha256, front.metadataSha256);
  assert.equal(requestsFor(index, changing).at(-1), 'whole');
});

test('where the page tells no size the first byte tells it', async (t) => {
  const { index, clock, linkTo } = await world(t);
  const unsized = wheel({ name: 'demo', version: '9.0', sizeBytes: 200_000 });
  index.addListed('demo', unsized, { coreMetadata: false, size: -1 });
  clock.advance(61_000);
  assert.equal((await get(`${await linkTo(unsized.filename)}.metadata`)).sha256, unsized.metadataSha256);
  assert.deepEqual(requestsFor(index, unsized), [
    'bytes=0-0',
    `bytes=${unsized.bytes.length - 65_557}-${unsized.bytes.length - 1}`,
  ]);
});

test('metadata that was forged in the parts is replaced by that of the wheel as soon as it is here, with an alarm', async (t) => {
  const { proxy, index, clock, linkTo } = await world(t);
  const right = uncompressed('3.0', wheel({ name: 'demo', version: '3.0', requires: ['good'] }).metadata);
  const forged = uncompressed('3.0', wheel({ name: 'demo', version: '3.0', requires: ['evil'] }).metadata);
  index.addListed('demo', right, { coreMetadata: false });
  clock.advance(61_000);
  const link = await linkTo(right.filename);
  const forgery: Fault = alter(({ fields }) => {
    const [, first, last] = /^bytes (\d+)-(\d+)/.exec(fieldValue(fields, 'content-range')!)!;
    return { body: forged.bytes.subarray(Number(first), Number(last) + 1) };
  });
  index.fault(index.pathOf(right), onParts(forgery));
  const alarms = async () => (await proxy.metrics())['wheelkeep_integrity_failures_total{kind="wrong-metadata"}'] ?? 0;
  assert.equal((await get(`${link}.metadata`)).sha256, forged.metadataSha256);
  assert.equal((await get(link)).sha256, right.sha256);
  assert.equal((await get(`${link}.metadata`)).sha256, right.metadataSha256);
  assert.equal((await get(`${link}.metadata`)).sha256, right.metadataSha256);
  assert.equal(await alarms(), 1);
});

/** The fault in answers to requests with Range, the truth in all others. */
function onParts(fault: Fault): Fault {
  return (exchange) => {
    if (fieldValue(exchange.request.fields, 'range') === undefined) return exchange.send(exchange.answer);
    return fault(exchange);
  };
}

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

/** A wheel whose metadata lies before everything else. */
function atTheFront(): Distribution {
  const { metadata } = wheel({ name: 'demo', version: '7.0' });
  return packed('7.0', metadata, (info, filler) => [info, filler('1'), filler('2')]);
}

/** A wheel whose size depends on the length of its metadata alone. */
function uncompressed(version: string, metadata: Buffer): Distribution {
  return packed(version, metadata, (info, filler) => [filler('1'), { ...info, stored: true }]);
}

function packed(
  version: string,
  metadata: Buffer,
  members: (info: ArchiveMember, filler: (name: string) => ArchiveMember) => readonly ArchiveMember[],
): Distribution {
  const info = { path: `demo-${version}.dist-info/METADATA`, bytes: metadata };
  const bytes = zip(members(info, (name) => ({ path: `demo/${name}.bin`, bytes: FILLER, stored: true })));
  const [sha256, metadataSha256] = [bytes, metadata].map((one) => createHash('sha256').update(one).digest('hex'));
  const filename = `demo-${version}-py3-none-any.whl`;
  return { ...demo, filename, version, bytes, sha256: sha256!, metadata, metadataSha256: metadataSha256! };
}
