// `pass_ranges`: a part of a file that is not here yet comes straight from upstream, says that nobody verified it, and
// leaves nothing behind. Whatever is odd, and whatever must be verified, is answered from the whole file as ever.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { fieldValue, withField, withoutFields } from '../../src/core/http-message.ts';
import { until } from '../support/clock/until.ts';
import { storedBlobs } from '../support/disk/stored-files.ts';
import { type FileWorld, type FileWorldOptions, fileWorld, LARGE, SMALL } from '../support/proxy/file-world.ts';
import { fetchAll, get } from '../support/proxy/http-client.ts';
import type { Fault } from '../support/upstream/fault-plan.ts';
import * as faults from '../support/upstream/faults.ts';
import { wheel } from '../support/upstream/wheels.ts';

function world(t: TestContext, options: FileWorldOptions = {}): Promise<FileWorld> {
  return fileWorld(t, { sizeBytes: LARGE, indexConfig: { passRanges: true }, ...options });
}

/** How the file was asked for. */
function asked({ index, path }: FileWorld): string[] {
  return index.log.entries.filter((one) => one.path === path).map((one) => fieldValue(one.fields, 'range') ?? 'whole');
}

for (const listed of ['with its size', 'without its size']) {
  test(`parts of a cold file that is listed ${listed} are passed on, unverified and not stored`, async (t) => {
    const cold = await world(t, listed === 'with its size' ? {} : { index: { formats: 'html-only' } });
    const { url, file, proxy } = cold;
    const size = file.bytes.length;
    const parts: [field: string, first: number, last: number][] = [
      ['bytes=0-0', 0, 0],
      ['bytes=100-2000099', 100, 2_000_099],
      ['bytes=70000-', 70_000, size - 1],
      ['bytes=-1000', size - 1000, size - 1],
      [`bytes=5-${size + 5}`, 5, size - 1],
    ];
    for (const [range, first, last] of parts) {
      const part = await get(url, { range });
      assert.equal(part.status, 206, range);
      assert.equal(part.field('content-range'), `bytes ${first}-${last}/${size}`);
      assert.equal(part.field('content-length'), String(last - first + 1));
      assert.ok(part.body.equals(file.bytes.subarray(first, last + 1)), range);
      for (const name of ['etag', 'last-modified', 'age']) assert.equal(part.field(name), undefined, name);
      assert.equal(part.field('cache-control'), 'no-store');
      assert.equal(part.field('cache-status'), 'wheelkeep; fwd=bypass; detail=unverified-part');
    }
    assert.deepEqual(
      asked(cold),
      parts.map(([range]) => range),
    );
    assert.ok(!(await storedBlobs(proxy.dataDir)).some((place) => place.endsWith(file.sha256)));
    // The whole file is fetched as ever, and its parts are verified ones from then on.
    assert.equal((await get(url)).sha256, file.sha256);
    await until(async () => (await storedBlobs(proxy.dataDir)).some((place) => place.endsWith(file.sha256)));
    const verified = await get(url, { range: 'bytes=0-9' });
    assert.deepEqual([verified.status, verified.field('etag')], [206, `"${file.sha256}"`]);
    assert.equal(asked(cold).length, parts.length + 1);
  });
}

test('without the option a range of a cold file is made of verified bytes', async (t) => {
  const cold = await world(t, { indexConfig: {} });
  const part = await get(cold.url, { range: 'bytes=0-9' });
  assert.deepEqual([part.status, part.field('etag')], [206, `"${cold.file.sha256}"`]);
  assert.deepEqual(asked(cold), ['whole']);
});

test('what would be joined to verified bytes, several ranges, HEAD and companions are not passed on', async (t) => {
  const requests: [fields: Record<string, string>, status: number][] = [
    [{ range: 'bytes=0-1,5-9' }, 200],
    [{ range: 'bytes=9-5' }, 200],
    [{ range: `bytes=${2 * LARGE}-` }, 416],
    [{ range: 'bytes=5-9', 'if-range': '"other"' }, 200],
  ];
  for (const [fields, status] of requests) {
    const cold = await world(t);
    assert.equal((await get(cold.url, fields)).status, status);
    assert.deepEqual(asked(cold), ['whole'], JSON.stringify(fields));
  }
  const cold = await world(t);
  const tag = `"${cold.file.sha256}"`;
  const joined = await get(cold.url, { range: 'bytes=5-9', 'if-range': tag });
  assert.deepEqual([joined.status, joined.field('etag')], [206, tag]);
  assert.deepEqual(asked(cold), ['whole']);

  const other = await world(t);
  const head = await fetchAll(other.url, { method: 'HEAD', fields: { range: 'bytes=0-9' } });
  assert.deepEqual([head.status, head.field('content-length')], [200, String(other.file.bytes.length)]);
  const metadata = await get(`${other.url}.metadata`, { range: 'bytes=0-9' });
  assert.deepEqual([metadata.status, metadata.field('etag')], [206, `"${other.file.metadataSha256}"`]);
  assert.deepEqual(asked(other), []);
});

test('a range that the fetch under way has passed waits for the verified file; one ahead of it does not', async (t) => {
  const cold = await world(t);
  const { index, url, path, file } = cold;
  index.fault(path, ({ request, answer, socket, send }) =>
    fieldValue(request.fields, 'range') === undefined
      ? faults.rate(4_000_000)({ request, answer, socket, send } as Parameters<Fault>[0])
      : send(answer),
  );
  const leader = get(url);
  await index.waitForRequest(path);
  const ahead = await get(url, { range: 'bytes=-10' });
  assert.deepEqual([ahead.status, ahead.field('etag')], [206, undefined]);
  await fetchAll(url, { abortAfterBytes: 10 });
  const behind = await get(url, { range: 'bytes=0-9' });
  assert.deepEqual([behind.status, behind.field('etag')], [206, `"${file.sha256}"`]);
  assert.equal((await leader).sha256, file.sha256);
  assert.deepEqual(asked(cold), ['whole', 'bytes=-10']);
});

test('many clients that want the same part at once cost upstream four parts and the file, not a request each', async (t) => {
  const cold = await world(t);
  const { index, url, path, file } = cold;
  const parts: (() => void)[] = [];
  index.fault(path, ({ request, answer, send }) => {
    if (fieldValue(request.fields, 'range') === undefined) return send(answer);
    const { promise, resolve } = Promise.withResolvers<void>();
    parts.push(resolve);
    return promise.then(() => send(answer));
  });
  const clients = Array.from({ length: 20 }, () => get(url, { range: 'bytes=-1000' }));
  // Those who wait for the file have it while the passed parts are still under way.
  const verified = await settledOf(clients, 16);
  for (const { status, body } of verified) {
    assert.equal(status, 206);
    assert.ok(body.equals(file.bytes.subarray(-1000)));
  }
  for (const send of parts) send();
  for (const { status, body } of await Promise.all(clients)) {
    assert.equal(status, 206);
    assert.ok(body.equals(file.bytes.subarray(-1000)));
  }
  assert.deepEqual(asked(cold).toSorted(), [...Array(4).fill('bytes=-1000'), 'whole']);
  assert.equal((await get(url)).sha256, file.sha256);
});

/** The first `count` of the promises' values, in the order of their coming. */
function settledOf<T>(promises: readonly Promise<T>[], count: number): Promise<T[]> {
  const values: T[] = [];
  return new Promise((resolve, reject) => {
    for (const promise of promises) {
      promise.then((value) => {
        if (values.push(value) === count) resolve(values);
      }, reject);
    }
  });
}

/** Upstream's answer to a range, changed. */
function oddPart(change: Parameters<typeof faults.alter>[0]): Fault {
  return faults.alter((answer) => (answer.status === 206 ? change(answer) : {}));
}

const range = (value: string) => oddPart(({ fields }) => ({ fields: withField(fields, 'content-range', value) }));

test('an upstream without ranges, one that fails and one that gives another part cost a range nothing but time', async (t) => {
  for (const sizeBytes of [SMALL, LARGE]) {
    const cold = await world(t, { sizeBytes });
    const { bytes, sha256 } = cold.file;
    const size = bytes.length;
    const odd: Record<string, Fault> = {
      'ignores ranges': oddPart(({ fields }) => ({
        status: 200,
        fields: withoutFields(fields, new Set(['content-range'])),
        body: bytes,
      })),
      'another part': range(`bytes 6-10/${size}`),
      'a shorter part': range(`bytes 5-8/${size}`),
      'another size': range(`bytes 5-9/${size + 1}`),
      'no size': range('bytes 5-9/*'),
      'no part': oddPart(({ fields }) => ({ fields: withoutFields(fields, new Set(['content-range'])) })),
      'several parts': oddPart(({ fields }) => ({
        fields: withField(
          withoutFields(fields, new Set(['content-range'])),
          'content-type',
          'multipart/byteranges; boundary=x',
        ),
      })),
      'another length': oddPart(({ body }) => ({ body: Buffer.concat([body, body]) })),
      'a coding': oddPart(({ fields }) => ({ fields: withField(fields, 'content-encoding', 'gzip') })),
      'a refusal': oddPart(() => ({
        status: 416,
        fields: ['content-range', `bytes */${size}`],
        body: Buffer.alloc(0),
      })),
      'a failure': oddPart(() => ({ status: 500, fields: [], body: Buffer.alloc(0) })),
    };
    for (const [name, fault] of Object.entries(odd)) {
      const { index, url, path } = await world(t, { sizeBytes });
      index.fault(path, fault);
      const part = await get(url, { range: 'bytes=5-9' });
      assert.equal(part.status, 206, name);
      assert.ok(part.body.equals(bytes.subarray(5, 10)), name);
      assert.equal(part.field('etag'), `"${sha256}"`, name);
    }
  }
});

test('a part that ends early or goes on too long is a broken answer, never a complete one', async (t) => {
  for (const fault of [faults.truncated(500_000), faults.unfinishedChunks(500_000), faults.closeDelimited(500_000)]) {
    const { index, url, path } = await world(t);
    index.fault(path, fault);
    assert.equal((await get(url, { range: 'bytes=0-999999' })).complete, false);
  }
  const { index, url, path } = await world(t);
  index.fault(path, ({ answer, socket }) => {
    const fields = `content-range: ${fieldValue(answer.fields, 'content-range')}\r\nconnection: close`;
    socket.end(
      Buffer.concat([Buffer.from(`HTTP/1.1 206 Part\r\n${fields}\r\n\r\n`), answer.body, Buffer.alloc(900_000)]),
    );
  });
  assert.equal((await get(url, { range: 'bytes=0-999999' })).complete, false);
});

test('of a file that is kept as it was no part is passed on: upstream has another one there', async (t) => {
  const clock = { ms: Date.now() };
  const cold = await world(t, { now: () => clock.ms });
  const { index, url, path, file, proxy } = cold;
  await get(`${proxy.url}/simple/demo/`);
  const other = wheel({ name: 'demo', version: '1.0', sizeBytes: LARGE, files: { 'other.py': 'x' } });
  index.remove('demo', file.filename);
  index.addListed('demo', other, { url: `../..${path}` });
  index.fault(path, faults.replacedBody(other.bytes));
  clock.ms += 61_000;
  await get(`${proxy.url}/simple/demo/`);
  const part = await get(url, { range: 'bytes=100-199' });
  assert.equal(part.status, 502);
  assert.ok(!asked(cold).includes('bytes=100-199'));
});

test('what may not be had whole may not be had in parts either', async (t) => {
  const quarantined = await world(t);
  quarantined.index.setStatus('demo', 'quarantined');
  assert.equal((await get(quarantined.url, { range: 'bytes=0-9' })).status, 403);
  assert.deepEqual(asked(quarantined), []);

  const unlisted = await world(t);
  const stranger = unlisted.url.replace('demo-1.0', 'demo-2.0');
  assert.equal((await get(stranger, { range: 'bytes=0-9' })).status, 404);

  const withheld = await world(t);
  withheld.index.fault(withheld.path, faults.status(451));
  assert.equal((await get(withheld.url, { range: 'bytes=0-9' })).status, 451);
});
