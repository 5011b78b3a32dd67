// Links of unusual form are served: escaped slashes, doubled slashes, credentials in the link. What cannot be served is
// told: in the log, and by `explain`.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fieldValue } from '../../src/core/http-message.ts';
import type { Log } from '../../src/observe/log.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { fetchAll, get } from '../support/proxy/http-client.ts';
import { getPage } from '../support/proxy/page-client.ts';
import { type RunningProxy, startProxy } from '../support/proxy/proxy.ts';
import { wheel } from '../support/upstream/wheels.ts';

const DEMO = wheel({ name: 'demo', version: '1.0' });

interface Origin {
  readonly url: string;
  /** Every request's target and Authorization, in order. */
  readonly asked: { target: string; authorization: string | undefined }[];
}

async function origin(t: TestContext, answer: (request: IncomingMessage) => [number, string[], Buffer | string]) {
  const asked: Origin['asked'] = [];
  const server = createServer((request, response) => {
    asked.push({ target: request.url!, authorization: request.headers.authorization });
    const [status, fields, body] = answer(request);
    response.writeHead(status, fields).end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

interface World {
  readonly proxy: RunningProxy;
  readonly files: Origin;
  readonly elsewhere: Origin;
  readonly lines: { level: string; message: string; fields: object }[];
}

/** A page with one link to the demo wheel, written by `link` from the host of files, in one of the two formats. */
async function world(t: TestContext, format: 'json' | 'html', link: (host: string) => string): Promise<World> {
  const elsewhere = await origin(t, () => [200, ['content-type', 'application/octet-stream'], DEMO.bytes]);
  const files = await origin(t, ({ url }) =>
    url!.includes('moved') && !url!.includes('.metadata')
      ? [302, ['location', `${elsewhere.url}/storage/${DEMO.filename}`], '']
      : [200, ['content-type', 'application/octet-stream'], url!.includes('.metadata') ? DEMO.metadata : DEMO.bytes],
  );
  const url = link(new URL(files.url).host);
  const record = {
    filename: DEMO.filename,
    url,
    hashes: { sha256: DEMO.sha256 },
    'core-metadata': { sha256: DEMO.metadataSha256 },
  };
  const json = JSON.stringify({ meta: { 'api-version': '1.0' }, name: 'demo', files: [record] });
  const html = `<h1>Links for demo</h1><a href="${url}#sha256=${DEMO.sha256}" data-core-metadata="sha256=${DEMO.metadataSha256}">${DEMO.filename}</a>`;
  const index = await origin(t, () =>
    format === 'json'
      ? [200, ['content-type', 'application/vnd.pypi.simple.v1+json'], json]
      : [200, ['content-type', 'text/html'], html],
  );
  const lines: World['lines'] = [];
  const note = (level: string) => (message: string, fields: object) => lines.push({ level, message, fields });
  const log = { debug: note('debug'), info: note('info'), warn: note('warn'), error: note('error') } as unknown as Log;
  const dataDir = await temporaryFolder(t);
  const proxy = await startProxy({
    upstreams: [`${index.url}/simple/`],
    dataDir,
    config: { fileOrigins: [files.url, elsewhere.url] },
    overrides: { log },
  });
  t.after(() => proxy.close());
  return { proxy, files, elsewhere, lines };
}

/** The only link of our page, resolved as WHATWG does it; `join` changes it as another client would. */
async function linkOf({ proxy }: World, join = (path: string) => path): Promise<string> {
  const page = (await getPage(proxy, 'demo')).json() as { files: { url: string }[] };
  assert.equal(page.files.length, 1);
  const url = new URL(page.files[0]!.url, `${proxy.url}/simple/demo/`);
  return `${proxy.url}${join(url.pathname)}`;
}

/** As urllib joins a path, and as nginx hands it on that was configured with a path of its own. */
const python = (path: string) => path.replace(/\/{2,}/g, '/');
const nginx = (path: string) => path.replaceAll(/%2f/gi, '/').replace(/\/{2,}/g, '/');

const PATHS = [
  '/pool%2Fdemo/',
  '/pool%2fdemo%2F',
  '/a//b/',
  '//a/',
  '/a;v=1/',
  '/what%3Fever/%23tag/',
  '/sp%20ace/',
  '/%C3%A9/',
  '/%E9/',
  '/@scope/a:b/',
  "/(x)'!$&*+,=~/",
  '/a%252Fb/',
  '/a/../b/',
];

for (const format of ['json', 'html'] as const) {
  test(`a file is fetched from exactly the path that the ${format} page links, however clients join ours`, async (t) => {
    for (const path of PATHS) {
      const expected = new URL(`http://h.example${path}${DEMO.filename}`).pathname;
      for (const join of [(text: string) => text, python, nginx]) {
        const now = await world(t, format, (host) => `http://${host}${path}${DEMO.filename}`);
        const link = await linkOf(now, join);
        const metadata = await get(`${link}.metadata`);
        assert.deepEqual([metadata.status, metadata.sha256], [200, DEMO.metadataSha256], link);
        const file = await get(link);
        assert.deepEqual([file.status, file.sha256], [200, DEMO.sha256], `${path}: ${link}`);
        assert.deepEqual(
          now.files.asked.map(({ target }) => target),
          [`${expected}.metadata`, expected],
        );
        assert.deepEqual(
          now.lines.filter(({ level }) => level === 'warn'),
          [],
        );
      }
    }
  });

  test(`credentials in a link of a ${format} page go to that origin alone, and to no client`, async (t) => {
    for (const path of ['/p/', '/moved/', '/a%2Fb//c/']) {
      const now = await world(t, format, (host) => `http://me:s3cret%2Fpw@${host}${path}${DEMO.filename}?sig=1`);
      for (const accept of ['text/html', 'application/vnd.pypi.simple.v1+json']) {
        assert.doesNotMatch((await get(`${now.proxy.url}/simple/demo/`, { accept })).text(), /s3cret|sig=/);
      }
      const link = await linkOf(now);
      assert.doesNotMatch(link, /s3cret/);
      const head = await fetchAll(link, { method: 'HEAD' });
      assert.equal(head.status, 200);
      const file = await get(link);
      assert.deepEqual([file.status, file.sha256], [200, DEMO.sha256]);
      assert.equal((await get(`${link}.metadata`)).sha256, DEMO.metadataSha256);
      const expected = `Basic ${Buffer.from('me:s3cret/pw').toString('base64')}`;
      assert.ok(now.files.asked.length >= 2);
      for (const { target, authorization } of now.files.asked) {
        assert.equal(authorization, expected, target);
        assert.match(target, /\?sig=1$/);
      }
      assert.equal(now.elsewhere.asked.length > 0, path === '/moved/');
      for (const { authorization } of now.elsewhere.asked) assert.equal(authorization, undefined);
      assert.doesNotMatch(JSON.stringify(now.lines), /s3cret/);
      assert.doesNotMatch(JSON.stringify(file.fields), /s3cret/);
    }
  });

  test(`a link of a ${format} page that cannot be served is a warning with name and reason, and explain tells it`, async (t) => {
    for (const [link, reason] of [
      ['ftp://h.example/p/', 'its link is neither http nor https'],
      ['http://h.example/p/%00/', 'its link has an escaped control character or backslash'],
      ['http://h.example/p/%5C/', 'its link has an escaped control character or backslash'],
      ['http://h.example/..%2F..%2F', 'its link has an escaped dot segment'],
      ['http://h.example:99999/p/', 'its link is no URL'],
    ] as const) {
      const now = await world(t, format, () => `${link}${DEMO.filename}`);
      const page = (await getPage(now.proxy, 'demo')).json() as { files: unknown[] };
      assert.deepEqual(page.files, []);
      const [warning, ...more] = now.lines.filter(({ level }) => level === 'warn');
      assert.deepEqual(more, []);
      assert.equal(warning?.message, 'index page sanitized: 1 file dropped (demo)');
      assert.deepEqual(warning.fields, {
        index: 'default',
        project: 'demo',
        remarks: 1,
        files: `${DEMO.filename}: ${reason}`,
      });
      const token = (await readFile(join(now.proxy.dataDir, 'admin-token'), 'utf8')).trim();
      const explain = `${now.proxy.url}/-/api/explain?project=demo&file=${DEMO.filename}`;
      const told = (await get(explain, { authorization: `Bearer ${token}` })).json() as {
        file: { verdict: string };
        indexes: { page: { facts: { unserved: string[] } } }[];
      };
      assert.equal(told.file.verdict, `the page of demo lists it, but it cannot be served: ${reason}`);
      assert.deepEqual(told.indexes[0]!.page.facts.unserved, [`${DEMO.filename}: ${reason}`]);
    }
  });
}

test('a file that is listed elsewhere is reached by one redirect, whatever its path', async (t) => {
  for (const path of PATHS) {
    const now = await world(t, 'json', (host) => `http://${host}${path}${DEMO.filename}`);
    const first = await get(`${now.proxy.url}/files/http/${new URL(now.files.url).host}/old/${DEMO.filename}`);
    assert.equal(first.status, 302);
    const to = new URL(
      fieldValue(first.fields, 'location')!,
      `${now.proxy.url}/files/http/${new URL(now.files.url).host}/old/x`,
    );
    const second = await get(`${now.proxy.url}${python(to.pathname)}`);
    assert.deepEqual([second.status, second.sha256], [200, DEMO.sha256], path);
  }
});
