// Nobody makes us ask the same failing thing over and over: what failed with nothing held is remembered for a short,
// growing time, and its clients are told at once when to come back.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../support/clock/clock.ts';
import { fileWorld } from '../support/proxy/file-world.ts';
import { fetchAll, get } from '../support/proxy/http-client.ts';
import * as faults from '../support/upstream/faults.ts';
import { legacyJson, serveDocument } from '../support/upstream/json-documents.ts';
import { wheel } from '../support/upstream/wheels.ts';

const WRONG = {
  'with wrong bytes': faults.wrongByte(5),
  'that is too short': faults.cutBody(1_000),
  'that answers 500': faults.status(500),
  'that is refused': faults.status(403),
  'that is not there': faults.status(404),
};

for (const [what, fault] of Object.entries(WRONG)) {
  test(`forty requests for a file ${what} make upstream send it twice, each as often as one request may`, async (t) => {
    const clock = new FakeClock();
    const { index, path, url, file } = await fileWorld(t, { now: clock.now });
    index.fault(path, fault);
    for (let i = 0; i < 40; i += 1) {
      const answer = await get(url, i % 2 === 0 ? {} : { 'cache-control': 'no-cache' });
      assert.ok(answer.status >= 400, `${answer.status}`);
      if (answer.status >= 500) assert.match(answer.field('retry-after') ?? '', /^[1-5]$/);
      clock.advance(20);
    }
    // Three attempts where the bytes are wrong, two where there are none.
    assert.ok(index.requests(path) <= 6, `${index.requests(path)} requests`);
    assert.ok(index.requests('/simple/demo/') <= 3, `${index.requests('/simple/demo/')} pages`);
    const before = index.requests(path);
    index.clearFaults();
    clock.advance(2_200);
    assert.equal((await get(url)).sha256, file.sha256);
    assert.equal(index.requests(path), before + 1);
  });
}

test('forty HEADs of a file whose size no page tells, and ranges of one, ask upstream twice', async (t) => {
  const clock = new FakeClock();
  const { index, path, url } = await fileWorld(t, {
    now: clock.now,
    listing: { size: undefined },
    indexConfig: { passRanges: true },
  });
  index.fault(path, faults.status(500));
  for (let i = 0; i < 40; i += 1) {
    const answer = await fetchAll(url, { method: 'HEAD' });
    assert.deepEqual([answer.status, answer.field('retry-after') !== undefined], [502, true]);
  }
  // Each is tried once more at once by the client of upstream, and a refused HEAD by a range of one byte.
  assert.ok(index.requests(path) <= 8, `${index.requests(path)} HEADs`);
  const heads = index.requests(path);
  for (let i = 0; i < 40; i += 1) assert.equal((await get(url, { range: 'bytes=0-99' })).status, 502);
  assert.ok(index.requests(path) - heads <= 16, `${index.requests(path) - heads} GETs`);
});

test('HEADs that come at once are one', async (t) => {
  const { index, path, url, file } = await fileWorld(t, { listing: { size: undefined } });
  const answers = await Promise.all(Array.from({ length: 20 }, () => fetchAll(url, { method: 'HEAD' })));
  for (const answer of answers) assert.equal(answer.field('content-length'), String(file.bytes.length));
  assert.ok(index.requests(path) < 20, `${index.requests(path)}`);
});

test('pages, the list of projects and legacy JSON that cannot be used are asked for twice, then left alone', async (t) => {
  for (const fault of [faults.status(500), faults.loginPage(), faults.hangUp('rst')]) {
    const clock = new FakeClock();
    const { index, proxy } = await fileWorld(t, { now: clock.now });
    serveDocument(index, '/pypi/demo/json', legacyJson('demo', []));
    index.add('lost', wheel({ name: 'lost', version: '1.0' }));
    await get(`${proxy.url}/simple/demo/`);
    const paths = { '/simple/lost/': '/simple/lost/', '/simple/': '/simple/', '/pypi/demo/json': '/pypi/demo/json' };
    index.log.clear();
    for (const [path, upstream] of Object.entries(paths)) {
      const lift = index.fault(upstream, fault);
      for (let i = 0; i < 40; i += 1) {
        const answer = await get(`${proxy.url}${path}`, { 'cache-control': 'no-cache' });
        assert.ok(answer.status === 502 || answer.status === 503, `${path}: ${answer.status}`);
        assert.match(answer.field('retry-after') ?? '', /^[1-5]$/);
      }
      assert.ok(index.requests(upstream) <= 6, `${path}: ${index.requests(upstream)} requests`);
      lift();
    }
  }
});
