// What two readers of one connection may understand differently is refused, and what is dropped harms nobody
//.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { get, sendRaw } from '../support/proxy/http-client.ts';
import { getPage, JSON_TYPE } from '../support/proxy/page-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { smallWorld } from '../support/proxy/small-world.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { rawBytes } from '../support/upstream/faults.ts';
import { wheel } from '../support/upstream/wheels.ts';

test('a request of which the end is a matter of opinion is refused, and its connection closed', async (t) => {
  const { index, proxy } = await smallWorld(t);
  const inner = 'GET /simple/smuggled/ HTTP/1.1\r\nhost: localhost\r\n\r\n';
  const framings = [
    'content-length: 4\r\ntransfer-encoding: chunked',
    'transfer-encoding: chunked\r\ncontent-length: 4',
    'content-length: 0\r\ncontent-length: 4',
    'content-length: 4, 4',
    'content-length: +4',
    'content-length: 0x4',
    'transfer-encoding: identity',
    'transfer-encoding: xchunked',
    'transfer-encoding: chunked, identity',
    'transfer-encoding: gzip, chunked',
    'transfer-encoding: identity\r\ntransfer-encoding: chunked',
    'transfer-encoding : chunked',
    'transfer-encoding:\r\n chunked',
  ];
  for (const method of ['GET', 'POST']) {
    for (const target of ['/simple/held/', '/legacy/', '/nothing']) {
      for (const framing of framings) {
        const request = `${method} ${target} HTTP/1.1\r\nhost: localhost\r\n${framing}\r\n\r\n0\r\n\r\n${inner}`;
        const answer = await sendRaw(proxy.url, request);
        assert.deepEqual(answer.match(/^HTTP\/1\.1 \d+/gm), ['HTTP/1.1 400'], JSON.stringify(request));
      }
    }
  }
  assert.equal(index.requests(), 0);
});

test('line ends and folds that only some understand are refused', async (t) => {
  const { index, proxy } = await smallWorld(t);
  const requests = [
    'GET /simple/foo/ HTTP/1.1\nhost: x\n\n',
    'GET /simple/foo/ HTTP/1.1\r\nhost: x\nx-a: b\r\n\r\n',
    'GET /simple/foo/ HTTP/1.1\r\nhost: localhost\r\nx-a: b\r\n folded\r\n\r\n',
    'GET /simple/foo/ HTTP/1.1\r\nhost: localhost\r\nx-a: b\rx-c: d\r\n\r\n',
    'GET /simple/foo/ HTTP/1.1\r\nhost: localhost\r\nx-a: b\0c\r\n\r\n',
    'POST /legacy/ HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n5\nabcde\n0\n\n',
  ];
  for (const request of requests) {
    assert.match(
      await sendRaw(proxy.url, request),
      /^HTTP\/1\.1 40[03] (?:.*\r\n)*connection: close/i,
      JSON.stringify(request),
    );
  }
  assert.equal(index.requests(), 0);
});

test('a request with two hosts, none or a broken one, or of another version of HTTP is refused', async (t) => {
  const { index, proxy } = await smallWorld(t);
  for (const request of [
    'GET /simple/foo/ HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n',
    'GET /simple/foo/ HTTP/1.1\r\nhost: a\r\nHost: a\r\n\r\n',
    'GET /simple/foo/ HTTP/1.1\r\nhost: a b\r\n\r\n',
    'GET /simple/foo/ HTTP/1.1\r\nhost: a/b\r\n\r\n',
    'GET /simple/foo/ HTTP/1.1\r\nhost: <script>\r\n\r\n',
    'GET /simple/foo/ HTTP/1.1\r\nhost: user@a\r\n\r\n',
    'GET /simple/foo/ HTTP/1.1\r\n\r\n',
    'GET /simple/foo/ HTTP/2.0\r\nhost: a\r\n\r\n',
    'GET /simple/foo/\r\n\r\n',
    'PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET /simple/foo/ HTTP/1.1\r\nhost: a\r\n\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    Buffer.from('16030100c8010000c403036a5d3e', 'hex'),
  ]) {
    const answer = await sendRaw(proxy.url, request);
    assert.deepEqual(answer.match(/^HTTP\/1\.1 \d+/gm), ['HTTP/1.1 400'], String(request));
    assert.match(answer, /^connection: close\r$/im);
  }
  assert.equal(index.requests(), 0);
});

test('an offer of another protocol is answered in ours, and a tunnel is refused', async (t) => {
  const { index, proxy } = await smallWorld(t);
  index.add('foo', wheel({ name: 'foo', version: '1.0' }));
  for (const protocol of ['h2c', 'websocket', 'TLS/1.0']) {
    const fields = { connection: 'upgrade, http2-settings', upgrade: protocol, 'http2-settings': 'AAMAAABk' };
    const answer = await getPage(proxy, 'foo', fields);
    assert.deepEqual([answer.status, answer.field('upgrade')], [200, undefined]);
  }
  const tunnel = await sendRaw(proxy.url, 'CONNECT 192.0.2.1:443 HTTP/1.1\r\nhost: 192.0.2.1:443\r\n\r\n');
  assert.match(tunnel, /^HTTP\/1\.1 405 (?:.*\r\n)*allow: GET, HEAD\r\nconnection: close/);
});

test('a long answer that only its connection ends is dropped without harm', async (t) => {
  const { index, proxy } = await smallWorld(t);
  index.add('foo', wheel({ name: 'foo', version: '1.0' }));
  const lift = index.fault('/simple/foo/', rawBytes(`HTTP/1.1 500 x\r\n\r\n${'x'.repeat(3_000_000)}`));
  // An exception that nobody can catch would end the process; here it fails the test.
  assert.equal((await getPage(proxy, 'foo')).status, 502);
  lift();
  assert.equal((await get(`${proxy.url}/-/live`)).status, 200);
});

test('a page that is small on the wire and larger than the limit when decoded is refused', async (t) => {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const proxy = await startProxy({ upstreams: [index.url], config: { maxPageBytes: 1_000_000 } });
  t.after(() => proxy.close());
  for (const [name, padding] of [
    ['under', 900_000],
    ['over', 1_100_000],
  ] as const) {
    const page = JSON.stringify({ meta: { 'api-version': '1.0' }, name, files: [] });
    const fields = ['content-type', JSON_TYPE, 'content-encoding', 'gzip'];
    const body = gzipSync(page + ' '.repeat(padding));
    index.fault(`/simple/${name}/`, ({ send }) => send({ status: 200, fields, body }));
  }
  assert.equal((await getPage(proxy, 'under')).status, 200);
  assert.equal((await getPage(proxy, 'over')).status, 502);
});
