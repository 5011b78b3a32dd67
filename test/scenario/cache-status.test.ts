// Cache-Status (RFC 9211) stands on every answer of every route and listener, whoever made it.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { parseDictionary } from '../../src/http-semantics/targeted.ts';
import { fileWorld, SMALL } from '../support/proxy/file-world.ts';
import { type ClientOptions, fetchAll } from '../support/proxy/http-client.ts';
import { answer, rawMount } from '../support/proxy/raw-mount.ts';

/** How a member of ours may look: each parameter once and in this order, `hit` and `fwd` never together. */
const MEMBER =
  /^wheelkeep(?:; hit|; fwd=[a-z-]+(?:; fwd-status=\d{3})?(?:; stored)?(?:; collapsed)?)?(?:; ttl=-?\d+)?(?:; detail=[a-z_-]+)?$/;

function requireMember(status: string | undefined, of: string): string {
  assert.notEqual(status, undefined, `${of} has no Cache-Status`);
  assert.match(status!, MEMBER, of);
  // A list of items reads like a dictionary without values.
  assert.notEqual(parseDictionary(status!), undefined, of);
  return status!;
}

test('every route says what the cache did, also where it had no part or refused', async (t) => {
  const { proxy, url, index } = await fileWorld(t, { sizeBytes: SMALL });
  const token = (await readFile(join(proxy.dataDir, 'admin-token'), 'utf8')).trim();
  const admin = { fields: { authorization: `Bearer ${token}` } };
  const expected: readonly (readonly [path: string, status: number, member: RegExp, options?: ClientOptions])[] = [
    ['/simple/', 200, /fwd=/],
    ['/simple/demo/', 200, /hit|fwd=/],
    ['/simple/demo/', 200, /hit/],
    ['/simple/demo/', 200, /hit/, { method: 'HEAD' }],
    ['/simple/demo/', 304, /hit/, { fields: { 'if-none-match': '*' } }],
    ['/simple/demo/', 405, /detail=/, { method: 'DELETE' }],
    ['/simple/Demo/', 301, /hit/],
    ['/simple/absent/', 404, /detail=project-not-found/],
    ['/simple/a%zz/', 400, /detail=bad-request/],
    ['/nothing', 404, /detail=no-such-route/],
    [url, 200, /fwd=uri-miss; fwd-status=200; stored/],
    [url, 200, /hit/],
    [url, 206, /hit/, { fields: { range: 'bytes=0-9' } }],
    [url, 416, /hit/, { fields: { range: 'bytes=999999999-' } }],
    [url, 304, /hit/, { fields: { 'if-none-match': '*' } }],
    ['/files/https/files.example/absent-1.0-py3-none-any.whl', 404, /detail=/],
    ['/pypi/absent/json', 404, /detail=/],
    ['/integrity/demo/1.0/absent/provenance', 404, /detail=/],
    ['/raw/absent/a', 404, /detail=no-such-route/],
    ['/legacy/', 403, /detail=uploads-disabled/, { method: 'POST' }],
    ['/pypi', 403, /detail=xml-rpc-disabled/, { method: 'POST' }],
    ['/', 200, /^wheelkeep; detail=own$/],
    ['/-/status.css', 200, /^wheelkeep; detail=own$/],
    ['/-/status.js', 200, /^wheelkeep; detail=own$/],
    ['/metrics', 200, /^wheelkeep; detail=own$/],
    ['/-/live', 200, /^wheelkeep; detail=own$/],
    ['/-/ready', 200, /^wheelkeep; detail=own$/],
    ['/last-modified', 200, /^wheelkeep; detail=own$/],
    ['/local-stats/', 200, /^wheelkeep; detail=own$/],
    ['/-/api/status', 401, /detail=unauthorized/],
    ['/-/api/status', 200, /^wheelkeep; detail=own$/, admin],
    ['/-/api/absent', 404, /detail=no-such-route/, admin],
  ];
  for (const [path, status, member, options] of expected) {
    const response = await fetchAll(new URL(path, proxy.url).href, options);
    const what = `${options?.method ?? 'GET'} ${path}`;
    assert.equal(response.status, status, what);
    assert.match(requireMember(response.field('cache-status'), what), member, what);
  }
  await index.down();
  const down = await fetchAll(`${proxy.url}/simple/other/`);
  assert.equal(down.status, 502);
  requireMember(down.field('cache-status'), 'a page that cannot be had');
});

test('a raw mount says it too, on its own listener and with its origin gone', async (t) => {
  const { clock, origin, proxy, url } = await rawMount(t, {
    respond: ({ method }) => answer('good', method === 'GET' ? ['cache-control', 'max-age=60'] : []),
  });
  const ask = async (path: string, member: RegExp, options?: ClientOptions) => {
    const response = await fetchAll(path, options);
    assert.match(requireMember(response.field('cache-status'), path), member, path);
    return response.status;
  };
  await ask(`${url}/a`, /fwd=uri-miss; fwd-status=200; stored; ttl=60/);
  await ask(`${proxy.url}/raw/origin/a`, /hit; ttl=60/);
  await ask(`${url}/a`, /fwd=method/, { method: 'POST', body: 'x' });
  await ask(`${url}/a`, /fwd=bypass/, { fields: { 'if-match': '"1"' } });
  await ask(`${url}/b`, /fwd=uri-miss; fwd-status=200; ttl=/, { method: 'HEAD' });
  await ask(`${url}/c`, /detail=/, { fields: { 'cache-control': 'only-if-cached' } });
  await ask(`${url}/a`, /stored/);
  await origin.down();
  clock.advance(61_000);
  assert.equal(await ask(`${url}/a`, /fwd=stale; ttl=-1; detail=stale-if-error/), 200);
  assert.equal(await ask(`${url}/absent`, /detail=/), 502);
  assert.equal(await ask(`${url}/a`, /detail=/, { method: 'PUT', body: 'x' }), 502);
});

test('what is no request at all is refused with it', async (t) => {
  const { proxy } = await fileWorld(t, { sizeBytes: SMALL });
  for (const [bytes, reason] of [
    ['GET / nonsense\r\n\r\n', 'malformed'],
    [`GET / HTTP/1.1\r\nhost: a\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`, 'head-too-large'],
  ] as const) {
    const socket = connect(proxy.port, '127.0.0.1');
    socket.write(bytes);
    assert.match(await text(socket), new RegExp(`\r\ncache-status: wheelkeep; detail=${reason}\r\n`));
  }
});
