// A page that was answered a moment ago is answered from what is ready: on the wire nobody can tell.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { FakeClock } from '../support/clock/clock.ts';
import { get, sendRaw } from '../support/proxy/http-client.ts';
import { getPage, JSON_TYPE, listed } from '../support/proxy/page-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { smallWorld } from '../support/proxy/small-world.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { wheel } from '../support/upstream/wheels.ts';

/** One answer as it came over the wire; each character is a byte. */
interface Wire {
  readonly head: string;
  readonly body: string;
}

/** `files` wheels on one page, which is known; time stands still. */
async function world(t: TestContext, files: number) {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  for (let i = 0; i < files; i++) index.add('hot', wheel({ name: 'hot', version: `1.${i}` }));
  const clock = new FakeClock();
  const proxy = await startProxy({ upstreams: [index.url], now: clock.now });
  t.after(() => proxy.close());
  await getPage(proxy, 'hot');
  const etag = (await getPage(proxy, 'hot')).field('etag');
  return { proxy, clock, etag };
}

const request = (fields = '', version = '1.1') =>
  `GET /simple/hot/ HTTP/${version}\r\nhost: localhost\r\naccept: ${JSON_TYPE}\r\n${fields}\r\n`;

/** What comes back for requests in one piece over one connection, the last of which closes it. */
async function wire(url: string, ...requests: readonly string[]): Promise<Wire[]> {
  let rest = await sendRaw(url, requests.join(''));
  const answers: Wire[] = [];
  while (rest !== '') {
    const end = rest.indexOf('\r\n\r\n') + 4;
    const head = rest.slice(0, end);
    const length = head.startsWith('HTTP/1.1 304') ? 0 : Number(/^content-length: (\d+)/im.exec(head)![1]);
    answers.push({ head, body: rest.slice(end, end + length) });
    rest = rest.slice(end + length);
  }
  return answers;
}

const withoutDate = ({ head, body }: Wire) => ({ head: head.replace(/^Date: .*\r\n/m, ''), body });

for (const [size, files] of [
  ['small', 3],
  ['large', 150],
] as const) {
  test(`a ${size} page has the same fields and bytes on the wire, however often it is asked for`, async (t) => {
    const { proxy, clock, etag } = await world(t, files);
    clock.advance(1_000);
    const same = request(`if-none-match: ${etag}\r\n`);
    const close = request('connection: close\r\n');
    // The first of a second makes the fields by Node's own means; the others are compared with it.
    const answers = await wire(proxy.url, request(), request(), same, same, request(), close);
    const [first, second, unchanged, unchangedToo, third, last] = answers.map(withoutDate);
    assert.equal(answers.length, 6);
    assert.match(answers[1]!.head, /^Date: Thu, 01 Jan 2026 00:00:01 GMT\r$/m);
    assert.match(first!.head, /^HTTP\/1\.1 200 OK\r\n/);
    assert.equal(JSON.parse(first!.body).files.length, files);
    assert.deepEqual(second, first);
    assert.deepEqual(third, first);
    assert.match(unchanged!.head, /^HTTP\/1\.1 304 Not Modified\r\n/);
    assert.deepEqual(unchangedToo, unchanged);
    const closing = /^Connection: close\r\n/m;
    assert.match(last!.head, closing);
    const kept = /^Connection: keep-alive\r\nKeep-Alive: timeout=65\r\n/m;
    assert.equal(last!.head.replace(closing, ''), first!.head.replace(kept, ''));
    assert.equal(last!.body, first!.body);
  });
}

test('the 304 by Node and the ready one have the same fields', async (t) => {
  const { proxy, clock, etag } = await world(t, 1);
  const same = request(`if-none-match: ${etag}\r\n`);
  clock.advance(1_000);
  const answers = await wire(proxy.url, same, same, request('connection: close\r\n'));
  const [byNode, ready] = answers.map(withoutDate);
  assert.deepEqual(ready, byNode);
});

test('a client of HTTP/1.0, or one that expects to be told to go on, gets an answer that ends its connection', async (t) => {
  const { proxy } = await world(t, 1);
  for (const odd of [request('', '1.0'), request('expect: 100-continue\r\n')]) {
    const answers = await wire(proxy.url, request(), request(), odd);
    assert.equal(answers.length, 3);
    assert.match(answers[2]!.head, /^HTTP\/1\.1 200 OK\r$/m);
    assert.match(answers[2]!.head, /^Connection: close\r$/m);
  }
});

test('the age of a page grows by the second, and the metrics count each answer', async (t) => {
  const { proxy, clock } = await world(t, 1);
  const before = await proxy.metrics();
  for (const age of ['1', '2', '3']) {
    clock.advance(1_000);
    for (let i = 0; i < 3; i++) {
      const page = await getPage(proxy, 'hot', { connection: 'keep-alive' });
      assert.equal(page.field('age'), age);
      assert.equal(listed(page).length, 1);
    }
  }
  const after = await proxy.metrics();
  const name = 'wheelkeep_requests_total{kind="page",outcome="hit",status="2xx"}';
  assert.equal(after[name]! - before[name]!, 9);
});

test('the memory that pages and small files take is told, all of it', async (t) => {
  const { index, proxy } = await smallWorld(t);
  const file = wheel({ name: 'small', version: '1.0', sizeBytes: 50_000 });
  index.add('small', file);
  const held = async () => (await proxy.metrics())['wheelkeep_store_bytes{store="memory"}']!;
  const before = await held();
  const page = await getPage(proxy, 'small');
  const withPage = await held();
  // As it came, and rendered.
  assert.ok(withPage - before > 2 * page.body.length);
  const url = `${proxy.url}/files/http/${new URL(index.url).host}${index.pathOf(file)}`;
  // The first brings it, the second finds it on the disk, from the third on it is ready.
  for (let i = 0; i < 3; i++) assert.equal((await get(url)).sha256, file.sha256);
  assert.ok((await held()) - withPage > 2 * file.bytes.length);
});
