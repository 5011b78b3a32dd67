// A fault that does not happen would make every test of it pass: each is looked at here through a plain client.

import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { describe, it, type TestContext } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { type ClientResponse, fetchAll, get, sendRaw } from '../support/proxy/http-client.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import type { Fault } from '../support/upstream/fault-plan.ts';
import * as faults from '../support/upstream/faults.ts';
import { wheel } from '../support/upstream/wheels.ts';

const foo = wheel({ name: 'foo', version: '1.0', sizeBytes: 50_000 });
const size = foo.bytes.length;

async function withFile(test: TestContext): Promise<{ readonly index: FakeIndex; readonly url: string }> {
  const index = await FakeIndex.start();
  test.after(() => index.close());
  index.add('foo', foo);
  return { index, url: index.files.origin + index.pathOf(foo) };
}

/** What a client gets when the file meets `fault`. */
async function meeting(test: TestContext, fault: Fault): Promise<ClientResponse> {
  const { index, url } = await withFile(test);
  index.fault(index.pathOf(foo), fault);
  return get(url);
}

describe('faults that break the connection', () => {
  for (const ending of ['fin', 'rst'] as const) {
    it(`truncated by ${ending}: fewer bytes than announced`, async (test) => {
      const answer = await meeting(test, faults.truncated(20_000, ending));
      assert.equal(answer.field('content-length'), String(size));
      assert.deepEqual([answer.complete, answer.sizeBytes], [false, 20_000]);
    });

    it(`hung up by ${ending}: no answer at all`, async (test) => {
      await assert.rejects(meeting(test, faults.hangUp(ending)), { code: 'ECONNRESET' });
    });
  }

  it('chunked without its last chunk', async (test) => {
    const answer = await meeting(test, faults.unfinishedChunks(20_000));
    assert.equal(answer.field('transfer-encoding'), 'chunked');
    assert.deepEqual([answer.complete, answer.sizeBytes], [false, 20_000]);
  });

  it('cut half way without any framing: it looks complete, only the size tells', async (test) => {
    const answer = await meeting(test, faults.closeDelimited(20_000));
    assert.equal(answer.field('content-length'), undefined);
    assert.deepEqual([answer.complete, answer.sizeBytes], [true, 20_000]);
  });

  it('longer than announced: the surplus is on the wire', async (test) => {
    const { index, url } = await withFile(test);
    index.fault(index.pathOf(foo), faults.tooLong(100));
    const raw = await sendRaw(url, `GET ${new URL(url).pathname} HTTP/1.1\r\nhost: localhost\r\n\r\n`);
    const [head = '', ...body] = raw.split('\r\n\r\n');
    assert.match(head, new RegExp(`content-length: ${size}`));
    assert.equal(body.join('\r\n\r\n').length, size + 100);
  });

  it('closes a kept connection when it is used again', async (test) => {
    const { index, url } = await withFile(test);
    index.fault(/^/, faults.closeAtReuse());
    const agent = new Agent({ keepAlive: true });
    test.after(() => agent.destroy());
    assert.equal((await fetchAll(url, { agent })).complete, true);
    await assert.rejects(fetchAll(url, { agent }), { code: 'ECONNRESET' });
  });
});

describe('faults of time', () => {
  it('silence: the request arrives, an answer never', async (test) => {
    const { index, url } = await withFile(test);
    index.fault(/^/, faults.silence());
    const patience = AbortSignal.timeout(150);
    await assert.rejects(fetchAll(url, { signal: patience }));
    assert.equal(index.requests(), 1);
    await index.waitFor(({ openConnections }) => openConnections === 0);
  });

  it('silence after the head and a few bytes', async (test) => {
    const { index, url } = await withFile(test);
    index.fault(/^/, faults.silenceAfter(10));
    const answer = await fetchAll(url, { signal: AbortSignal.timeout(150) });
    assert.deepEqual([answer.status, answer.sizeBytes, answer.complete], [200, 10, false]);
  });

  it('a rate is kept on the whole', async (test) => {
    const answer = await meeting(test, faults.rate(200_000));
    assert.deepEqual([answer.complete, answer.sha256], [true, foo.sha256]);
    assert.ok(answer.totalMs > 200 && answer.totalMs < 1000, `50 KB at 200 KB/s took ${answer.totalMs} ms`);
  });

  it('a delay comes before the answer or before another fault', async (test) => {
    const answer = await meeting(test, faults.delay(100, faults.status(500)));
    assert.equal(answer.status, 500);
    assert.ok(answer.firstByteMs >= 99);
  });
});

describe('faults of content', () => {
  const cases: readonly (readonly [string, Fault, (answer: ClientResponse) => void])[] = [
    [
      'a status with its own fields',
      faults.status(429, ['retry-after', '120']),
      (answer) => assert.deepEqual([answer.status, answer.field('retry-after')], [429, '120']),
    ],
    [
      'one flipped byte',
      faults.wrongByte(-1),
      (answer) => {
        assert.equal(answer.sizeBytes, size);
        assert.deepEqual(answer.body.subarray(0, -1), foo.bytes.subarray(0, -1));
        assert.notEqual(answer.body.at(-1), foo.bytes.at(-1));
      },
    ],
    [
      'a login page with 200',
      faults.loginPage(),
      (answer) =>
        assert.match(`${answer.status} ${answer.field('content-type')} ${answer.text()}`, /200 text\/html.*form/),
    ],
    ['an empty body', faults.emptyBody(), (answer) => assert.deepEqual([answer.status, answer.sizeBytes], [200, 0])],
    [
      'a body cut short with the length of the rest',
      faults.cutBody(99),
      (answer) => assert.equal(answer.sizeBytes, 99),
    ],
    ['another body', faults.replacedBody('{}'), (answer) => assert.deepEqual(answer.json(), {})],
    [
      'another type',
      faults.contentType('text/css'),
      (answer) => assert.equal(answer.field('content-type'), 'text/css'),
    ],
    ['no type', faults.contentType(undefined), (answer) => assert.equal(answer.field('content-type'), undefined)],
    [
      'gzip that nobody asked for',
      faults.gzipped(),
      (answer) => {
        assert.equal(answer.field('content-encoding'), 'gzip');
        assert.deepEqual(gunzipSync(answer.body), foo.bytes);
      },
    ],
    [
      'a gzip label on plain bytes',
      faults.mislabelledGzip(),
      (answer) => assert.deepEqual([answer.field('content-encoding'), answer.sha256], ['gzip', foo.sha256]),
    ],
    [
      'a gzip bomb',
      faults.gzipBomb(64 << 20),
      (answer) => {
        assert.ok(answer.sizeBytes < 1 << 20);
        assert.equal(gunzipSync(answer.body).length, 64 << 20);
      },
    ],
    [
      'a redirect',
      faults.redirect('/elsewhere'),
      (answer) => assert.deepEqual([answer.status, answer.field('location')], [302, '/elsewhere']),
    ],
    ['304 that nobody asked for', faults.notModified('"x"'), (answer) => assert.equal(answer.status, 304)],
    [
      '206 that nobody asked for',
      faults.unaskedPartial(),
      (answer) => {
        assert.equal(answer.status, 206);
        assert.equal(answer.field('content-range'), `bytes 0-${(size >> 1) - 1}/${size}`);
      },
    ],
    [
      'interim answers before the right one',
      faults.informational(103, 3),
      (answer) => assert.deepEqual([answer.status, answer.sha256], [200, foo.sha256]),
    ],
  ];
  for (const [title, fault, check] of cases) {
    it(title, async (test) => check(await meeting(test, fault)));
  }

  it('a page that is gzip already is not coded twice, and its mislabelled, cut or replaced form is plain', async (test) => {
    const { index } = await withFile(test);
    const ask = { 'accept-encoding': 'gzip' };
    const page = gunzipSync((await get(`${index.url}foo/`, ask)).body);
    const meet = async (fault: Fault) => {
      index.fault(/^/, fault, { times: 1 });
      const { body, field } = await get(`${index.url}foo/`, ask);
      return [field('content-encoding'), body];
    };
    const [label, coded] = await meet(faults.gzipped());
    assert.deepEqual([label, gunzipSync(coded as Buffer)], ['gzip', page]);
    assert.deepEqual(await meet(faults.mislabelledGzip()), ['gzip', page]);
    assert.deepEqual(await meet(faults.cutBody(99)), [undefined, page.subarray(0, 99)]);
    assert.deepEqual(await meet(faults.replacedBody('{}')), [undefined, Buffer.from('{}')]);
  });

  it('a redirect loop leads to ever new addresses', async (test) => {
    const { index, url } = await withFile(test);
    index.fault(index.pathOf(foo), faults.redirectLoop());
    const first = (await get(url)).field('location')!;
    const second = (await get(new URL(first, url).href)).field('location')!;
    assert.notEqual(first, second);
    assert.ok(second.startsWith(index.pathOf(foo)));
  });
});

describe('the fault plan', () => {
  it('meets as many requests as were named, then the older rule, then nothing', async (test) => {
    const { index, url } = await withFile(test);
    const lift = index.fault(/^\/packages/, faults.status(500));
    index.fault(index.pathOf(foo), faults.status(503), { times: 2 });
    const statuses = [];
    for (let i = 0; i < 3; i += 1) statuses.push((await get(url)).status);
    lift();
    statuses.push((await get(url)).status);
    assert.deepEqual(statuses, [503, 503, 500, 200]);
  });

  it('can be limited to a method, and cleared', async (test) => {
    const { index, url } = await withFile(test);
    index.fault(/^/, faults.status(405), { method: 'HEAD' });
    assert.equal((await fetchAll(url, { method: 'HEAD' })).status, 405);
    assert.equal((await get(url)).status, 200);
    index.clearFaults();
    assert.equal((await fetchAll(url, { method: 'HEAD' })).field('content-length'), String(size));
  });
});
