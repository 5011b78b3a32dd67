import assert from 'node:assert/strict';
import { it } from 'node:test';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { digestOf } from '../../src/core/digest.ts';
import { fieldValue } from '../../src/core/http-message.ts';
import { RenderedPages } from '../../src/index/rendered-pages.ts';
import type { Entry } from '../../src/store/entries/entry.ts';

function entry(body: string, part: Partial<Entry> = {}): Entry {
  return {
    status: 200,
    fields: [],
    url: 'https://index.example/simple/foo/',
    requestTime: 0,
    responseTime: 0,
    varying: [],
    source: 'test',
    body: { digest: digestOf(body), sizeBytes: body.length, verified: true },
    facts: { files: 1, apiVersion: '1.0', serial: 7 },
    ...part,
  };
}

/** A renderer that counts how often it works. */
function renderer(bytes: string | Buffer) {
  const counter = { renders: 0 };
  const render = async () => {
    counter.renders += 1;
    return Buffer.from(bytes);
  };
  return { counter, render };
}

const PAGE = 'a page '.repeat(1_000);

it('a page is rendered once for all codings and all who ask at the same time', async () => {
  const pages = new RenderedPages({ maxBytes: 1e6 });
  const { counter, render } = renderer(PAGE);
  const codings = ['identity', 'gzip', 'zstd', 'gzip', 'identity'] as const;
  const made = await Promise.all(codings.map((coding) => pages.get(entry('x'), 'json', coding, render)));
  assert.equal(counter.renders, 1);
  assert.equal(made[0]!.bytes.toString(), PAGE);
  assert.equal(gunzipSync(made[1]!.bytes).toString(), PAGE);
  assert.equal(zstdDecompressSync(made[2]!.bytes).toString(), PAGE);
  assert.equal(made[1], made[3]);
  assert.equal(new Set(made.map(({ etag }) => etag)).size, 3);
});

it('of a small page what was asked for is kept alone; of a large one also the uncoded bytes, for other codings', async () => {
  const pages = new RenderedPages({ maxBytes: 1e6 });
  const small = renderer(PAGE);
  await pages.get(entry('small'), 'json', 'gzip', small.render);
  assert.equal(pages.peek(entry('small'), 'json', 'identity'), undefined);
  const other = await pages.get(entry('small'), 'json', 'zstd', small.render);
  assert.equal(zstdDecompressSync(other.bytes).toString(), PAGE);
  await pages.get(entry('small'), 'json', 'identity', small.render);
  assert.equal(pages.peek(entry('small'), 'json', 'identity')?.bytes.toString(), PAGE);

  const large = renderer(PAGE.repeat(20));
  for (const coding of ['gzip', 'zstd', 'identity'] as const)
    await pages.get(entry('large'), 'json', coding, large.render);
  assert.equal(large.counter.renders, 1);
});

it('a page is ready for an entry that was validated anew, and made anew for another body, URL or format', async () => {
  const pages = new RenderedPages({ maxBytes: 1e6 });
  const first = await pages.get(entry('x'), 'json', 'identity', renderer(PAGE).render);
  assert.equal(pages.peek(entry('x', { responseTime: 60_000 }), 'json', 'identity'), first);
  for (const other of [entry('y'), entry('x', { url: 'https://index.example/elsewhere/foo/' })]) {
    assert.equal(pages.peek(other, 'json', 'identity'), undefined);
  }
  assert.equal(pages.peek(entry('x'), 'html', 'identity'), undefined);
  assert.equal(pages.peek(entry('x'), 'json', 'gzip'), undefined);
});

it('the tag is strong and depends on bytes, format and coding alone, so that it outlives a restart', async () => {
  const tag = async (bytes: string, format: 'json' | 'html' | 'v1-html', body = 'x') => {
    const pages = new RenderedPages({ maxBytes: 1e6 });
    return (await pages.get(entry(body), format, 'identity', renderer(bytes).render)).etag;
  };
  const first = await tag(PAGE, 'html');
  assert.match(first, /^"[0-9a-f]{32}"$/);
  assert.equal(await tag(PAGE, 'html', 'another body of the same page'), first);
  assert.notEqual(await tag(PAGE, 'v1-html'), first);
  assert.notEqual(await tag(`${PAGE}!`, 'html'), first);
});

it('the fields say type, length, coding, tag, serial and what the answer depends on; those of a 304 fewer', async () => {
  const pages = new RenderedPages({ maxBytes: 1e6 });
  const page = await pages.get(entry('x'), 'json', 'gzip', renderer(PAGE).render);
  const said = (name: string) => fieldValue(page.fields, name);
  assert.equal(said('content-type'), 'application/vnd.pypi.simple.v1+json');
  assert.equal(said('content-length'), String(page.bytes.length));
  assert.equal(said('content-encoding'), 'gzip');
  assert.equal(said('vary'), 'Accept, Accept-Encoding');
  assert.equal(said('x-pypi-last-serial'), '7');
  assert.equal(said('x-content-type-options'), 'nosniff');
  const expected = ['etag', page.etag, 'vary', 'Accept, Accept-Encoding', 'x-pypi-last-serial', '7'];
  assert.deepEqual(page.notModifiedFields, expected);
  const bare = await pages.get(entry('y', { facts: null }), 'html', 'identity', renderer(PAGE).render);
  for (const name of ['content-encoding', 'x-pypi-last-serial']) assert.equal(fieldValue(bare.fields, name), undefined);
});

it('a rendering that failed is tried again by the next who asks', async () => {
  const pages = new RenderedPages({ maxBytes: 1e6 });
  const failing = () => Promise.reject(new Error('no page'));
  for (const coding of ['identity', 'gzip'] as const) {
    await assert.rejects(pages.get(entry('x'), 'json', coding, failing), { message: 'no page' });
  }
  assert.equal((await pages.get(entry('x'), 'json', 'gzip', renderer(PAGE).render)).bytes.length > 0, true);
});

it('the budget holds, the page asked for last stays, and one larger than the budget is made all the same', async () => {
  const pages = new RenderedPages({ maxBytes: 50_000 });
  for (let i = 0; i < 100; i += 1) {
    await pages.get(entry(`body ${i}`), 'json', 'identity', renderer(Buffer.alloc(5_000, i)).render);
  }
  assert.ok(pages.bytes <= 50_000, `${pages.bytes} bytes`);
  assert.ok(pages.peek(entry('body 99'), 'json', 'identity') !== undefined);
  assert.equal(pages.peek(entry('body 0'), 'json', 'identity'), undefined);
  const large = await pages.get(entry('large'), 'json', 'identity', renderer(Buffer.alloc(200_000)).render);
  assert.equal(large.bytes.length, 200_000);
});

it('a very large page is kept packed; its tags and codings are those of its bytes', async () => {
  const large = Buffer.from(JSON.stringify(Array.from({ length: 900_000 }, (_, i) => `name-${i}`)));
  const pages = new RenderedPages({ maxBytes: 1e8 });
  const { counter, render } = renderer(large);
  const plain = await pages.get(entry('large'), 'json', 'identity', render);
  assert.equal(plain.packed, true);
  assert.ok(plain.bytes.length < large.length / 2 && pages.bytes < large.length / 2);
  assert.deepEqual(zstdDecompressSync(plain.bytes), large);
  assert.ok(plain.fields.includes(String(large.length)));
  const gzipped = await pages.get(entry('large'), 'json', 'gzip', render);
  assert.deepEqual([gzipped.packed, gunzipSync(gzipped.bytes).equals(large)], [false, true]);
  assert.ok(gzipped.fields.includes(String(gzipped.bytes.length)));
  const zstd = await pages.get(entry('large'), 'json', 'zstd', render);
  assert.deepEqual([zstd.packed, zstd.bytes.equals(plain.bytes)], [false, true]);
  assert.equal(new Set([plain.etag, gzipped.etag, zstd.etag]).size, 3);
  assert.equal(counter.renders, 1);
});
