// Where files may lie, how their addresses may be spelled, and what is known of their bytes.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import type { Config } from '../../src/config/config.ts';
import { fieldValue } from '../../src/core/http-message.ts';
import type { Hashes } from '../../src/pages/page.ts';
import { get } from '../support/proxy/http-client.ts';
import { getPage, JSON_TYPE } from '../support/proxy/page-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { FakeIndex, type FakeIndexOptions } from '../support/upstream/fake-index.ts';
import { alter, redirect, status } from '../support/upstream/faults.ts';
import { type Distribution, wheel } from '../support/upstream/wheels.ts';

async function world(t: TestContext, options: FakeIndexOptions = {}, config: Partial<Config> = {}) {
  const index = await FakeIndex.start(options);
  t.after(() => index.close());
  const proxy = await startProxy({ upstreams: [index.url], config });
  t.after(() => proxy.close());
  /** Our URLs of the files of a page, in its order. */
  const links = async (project: string): Promise<string[]> => {
    const { files } = (await getPage(proxy, project)).json() as { readonly files: readonly { readonly url: string }[] };
    return files.map(({ url }) => new URL(url, `${proxy.url}/simple/${project}/`).href);
  };
  return { index, proxy, links };
}

test('a file on another host is served only if that host is public or configured, and only if a page lists it', async (t) => {
  const { index, proxy, links } = await world(t, { separateFiles: true });
  const file = wheel({ name: 'foo', version: '1.0' });
  index.add('foo', file);
  const [link] = await links('foo');
  assert.ok(link!.startsWith(`${proxy.url}/files/http/${new URL(index.files.origin).host}/packages/`));
  // The file host is on loopback and speaks plain http: it would have to be configured.
  assert.equal((await get(link!)).status, 502);
  assert.equal(index.fileRequests, 0);
  const allowed = await startProxy({ upstreams: [index.url], config: { fileOrigins: [index.files.origin] } });
  t.after(() => allowed.close());
  assert.equal((await get(link!.replace(proxy.url, allowed.url))).sha256, file.sha256);
  const unlisted = link!.replace(proxy.url, allowed.url).replace('foo-1.0', 'foo-6.6');
  const asked = index.fileRequests;
  assert.equal((await get(unlisted)).status, 404);
  assert.equal(index.fileRequests, asked, 'the URL of an unlisted file was sent upstream');
});

test('a file that redirects to a storage gets there without credentials, and its signature is asked for anew', async (t) => {
  const storage = await FakeIndex.start();
  t.after(() => storage.close());
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const credentials = { kind: 'basic', user: 'reader', password: 'secret' } as const;
  const file = wheel({ name: 'foo', version: '1.0' });
  index.add('foo', file);
  storage.add('foo', file);
  const origins = [index.pages.origin, storage.pages.origin];
  const upstreams = [{ url: index.url, credentials }];
  const proxy = await startProxy({
    upstreams: [index.url],
    config: {
      indexes: [{ name: 'default', upstreams, missingStatuses: [], pageOrigins: [], accept: 'any' }],
      fileOrigins: origins,
    },
  });
  t.after(() => proxy.close());
  let signature = 0;
  index.fault(index.pathOf(file), (exchange) =>
    redirect(`${storage.pages.origin}${storage.pathOf(file)}?signature=${++signature}`)(exchange),
  );
  storage.fault(/signature=1$/, status(403));
  const url = `${proxy.url}/files/http/${new URL(index.url).host}${index.pathOf(file)}`;
  assert.equal((await get(url)).sha256, file.sha256);
  assert.equal(signature, 2, 'a redirect to an expired signature was used again');
  for (const { path, fields } of index.log.entries)
    assert.notEqual(fieldValue(fields, 'authorization'), undefined, path);
  for (const { fields } of storage.log.entries) assert.equal(fieldValue(fields, 'authorization'), undefined);
  assert.doesNotMatch((await get(url)).fields.join(), /signature/);
});

test('"!", "%21", "~", spaces and escaped per cents of a file name round-trip unchanged', async (t) => {
  const { index, proxy } = await world(t);
  const names = ['foo-1!2.0.tar.gz', 'foo-1%212.1.tar.gz', 'foo-1~a.tar.gz', 'foo-1%20b.tar.gz', 'foo-1%2525c.tar.gz'];
  // What cannot be a source distribution would not be served as one.
  const bytes = (path: string) => Buffer.concat([Buffer.from([0x1f, 0x8b]), Buffer.from(`bytes of ${path}`)]);
  index.fault(/^\/odd\//, (exchange) => alter(() => ({ status: 200, body: bytes(exchange.request.url) }))(exchange));
  const files = names.map((name) => ({ filename: decodeURIComponent(name), url: `/odd/${name}`, hashes: {} }));
  const body = JSON.stringify({ meta: { 'api-version': '1.0' }, name: 'foo', files });
  index.fault('/simple/foo/', status(200, ['content-type', JSON_TYPE], body));
  const page = (await getPage(proxy, 'foo')).json() as { readonly files: readonly { readonly url: string }[] };
  const host = new URL(index.url).host;
  for (const [i, name] of names.entries()) {
    assert.equal(page.files[i]!.url, `../../files/http/${host}/odd/${name}`);
    const answer = await get(`${proxy.url}/files/http/${host}/odd/${name}`);
    assert.ok(answer.body.equals(bytes(`/odd/${name}`)), 'upstream is asked in its own spelling');
  }
  const other = await get(`${proxy.url}/files/http/${host}/odd/foo-1%212.0.tar.gz`);
  assert.ok(other.body.equals(bytes('/odd/foo-1!2.0.tar.gz')));
  assert.equal(index.requests('/odd/foo-1%212.0.tar.gz'), 0, "the client's spelling was sent upstream");
});

test('the strongest known hash counts, whatever its case; a file without one is served as unverified', async (t) => {
  const { index, proxy, links } = await world(t);
  const digest = (algorithm: string, { bytes }: Distribution) => createHash(algorithm).update(bytes).digest('hex');
  const plays: readonly (readonly [what: string, verified: boolean, hashes: (file: Distribution) => Hashes])[] = [
    ['none', false, () => ({})],
    ['unknown', false, () => ({ blake3: 'ab' })],
    ['wrong length', false, () => ({ sha256: 'abcd' })],
    ['upper case', true, (file) => ({ sha256: file.sha256.toUpperCase() })],
    ['md5', true, (file) => ({ md5: digest('md5', file) })],
    ['sha1', true, (file) => ({ sha1: digest('sha1', file) })],
    ['several', true, (file) => ({ md5: 'f'.repeat(32), sha512: digest('sha512', file), sha256: file.sha256 })],
  ];
  const files = plays.map((_, i) => wheel({ name: 'foo', version: `1.${i}` }));
  const hashes = plays.map(([, , of], i) => of(files[i]!));
  for (const [i, file] of files.entries()) index.addListed('foo', file, { hashes: hashes[i]! });
  const page = (await getPage(proxy, 'foo')).json() as { readonly files: readonly { readonly hashes: unknown }[] };
  assert.deepEqual(
    page.files.map((file) => file.hashes),
    hashes,
  );
  const html = (await get(`${proxy.url}/simple/foo/`)).text();
  const [first] = /href="[^"]*"/.exec(html)!;
  assert.doesNotMatch(first, /#/, 'a link without hash has no fragment');
  for (const [i, link] of (await links('foo')).entries()) {
    const [what, verified] = plays[i]!;
    const answer = await get(link);
    assert.equal(answer.sha256, files[i]!.sha256, what);
    assert.equal(
      answer.field('cache-control'),
      verified ? 'public, max-age=365000000, immutable' : 'public, max-age=600',
      what,
    );
  }
  // A wrong md5 is wrong, too.
  const bad = wheel({ name: 'bar', version: '1.0' });
  index.addListed('bar', bad, { hashes: { md5: 'f'.repeat(32) } });
  assert.equal((await get((await links('bar'))[0]!)).status, 502);
});
