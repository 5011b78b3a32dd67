// Ranges, HEAD and conditions on files (RFC 9110 13, 14), whether stored, arriving or not fetched at all. A part is
// made of verified bytes only.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { until } from '../support/clock/until.ts';
import { storedBlobs } from '../support/disk/stored-files.ts';
import { type FileWorld, type FileWorldOptions, fileWorld, LARGE, SMALL } from '../support/proxy/file-world.ts';
import { fetchAll, get } from '../support/proxy/http-client.ts';
import * as faults from '../support/upstream/faults.ts';

/** Where the file is when the range is asked for. */
const STATES: Readonly<Record<string, (test: TestContext) => Promise<FileWorld>>> = {
  'a small file in memory': (t) => stored(t, { sizeBytes: SMALL }),
  'a stored file': (t) => stored(t, { sizeBytes: LARGE }),
  'a stored file after a restart': async (t) => {
    const world = await stored(t, { sizeBytes: LARGE });
    await world.restart();
    return world;
  },
  'a file that is arriving': async (t) => {
    const world = await fileWorld(t, { sizeBytes: LARGE });
    world.index.fault(world.path, faults.rate(20_000_000));
    const leader = get(world.url);
    t.after(() => leader);
    await world.index.waitForRequest(world.path);
    return world;
  },
  'a small cold file': (t) => fileWorld(t, { sizeBytes: SMALL }),
  'a large cold file': (t) => fileWorld(t, { sizeBytes: LARGE }),
};

async function stored(t: TestContext, options: FileWorldOptions): Promise<FileWorld> {
  const world = await fileWorld(t, options);
  assert.equal((await get(world.url)).sha256, world.file.sha256);
  await until(async () => (await storedBlobs(world.proxy.dataDir)).length === 1);
  return world;
}

for (const [state, prepare] of Object.entries(STATES)) {
  test(`ranges of ${state} are answered as RFC 9110 says`, async (t) => {
    const { url, file, index, path } = await prepare(t);
    const { bytes, sha256 } = file;
    const size = bytes.length;
    const parts: [field: string, first: number, last: number][] = [
      ['bytes=0-0', 0, 0],
      ['bytes=100-299', 100, 299],
      ['bytes=70000-', 70_000, size - 1],
      ['bytes=-1000', size - 1000, size - 1],
      [`bytes=-${size + 5}`, 0, size - 1],
      [`bytes=5-${size + 5}`, 5, size - 1],
      [`bytes=${size - 1}-`, size - 1, size - 1],
    ];
    for (const [range, first, last] of parts) {
      const part = await get(url, { range });
      assert.equal(part.status, 206, range);
      assert.equal(part.field('content-range'), `bytes ${first}-${last}/${size}`);
      assert.ok(part.body.equals(bytes.subarray(first, last + 1)), range);
      assert.equal(part.field('etag'), `"${sha256}"`);
    }
    for (const range of ['bytes=0-1,5-9', 'bytes=9-5', 'bytes=-', 'bytes=x-', 'lines=0-5', '0-5']) {
      const whole = await get(url, { range });
      assert.deepEqual([whole.status, whole.sha256], [200, sha256], range);
    }
    for (const range of [`bytes=${size}-`, `bytes=${size + 10}-${size + 20}`, 'bytes=-0']) {
      const none = await get(url, { range });
      assert.deepEqual([none.status, none.field('content-range'), none.sizeBytes], [416, `bytes */${size}`, 0], range);
    }
    assert.equal((await get(url, { range: 'bytes=5-9', 'if-range': `"${sha256}"` })).status, 206);
    for (const tag of ['"other"', `W/"${sha256}"`, '"flight-gone"', 'Fri, 02 Jan 2026 03:04:05 GMT']) {
      const whole = await get(url, { range: 'bytes=5-9', 'if-range': tag });
      assert.deepEqual([whole.status, whole.sha256], [200, sha256], tag);
    }
    assert.equal(index.requests(path), 1);
  });
}

test('a range of an arriving file that turns out wrong is an error, never a part of it', async (t) => {
  const { index, url, path } = await fileWorld(t, { sizeBytes: LARGE });
  index.fault(path, faults.wrongByte(-1));
  const answer = await get(url, { range: 'bytes=0-99' });
  assert.equal(answer.status, 502);
});

for (const sizeBytes of [SMALL, LARGE]) {
  test(`HEAD of a cold file of ${sizeBytes} bytes tells what its page says and fetches nothing`, async (t) => {
    const { index, url, file, path } = await fileWorld(t, { sizeBytes });
    const head = await fetchAll(url, { method: 'HEAD' });
    assert.equal(head.status, 200);
    assert.equal(head.field('content-length'), String(file.bytes.length));
    assert.equal(head.field('accept-ranges'), 'bytes');
    assert.equal(head.field('etag'), `"${file.sha256}"`);
    assert.equal(index.requests(path), 0);
  });
}

test('HEAD of a cold file whose page tells no size asks upstream, without the body', async (t) => {
  const { index, url, file, path } = await fileWorld(t, { sizeBytes: LARGE, index: { formats: 'html-only' } });
  const head = await fetchAll(url, { method: 'HEAD' });
  assert.deepEqual([head.status, head.field('content-length')], [200, String(file.bytes.length)]);
  assert.deepEqual(
    index.log.entries.filter((entry) => entry.path === path).map(({ method }) => method),
    ['HEAD'],
  );
});

test('HEAD of a stored file has the fields of GET and no body', async (t) => {
  const { url } = await stored(t, { sizeBytes: LARGE });
  const [head, whole] = [await fetchAll(url, { method: 'HEAD' }), await get(url)];
  assert.equal(head.sizeBytes, 0);
  for (const name of ['content-length', 'etag', 'accept-ranges', 'content-type', 'cache-control', 'last-modified']) {
    assert.equal(head.field(name), whole.field(name), name);
    assert.notEqual(head.field(name), undefined, name);
  }
  const ranged = await fetchAll(url, { method: 'HEAD', fields: { range: 'bytes=0-5' } });
  assert.deepEqual([ranged.status, ranged.field('content-length')], [200, whole.field('content-length')]);
});

test('conditions on a stored file: 304 for its tag, a list, any, and a date that is late enough', async (t) => {
  const { url, file } = await stored(t, { sizeBytes: SMALL });
  const tag = `"${file.sha256}"`;
  for (const known of [tag, `"x", ${tag}`, `W/${tag}`, '*']) {
    const answer = await get(url, { 'if-none-match': known });
    assert.deepEqual([answer.status, answer.sizeBytes, answer.field('etag')], [304, 0, tag], known);
  }
  assert.equal((await get(url, { 'if-none-match': '"other"' })).status, 200);
  const modified = (await get(url)).field('last-modified')!;
  assert.equal((await get(url, { 'if-modified-since': modified })).status, 304);
  assert.equal((await get(url, { 'if-modified-since': 'Thu, 01 Jan 2026 00:00:00 GMT' })).status, 200);
  assert.equal((await get(url, { 'if-none-match': '"other"', 'if-modified-since': modified })).status, 200);
});
