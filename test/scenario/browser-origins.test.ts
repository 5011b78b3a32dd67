// Pages in a browser (pyodide, micropip) read what installers read where the operator says so, and nothing else.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { makeToken } from '../../src/access/secret-hash.ts';
import type { Config } from '../../src/config/config.ts';
import { fieldValue } from '../../src/core/http-message.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { type ClientResponse, fetchAll, get } from '../support/proxy/http-client.ts';
import { type RunningProxy, startProxy } from '../support/proxy/proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { wheel } from '../support/upstream/wheels.ts';

const DEMO = wheel({ name: 'demo', version: '1.0' });
const OURS = 'https://notebooks.example';
const JSON_TYPE = 'application/vnd.pypi.simple.v1+json';

async function world(
  t: TestContext,
  config: Partial<Config>,
): Promise<{ proxy: RunningProxy; paths: Record<string, string> }> {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  index.add('demo', DEMO);
  const proxy = await startProxy({ upstreams: [index.url], config });
  t.after(() => proxy.close());
  const file = `/files/http/${new URL(index.url).host}${index.pathOf(DEMO)}`;
  const paths = {
    page: '/simple/demo/',
    'page of an index': '/default/simple/demo/',
    list: '/simple/',
    redirect: '/simple/Demo',
    file,
    metadata: `${file}.metadata`,
    'unknown project': '/simple/unknown/',
    'unknown file': file.replace('demo-1.0', 'demo-9.0'),
    'malformed name': '/simple/-x/',
    'legacy JSON': '/pypi/demo/json',
  };
  return { proxy, paths };
}

const origin = ({ fields }: ClientResponse) => fieldValue(fields, 'access-control-allow-origin');
const varies = ({ fields }: ClientResponse) => /(?:^|, *)origin(?:,|$)/i.test(fieldValue(fields, 'vary') ?? '');

function preflight(url: string, from: string, method = 'GET'): Promise<ClientResponse> {
  const fields = {
    origin: from,
    'access-control-request-method': method,
    'access-control-request-headers': 'accept,authorization',
    'access-control-request-private-network': 'true',
  };
  return fetchAll(url, { method: 'OPTIONS', fields });
}

test('a listed origin may read pages, files, metadata, redirects and errors; another one may not', async (t) => {
  const { proxy, paths } = await world(t, { browserOrigins: [OURS, 'http://localhost:8000'] });
  for (const [name, path] of Object.entries(paths)) {
    // Cold, warm, and repeated: what is ready for one client is not sent to another with its origin.
    for (let round = 0; round < 4; round++) {
      for (const from of [
        OURS,
        undefined,
        'https://evil.example',
        'http://localhost:8000',
        'null',
        `${OURS}.evil.example`,
      ]) {
        const answer = await get(`${proxy.url}${path}`, {
          accept: JSON_TYPE,
          ...(from !== undefined && { origin: from }),
        });
        const isAllowed = from === OURS || from === 'http://localhost:8000';
        assert.equal(origin(answer), isAllowed ? from : undefined, `${name} from ${from}: ${answer.status}`);
        assert.ok(varies(answer), `${name} from ${from}`);
        assert.equal(fieldValue(answer.fields, 'access-control-allow-credentials'), undefined);
      }
    }
    const etag = (await get(`${proxy.url}${path}`, { accept: JSON_TYPE, origin: OURS })).field('etag');
    if (etag !== undefined) {
      const known = await get(`${proxy.url}${path}`, { accept: JSON_TYPE, origin: OURS, 'if-none-match': etag });
      assert.deepEqual([known.status, origin(known), varies(known)], [304, OURS, true], name);
    }
    const allowed = await preflight(`${proxy.url}${path}`, OURS);
    assert.deepEqual([allowed.status, origin(allowed), varies(allowed)], [204, OURS, true], name);
    assert.equal(allowed.field('access-control-allow-methods'), 'GET, HEAD');
    assert.equal(allowed.field('access-control-allow-headers'), 'accept,authorization');
    assert.equal(allowed.field('access-control-allow-private-network'), 'true');
    const refused = await preflight(`${proxy.url}${path}`, 'https://evil.example');
    assert.equal(origin(refused), undefined);
    assert.ok(refused.status === 405 || refused.status === 404, name);
  }
});

test('with * every origin may, and a part of a file as well', async (t) => {
  const { proxy, paths } = await world(t, { browserOrigins: ['*'] });
  for (const path of Object.values(paths)) {
    for (const fields of [{}, { origin: 'https://any.example' }, { origin: 'null' }]) {
      assert.equal(origin(await get(`${proxy.url}${path}`, fields)), '*', path);
    }
    assert.equal((await preflight(`${proxy.url}${path}`, 'https://any.example')).status, 204);
  }
  const part = await get(`${proxy.url}${paths.file}`, { origin: OURS, range: 'bytes=0-9' });
  assert.deepEqual([part.status, origin(part)], [206, '*']);
  const head = await fetchAll(`${proxy.url}${paths.file}`, { method: 'HEAD', fields: { origin: OURS } });
  assert.equal(origin(head), '*');
});

test('status page, metrics, health and administration are never shown to another page', async (t) => {
  for (const browserOrigins of [['*'], [OURS]]) {
    const { proxy } = await world(t, { browserOrigins, uploads: true });
    const token = (await readFile(join(proxy.dataDir, 'admin-token'), 'utf8')).trim();
    const own = [
      '/',
      '/metrics',
      '/-/status.js',
      '/-/live',
      '/-/ready',
      '/-/api/status',
      '/local-stats/',
      '/last-modified',
    ];
    for (const path of [...own, '/legacy/', '//simple/', '/-/simple/']) {
      const answer = await get(`${proxy.url}${path}`, { origin: OURS, authorization: `Bearer ${token}` });
      assert.deepEqual([origin(answer), varies(answer)], [undefined, false], path);
      const asked = await preflight(`${proxy.url}${path}`, OURS, 'POST');
      assert.equal(origin(asked), undefined, path);
      assert.notEqual(asked.status, 204, path);
    }
  }
});

test('without the option nothing of it is there', async (t) => {
  const { proxy, paths } = await world(t, {});
  for (const path of Object.values(paths)) {
    const answer = await get(`${proxy.url}${path}`, { origin: OURS });
    assert.deepEqual([origin(answer), varies(answer)], [undefined, false]);
    const asked = await preflight(`${proxy.url}${path}`, OURS);
    assert.ok(asked.status === 405 || asked.status === 404, path);
  }
});

test('a preflight has no credentials and is answered all the same; who lacks them is told so readably', async (t) => {
  const file = join(await temporaryFolder(t), 'clients');
  const { proxy, paths } = await world(t, {
    browserOrigins: [OURS],
    clients: { file, content: `ci:${makeToken().hash}\n`, count: 1 },
  });
  assert.equal((await preflight(`${proxy.url}${paths.page}`, OURS)).status, 204);
  const refused = await get(`${proxy.url}${paths.page}`, { origin: OURS });
  assert.deepEqual([refused.status, origin(refused)], [401, OURS]);
});

test('below a base path as well', async (t) => {
  const { proxy, paths } = await world(t, { browserOrigins: [OURS], basePath: '/wheels' });
  const answer = await get(`${proxy.url}${paths.page}`, { origin: OURS });
  assert.deepEqual([answer.status, origin(answer)], [200, OURS]);
  assert.equal((await preflight(`${proxy.url}${paths.page}`, OURS)).status, 204);
});

test('with absolute_links JSON pages have whole links that lead where the relative ones lead', async (t) => {
  const { proxy, paths } = await world(t, { absoluteLinks: true, publicUrl: 'https://wheels.example/pypi/' });
  const link = async (path: string, accept: string) => {
    const answer = await get(`${proxy.url}${path}`, { accept });
    return accept === JSON_TYPE
      ? (answer.json() as { files: { url: string }[] }).files[0]!.url
      : /href="([^"#]+)/.exec(answer.text())![1]!;
  };
  for (let round = 0; round < 3; round++) {
    assert.equal(await link('/simple/demo/', JSON_TYPE), `https://wheels.example/pypi${paths.file}`);
    assert.equal(await link('/default/simple/demo/', JSON_TYPE), `https://wheels.example/pypi/default${paths.file}`);
    assert.equal(await link('/simple/demo/', 'text/html'), `../..${paths.file}`);
  }
});
