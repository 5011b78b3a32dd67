// What a page may say of its files, over the wire: upstream's page in, our page and the file out.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { quietLog } from '../../src/observe/log.ts';
import { FakeClock } from '../support/clock/clock.ts';
import { get } from '../support/proxy/http-client.ts';
import { getPage, JSON_TYPE, listed } from '../support/proxy/page-client.ts';
import { type ProxyOptions, startProxy } from '../support/proxy/proxy.ts';
import { FakeIndex, type FakeIndexOptions } from '../support/upstream/fake-index.ts';
import { redirect, status } from '../support/upstream/faults.ts';
import { wheel } from '../support/upstream/wheels.ts';

const PAGE = '/simple/foo/';
const foo = wheel({ name: 'foo', version: '1.0' });
/** Where the pages below say that a file lies. */
const FILE = 'https://files.example/foo-1.0-py3-none-any.whl';

type Json = Readonly<Record<string, unknown>>;

async function world(t: TestContext, options: FakeIndexOptions = {}, more: Partial<ProxyOptions> = {}) {
  const index = await FakeIndex.start(options);
  t.after(() => index.close());
  const proxy = await startProxy({ upstreams: [index.url], ...more });
  t.after(() => proxy.close());
  const json = async () => {
    const answer = await getPage(proxy, 'foo');
    assert.equal(answer.status, 200, answer.text());
    return answer.json() as { readonly meta: Json; readonly files: readonly Json[] } & Json;
  };
  const html = async () => (await get(`${proxy.url}/simple/foo/`, { accept: 'text/html' })).text();
  return { index, proxy, json, html, host: new URL(index.url).host };
}

/** Upstream's page of foo, with these records in the place of files. */
function pageOf(files: readonly Json[], more: Json = {}): string {
  return JSON.stringify({ meta: { 'api-version': '1.4' }, name: 'foo', versions: ['1.0'], ...more, files });
}

function jsonPage(body: string): ReturnType<typeof status> {
  return status(200, ['content-type', JSON_TYPE], body);
}

function htmlPage(anchors: string, head = ''): ReturnType<typeof status> {
  return status(200, ['content-type', 'text/html'], `<html><head>${head}</head><body>${anchors}</body></html>`);
}

/** The lines of links, each by the attributes after its address. */
function attributesOf(html: string): string[] {
  return [...html.matchAll(/^<a href="[^"]*"(.*)>[^<]*<\/a><br \/>$/gm)].map(([, attributes]) => attributes!.trim());
}

test('relative links and base elements resolve against the URL that answered, and lose their query', async (t) => {
  const { index, proxy, host } = await world(t);
  const filename = 'foo-1.0-py3-none-any.whl';
  const plays: readonly (readonly [base: string, href: string, expected: string])[] = [
    ['', `../../packages/${filename}`, `http/${host}/packages/${filename}`],
    ['', `//other.example/${filename}`, `http/other.example/${filename}`],
    ['', `${filename}?x=1#sha256=ab`, `http/${host}/moved/here/${filename}`],
    ['<base href="../deep/">', filename, `http/${host}/moved/deep/${filename}`],
    ['<base href="https://b.example/c/">', filename, `https/b.example/c/${filename}`],
  ];
  for (const [i, [base, href, expected]] of plays.entries()) {
    const name = `foo${i}`;
    index.fault(`/simple/${name}/`, redirect('/moved/here/'));
    index.fault('/moved/here/', htmlPage(`<a href="${href}">${filename}</a>`, base));
    const [file] = ((await getPage(proxy, name)).json() as { readonly files: readonly Json[] }).files;
    assert.equal(file!.url, `../../files/${expected}`, href);
    assert.doesNotMatch((await get(`${proxy.url}/simple/${name}/`)).text(), /<base|x=1/);
  }
});

test('a yank is true or its exact reason in JSON, and always has a value in HTML', async (t) => {
  const { index, json, html } = await world(t);
  const reason = 'says "no" & <so>,\nnow \u{1f525}';
  const yanks = [true, reason, false];
  const files = yanks.map((yanked, i) => ({
    filename: `foo-${i}.tar.gz`,
    url: `${FILE}/foo-${i}.tar.gz`,
    hashes: {},
    yanked,
  }));
  index.fault(PAGE, jsonPage(pageOf(files)));
  assert.deepEqual(
    (await json()).files.map(({ yanked }) => yanked),
    yanks,
  );
  assert.deepEqual(attributesOf(await html()), [
    'data-yanked=""',
    'data-yanked="says &quot;no&quot; &amp; &lt;so&gt;,&#xa;now \u{1f525}"',
    '',
  ]);
});

test('a bare data-yanked of an HTML upstream is a yank, and so is an empty one', async (t) => {
  const { index, json, html } = await world(t);
  const anchor = (attribute: string) => `<a href="${FILE}" ${attribute}>foo-1.0-py3-none-any.whl</a>`;
  index.fault(
    PAGE,
    htmlPage(`${anchor('data-yanked')}${anchor('data-yanked=""')}${anchor('data-yanked="old &amp; bad"')}`),
  );
  assert.deepEqual(
    (await json()).files.map(({ yanked }) => yanked),
    [true, true, 'old & bad'],
  );
  assert.deepEqual(attributesOf(await html()), ['data-yanked=""', 'data-yanked=""', 'data-yanked="old &amp; bad"']);
});

test('an empty reason of a yank stays in JSON, is absent in HTML, and is told of', async (t) => {
  const told: unknown[] = [];
  const log = { ...quietLog, info: (_message: string, fields: unknown) => told.push(fields) };
  const { index, json, html } = await world(t, {}, { overrides: { log } });
  index.fault(PAGE, jsonPage(pageOf([{ filename: 'foo-1.0.tar.gz', url: FILE, hashes: {}, yanked: '' }])));
  assert.equal((await json()).files[0]!.yanked, '');
  assert.deepEqual(attributesOf(await html()), ['']);
  assert.deepEqual(told, [{ index: 'default', project: 'foo', remarks: 1 }]);
});

test('requires-python is raw in JSON and escaped in HTML, valid or not', async (t) => {
  const { index, json, html } = await world(t);
  const specifiers = ['>=3.8,<4', '>=3.6.*', 'whatever "you" like'];
  const files = specifiers.map((specifier) => ({
    filename: 'foo-1.0.tar.gz',
    url: FILE,
    hashes: {},
    'requires-python': specifier,
  }));
  index.fault(PAGE, jsonPage(pageOf(files)));
  assert.deepEqual(
    (await json()).files.map((file) => file['requires-python']),
    specifiers,
  );
  assert.deepEqual(attributesOf(await html()), [
    'data-requires-python="&gt;=3.8,&lt;4"',
    'data-requires-python="&gt;=3.6.*"',
    'data-requires-python="whatever &quot;you&quot; like"',
  ]);
});

test('core metadata is announced under both names of HTML and under its name of today in JSON', async (t) => {
  const { index, json, html } = await world(t);
  const sha256 = 'a'.repeat(64);
  const claims: readonly (readonly [record: Json, json: unknown, html: string | undefined])[] = [
    [{ 'core-metadata': true }, true, 'true'],
    [{ 'core-metadata': { sha256 } }, { sha256 }, `sha256=${sha256}`],
    [{ 'core-metadata': {} }, {}, 'true'],
    [{ 'core-metadata': { blake2b: 'ff' } }, { blake2b: 'ff' }, 'true'],
    [{ 'core-metadata': false }, false, undefined],
    [{ 'core-metadata': null }, null, undefined],
    [{}, undefined, undefined],
    [{ 'dist-info-metadata': { sha256 } }, { sha256 }, `sha256=${sha256}`],
    [{ 'data-dist-info-metadata': true }, true, 'true'],
  ];
  const files = claims.map(([record]) => ({ filename: foo.filename, url: FILE, hashes: {}, ...record }));
  index.fault(PAGE, jsonPage(pageOf(files)));
  assert.deepEqual(
    (await json()).files.map((file) => file['core-metadata']),
    claims.map(([, claim]) => claim),
  );
  const expected = claims.map(([, , value]) =>
    value === undefined ? '' : `data-core-metadata="${value}" data-dist-info-metadata="${value}"`,
  );
  assert.deepEqual(attributesOf(await html()), expected);
});

test('a size that is none is dropped, and the page then claims version 1.0 only', async (t) => {
  const { index, json } = await world(t);
  const sizes = ['12', -1, 1.5, null, 7];
  const files = sizes.map((size) => ({ filename: foo.filename, url: FILE, hashes: {}, size }));
  index.fault(PAGE, jsonPage(pageOf(files)));
  const page = await json();
  assert.deepEqual(
    page.files.map((file) => ['size' in file, file.size]),
    [...Array(4).fill([false, undefined]), [true, 7]],
  );
  assert.equal(page.meta['api-version'], '1.0');
});

test('legacy versions and file types are listed unchanged', async (t) => {
  const { index, json, html } = await world(t);
  const names = [
    'foo-1.0-py2.7.egg',
    'foo-1.0.win32-py2.7.exe',
    'foo-1.0-1.noarch.rpm',
    'foo-1.0.tar.bz2',
    'foo-1.0.zip',
  ];
  names.push('foo-1.0.tgz', 'foo-1.0.tar.Z', 'foo-dev-r123.tar.gz', 'foo-2004d.tar.gz', 'foo-1.0.dmg');
  const files = names.map((filename) => ({ filename, url: `https://files.example/a/${filename}`, hashes: {} }));
  index.fault(PAGE, jsonPage(pageOf(files, { versions: ['1.0', '2004d', 'dev-r123'] })));
  const page = await json();
  assert.deepEqual(
    page.files.map(({ filename }) => filename),
    names,
  );
  assert.deepEqual(page.versions, ['1.0', '2004d', 'dev-r123']);
  for (const name of names) assert.ok((await html()).includes(`../../files/https/files.example/a/${name}"`), name);
});

test('two files of one name stay two lines of the page, and each URL gives its own bytes', async (t) => {
  const { index, proxy, json } = await world(t);
  const other = wheel({ name: 'foo', version: '1.0', files: { 'foo.py': 'OTHER = True\n' } });
  index.add('foo', foo, other);
  const { files } = await json();
  assert.deepEqual(
    files.map(({ filename }) => filename),
    [foo.filename, foo.filename],
  );
  for (const [i, { sha256 }] of [foo, other].entries()) {
    const answer = await get(new URL(String(files[i]!.url), `${proxy.url}${PAGE}`).href);
    assert.equal(answer.sha256, sha256);
  }
});

test('a page of 40,000 files is one upstream request and one rendering, and others are served meanwhile', async (t) => {
  const { index, proxy } = await world(t);
  index.add('bar', wheel({ name: 'bar', version: '1.0' }));
  assert.equal((await getPage(proxy, 'bar')).status, 200);
  const files = Array.from({ length: 40_000 }, (_, i) => ({
    filename: `foo-1.${i}.tar.gz`,
    url: `https://files.example/packages/${i}/foo-1.${i}.tar.gz`,
    hashes: { sha256: i.toString(16).padStart(64, '0') },
    size: 100_000 + i,
    'upload-time': '2026-01-02T03:04:05.678901Z',
    yanked: false,
  }));
  index.fault(PAGE, jsonPage(pageOf(files)));
  const large = Promise.all(Array.from({ length: 5 }, () => getPage(proxy, 'foo')));
  let done = false;
  void large.then(() => {
    done = true;
  });
  let served = 0;
  while (!done) {
    assert.equal((await getPage(proxy, 'bar')).status, 200);
    served += 1;
  }
  assert.ok(served > 1, 'nobody else was served while the large page came');
  for (const answer of await large) assert.equal(listed(answer).length, 40_000);
  assert.equal(index.requests(PAGE), 1);
});

test('a page without files is a page, and an archived or deprecated project is served with its status', async (t) => {
  const { index, proxy, json } = await world(t);
  index.fault('/simple/empty/', jsonPage(JSON.stringify({ meta: { 'api-version': '1.0' }, name: 'empty', files: [] })));
  index.add('empty', foo);
  assert.deepEqual(listed(await getPage(proxy, 'empty')), []);
  index.add('foo', foo);
  index.setStatus('foo', 'archived');
  assert.deepEqual((await json())['project-status'], { status: 'archived' });
  assert.deepEqual(listed(await getPage(proxy, 'foo')), [foo.filename]);
});

test('a yank that happened in an outage is seen with the end of it, and until then the age says how old the page is', async (t) => {
  const clock = new FakeClock();
  const { index, proxy, json } = await world(t, {}, { now: clock.now });
  index.add('foo', foo);
  assert.equal((await json()).files[0]!.yanked, false);
  await index.down();
  index.yank('foo', foo.filename);
  clock.advance(3_600_000);
  const stale = await getPage(proxy, 'foo');
  assert.equal(stale.field('age'), '3600');
  assert.equal(stale.field('cache-control'), 'public, max-age=0');
  await index.up();
  clock.advance(31_000);
  // The first answer may be the stale one that begins the refresh; it is awaited by its request.
  await getPage(proxy, 'foo');
  await getPage(proxy, 'foo');
  assert.equal((await json()).files[0]!.yanked, true);
});
