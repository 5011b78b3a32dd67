// Nothing of one client's request reaches another client or upstream, and nothing that upstream says beside the page
// or the file reaches a client.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { LARGE } from '../support/proxy/file-world.ts';
import { type ClientResponse, fetchAll, get } from '../support/proxy/http-client.ts';
import { JSON_TYPE } from '../support/proxy/page-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { alter } from '../support/upstream/faults.ts';
import { wheel } from '../support/upstream/wheels.ts';

const EVIL = 'evil-7f3a.example';

async function world(t: TestContext) {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const small = wheel({ name: 'foo', version: '1.0' });
  const large = wheel({ name: 'foo', version: '2.0', sizeBytes: LARGE });
  index.add('foo', small, large);
  const proxy = await startProxy({ upstreams: [index.url] });
  t.after(() => proxy.close());
  const host = new URL(index.url).host;
  return {
    index,
    proxy,
    small,
    large,
    files: [small, large].map((file) => `/files/http/${host}${index.pathOf(file)}`),
  };
}

test('whatever else a request says: one entry, one request upstream, the same bytes', async (t) => {
  const { index, proxy, files } = await world(t);
  const values = ['1', EVIL, '../..', '"'];
  const names = ['x-forwarded-host', 'x-forwarded-proto', 'x-forwarded-prefix', 'x-original-url', 'x-rewrite-url'];
  names.push(
    'x-http-method-override',
    'x-method-override',
    'forwarded',
    'x-host',
    'host',
    'origin',
    'referer',
    'cookie',
  );
  names.push(
    'user-agent',
    'accept-language',
    'accept-charset',
    'x-real-ip',
    'true-client-ip',
    'x-api-version',
    'pragma',
  );
  names.push(
    'x-wap-profile',
    'save-data',
    'dnt',
    'via',
    'te',
    'x-pypi-last-serial',
    'max-forwards',
    'from',
    'priority',
  );
  for (const path of ['/simple/foo/', files[0]!]) {
    const first = await get(proxy.url + path, { accept: JSON_TYPE });
    for (const [i, name] of names.entries()) {
      const answer = await get(`${proxy.url}${path}?${name}=${i}`, {
        accept: JSON_TYPE,
        [name]: values[i % values.length]!,
      });
      assert.equal(answer.status, 200, name);
      assert.equal(answer.sha256, first.sha256, name);
      assert.equal(answer.field('etag'), first.field('etag'), name);
    }
  }
  assert.equal(index.requests(), 2);
  assert.ok(index.log.entries.every(({ path }) => !path.includes('?')));
});

test('a foreign host in any field is repeated nowhere, not to the sender and not to the next client', async (t) => {
  const { proxy, files } = await world(t);
  const poison = { host: EVIL, 'x-forwarded-host': EVIL, 'x-forwarded-proto': 'gopher', forwarded: `host=${EVIL}` };
  const paths = [
    '/',
    '/simple',
    '/simple/',
    '/simple/Foo/',
    '/simple/foo/',
    '/simple/nothing/',
    '/nowhere',
    '/metrics',
  ];
  paths.push('/pypi/foo/json', '/last-modified', '/local-stats/', '/-/live', '/-/ready', '/-/api/status', '/legacy/');
  paths.push(
    ...files,
    `${files[0]}.metadata`,
    files[0]!.replace('foo-1.0', 'foo-3.0'),
    files[0]!.replace(/[^/]{9,}\/foo/, 'foo'),
  );
  for (const accept of [JSON_TYPE, 'text/html']) {
    for (const path of paths) {
      const answer = await get(proxy.url + path, { accept, ...poison });
      assert.ok(!shown(answer).includes(EVIL) && !shown(answer).includes('gopher'), path);
    }
  }
  for (const path of paths) assert.ok(!shown(await get(proxy.url + path)).includes(EVIL), path);
});

test('what goes upstream is a fixed list of our own, for pages, files, metadata and refreshes', async (t) => {
  const { index, proxy, files } = await world(t);
  const fields = {
    authorization: `Bearer ${EVIL}`,
    cookie: EVIL,
    'x-secret': EVIL,
    referer: EVIL,
    'proxy-authorization': EVIL,
  };
  const asked = {
    ...fields,
    'user-agent': EVIL,
    'accept-language': EVIL,
    range: 'bytes=1-2',
    'if-none-match': `"${EVIL}"`,
  };
  for (const path of [
    '/simple/',
    '/simple/foo/',
    '/pypi/foo/json',
    ...files,
    `${files[0]}.metadata`,
    '/simple/nothing/',
  ]) {
    await get(proxy.url + path, asked);
    await fetchAll(proxy.url + path, { method: 'HEAD', fields: asked });
  }
  assert.ok(index.requests() >= 6);
  const own = /^(?:host|connection|user-agent|via|accept|accept-encoding|if-none-match|if-modified-since)$/;
  for (const { path, fields: sent } of index.log.entries) {
    assert.ok(!JSON.stringify(sent).includes(EVIL), path);
    for (let i = 0; i < sent.length; i += 2) assert.match(sent[i]!, own, path);
  }
});

test('what an upstream says beside the page and the file reaches no client', async (t) => {
  const { index, proxy, files } = await world(t);
  const said = [
    'set-cookie',
    'server',
    'via',
    'x-served-by',
    'link',
    'refresh',
    'clear-site-data',
    'alt-svc',
    'report-to',
  ];
  said.push(
    'access-control-allow-origin',
    'content-disposition',
    'www-authenticate',
    'strict-transport-security',
    'nel',
  );
  index.fault(
    /^/,
    alter(({ fields }) => ({ fields: [...fields, ...said.flatMap((name) => [name, EVIL])] })),
  );
  for (const path of [
    '/simple/',
    '/simple/foo/',
    ...files,
    `${files[0]}.metadata`,
    '/pypi/foo/json',
    '/simple/nothing/',
  ]) {
    for (const method of ['GET', 'GET', 'HEAD']) {
      const answer = await fetchAll(proxy.url + path, { method });
      assert.ok(!JSON.stringify(answer.fields).includes(EVIL), `${method} ${path}`);
      if (answer.status === 200) assert.equal(answer.field('x-content-type-options'), 'nosniff', path);
    }
  }
});

function shown(answer: ClientResponse): string {
  return `${JSON.stringify(answer.fields)}\n${answer.text()}`;
}
