// What others' servers send through a raw mount has no power over our origin or over the credentials of the mount:
// browsers run none of it beside the status page, no request brings the credentials back, none leaves the base.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { RawMountConfig } from '../../src/config/config.ts';
import type { RequestHead } from '../../src/core/http-message.ts';
import { hidesDotSegment } from '../../src/raw/dot-segments.ts';
import { type ClientResponse, fetchAll, get, sendRaw } from '../support/proxy/http-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { type Answer, FakeServer } from '../support/upstream/fake-server.ts';

const HTML = '<script>document.title = "ran"</script>';
const typed = (type: string | undefined, more: readonly string[] = [], status = 200): Answer => ({
  status,
  fields: [...(type === undefined ? [] : ['content-type', type]), ...more],
  body: Buffer.from(status === 304 ? '' : HTML),
});

async function mounted(t: TestContext, respond: (request: RequestHead) => Answer, more: Partial<RawMountConfig> = {}) {
  const origin = await FakeServer.start({ respond });
  t.after(() => origin.close());
  const raw: RawMountConfig = {
    name: 'other',
    origin: `${origin.origin}/`,
    listen: { host: '127.0.0.1', port: 0 },
    maxBodyBytes: 1e6,
    redirectOrigins: [],
    ...more,
  };
  const proxy = await startProxy({ upstreams: ['http://127.0.0.1:9/simple/'], config: { raw: [raw] } });
  t.after(() => proxy.close());
  return { origin, beside: `${proxy.url}/raw/other/`, apart: proxy.app.rawUrls.get('other')!, proxy };
}

function assertIsolated(answer: ClientResponse, what: string): void {
  assert.match(answer.field('content-security-policy') ?? '', /(?:^|, )sandbox(?:$|, )/, what);
  assert.equal(answer.field('x-content-type-options'), 'nosniff', what);
}

test('beside our own pages nothing of a raw mount is run, whatever it is and however it comes', async (t) => {
  const KEPT = ['cache-control', 'max-age=60', 'etag', '"1"'];
  const { beside } = await mounted(t, ({ method, url }) => {
    if (method !== 'GET' && method !== 'HEAD') return typed('text/html');
    if (url === '/moved') return typed('text/html', ['location', '/x'], 302);
    if (url === '/missing') return typed('text/html', [], 404);
    if (url === '/broken') return typed('text/html', [], 500);
    if (url === '/policy') return typed('text/html', [...KEPT, 'content-security-policy', "default-src 'self'"]);
    if (url === '/sniff') return typed('text/html', ['X-Content-Type-Options', 'none']);
    return typed(decodeURIComponent(url.slice(1)) || undefined, KEPT);
  });
  const types = ['text/html', 'image/svg+xml', 'application/xhtml+xml', 'text/plain', 'application/octet-stream', ''];
  for (const path of [...types.map(encodeURIComponent), 'moved', 'missing', 'broken', 'policy', 'sniff']) {
    for (const how of ['cold', 'hot', 'HEAD', '304', 'part', '416', 'POST'] as const) {
      const options = {
        cold: {},
        hot: {},
        HEAD: { method: 'HEAD' },
        304: { fields: { 'if-none-match': '"1"' } },
        part: { fields: { range: 'bytes=0-3' } },
        416: { fields: { range: 'bytes=9999-' } },
        POST: { method: 'POST', body: 'x' },
      }[how];
      assertIsolated(await fetchAll(beside + path, options), `${path} ${how}`);
    }
  }
  assert.match((await get(`${beside}policy`)).field('content-security-policy')!, /default-src 'self'/);
  assertIsolated(await get(`${beside}..%2fx`), 'an error of ours');
  assertIsolated(await get(`${beside.replace('other', 'none')}x`), 'no such mount');
});

test('at a listener of its own what a browser would run is sandboxed, and the rest is as the origin says it', async (t) => {
  const { apart } = await mounted(t, ({ url }) => typed(decodeURIComponent(url.slice(1)) || undefined));
  for (const type of [
    'text/html; charset=utf-8',
    'image/svg+xml',
    'application/xml',
    'multipart/x-mixed-replace',
    '',
  ]) {
    assertIsolated(await get(apart + encodeURIComponent(type)), type);
  }
  for (const type of ['text/plain', 'application/zip', 'image/png']) {
    const answer = await get(apart + encodeURIComponent(type));
    assert.equal(answer.field('content-security-policy'), undefined, type);
    assert.equal(answer.field('x-content-type-options'), 'nosniff');
  }
});

test('no method brings back what was sent: TRACE, TRACK and CONNECT never reach the origin', async (t) => {
  const credentials = { kind: 'basic', user: 'me', password: 'canary' } as const;
  const { origin, beside, apart } = await mounted(t, () => typed('message/http'), { credentials });
  for (const url of [`${beside}x`, `${apart}x`]) {
    for (const method of ['TRACE', 'TRACK', 'CONNECT', 'trace', 'Trace']) {
      const answer = await sendRaw(url, `${method} ${new URL(url).pathname} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
      assert.match(answer, /^HTTP\/1\.1 (?:405|400) /, method);
      if (method === 'TRACE') assert.match(answer, /^HTTP\/1\.1 405 .*allow: GET, HEAD, POST/is);
    }
  }
  assert.equal(origin.log.count(), 0);
});

/** One dot segment each, as some server would read it. */
const UP = [
  '..',
  '%2e%2e',
  '.%2E',
  '%252e%252e',
  '%25252e%25252e',
  '..;',
  '..;a=b',
  '%2e%2e;x',
  '..%3b',
  '..%00',
  '..%20',
  '..%3f',
  '..%23',
  '%c0%ae%c0%ae',
  '%u002e%u002e',
  '%e0%80%ae.',
];
const SEPARATORS = ['/', '%2f', '%2F', '%5c', '\\', '%252f', '%255C', '%25252f', '%c0%af', '%c1%9c', '%u002f'];

test('no spelling of a dot segment leaves the base of a mount, with its credentials', async (t) => {
  const { origin } = await mounted(t, () => typed('text/plain'));
  const credentials = { kind: 'basic', user: 'me', password: 'canary' } as const;
  const below = { origin: `${origin.origin}/public/team/`, credentials };
  const { beside, apart } = await mounted(t, () => typed('text/plain'), below);
  const urls = [beside, apart];
  for (const up of UP) {
    for (const separator of SEPARATORS) {
      for (const path of [
        `${up}${separator}x`,
        `a${separator}${up}${separator}${up}${separator}x`,
        `a/b${separator}${up}`,
      ]) {
        // A plain one that stays below is resolved here, as ever.
        if (path === 'a/b/..' || /^a\/b\/(?:%2e%2e|\.%2E)$/.test(path) || /^a\/b\\(?:\.\.|%2e%2e|\.%2E)$/.test(path))
          continue;
        const root = urls[path.length % 2]!;
        const target = new URL(root).pathname + path;
        const answer = await sendRaw(root, `GET ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`);
        assert.match(answer, /^HTTP\/1\.1 4\d\d /, path);
      }
    }
  }
  assert.equal(origin.log.count(), 0);
});

test('names with dots and escapes are only names', async (t) => {
  for (const path of [
    '/a..b/..c/d../...',
    '/%2e%2fx',
    '/a%2fb',
    '/100%25',
    '/x;v=1/y',
    '/a%20b/%E4%BD%A0',
    '/%',
    '/.;x/y',
  ]) {
    assert.equal(hidesDotSegment(path), false, path);
  }
  const { origin, beside } = await mounted(t, () => typed('text/plain'));
  for (const path of ['a..b/..c', 'a%2fb', 'x?q=../..%2f..', 'v1.0..v2.0']) {
    assert.equal((await get(beside + path)).status, 200, path);
  }
  assert.equal(origin.log.count(), 4);
});
