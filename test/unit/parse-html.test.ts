import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { InvalidPage } from '../../src/pages/invalid-page.ts';
import { DEFAULT_PAGE_LIMITS, type ProjectDetail, type ProjectList } from '../../src/pages/page.ts';
import { parsePage, parseProjectList } from '../../src/pages/page-reader.ts';
import type { ProjectName } from '../../src/pages/project-name.ts';

const URL_OF_PAGE = 'https://index.example/simple/demo-pkg/';
const fixture = (name: string): Buffer => readFileSync(new URL(`../fixtures/pages/${name}`, import.meta.url));

function read(body: string | Buffer, contentType: string | undefined = 'text/html'): ProjectDetail {
  return parsePage({ body: Buffer.from(body), contentType, url: URL_OF_PAGE, expectedName: 'demo-pkg' as ProjectName });
}

test('every attribute of a page is understood', () => {
  const page = read(fixture('demo.html'), 'text/html; charset=UTF-8');
  const [wheel, zip, egg] = page.files;
  assert.equal(page.files.length, 3);
  assert.equal(wheel?.url, 'https://index.example/mirror/packages/demo_pkg-1.0-py3-none-any.whl');
  assert.deepEqual(wheel.hashes, { sha256: 'bb3ad42cd6a5ba6bbb1a5ba1e6a1d6f3c7c9be7a1b7e4c6c1f0c8f6b4d6f1e02' });
  assert.equal(wheel.requiresPython, '>=3.8,<4');
  assert.deepEqual(wheel.coreMetadata, { sha256: 'aa3ad42cd6a5ba6bbb1a5ba1e6a1d6f3c7c9be7a1b7e4c6c1f0c8f6b4d6f1e01' });
  assert.deepEqual(wheel.attributes, ['data-trust-level', 'high & dry']);
  assert.equal(zip?.url, 'https://cdn.example/demo-pkg-0.9.zip?token=s3cret');
  assert.deepEqual(
    [zip.filename, zip.hashes, zip.yanked, zip.gpgSig],
    ['demo-pkg-0.9.zip', { md5: '0cc175b9c0f1b6a831c399e269772661' }, true, true],
  );
  assert.equal(egg?.url, 'https://index.example/mirror/root/demo_pkg-0.8-py2.7.egg');
  assert.deepEqual([egg.yanked, egg.coreMetadata, egg.hashes, egg.attributes], ['bad <wheel>', true, {}, []]);
  assert.deepEqual([page.serial, page.htmlVersion, page.apiVersion], [4711, '1.3', '1.0']);
  assert.deepEqual(page.status, { status: 'deprecated', reason: 'use "other"' });
  assert.deepEqual(
    page.remarks.map((remark) => remark.problem),
    ['names-no-distribution', 'unusable-url'],
  );
});

test('a folder listing with a distribution in it is a page', () => {
  const page = read(fixture('autoindex.html'));
  assert.deepEqual(
    page.files.map((file) => file.filename),
    ['demo-pkg-1.0.tar.gz'],
  );
  assert.equal(page.name, 'demo-pkg');
});

test('HTML that is no index page is refused', () => {
  for (const body of [
    fixture('login.html'),
    '',
    '<html></html>',
    '<a href="/demo-pkg/">demo-pkg</a>',
    '{"files":[]}',
  ]) {
    assert.throws(() => read(body), InvalidPage);
  }
  assert.throws(() => read(fixture('storage-error.xml'), 'application/xml'), InvalidPage);
  assert.throws(() => read(fixture('storage-error.xml'), ''), InvalidPage);
  assert.throws(() => read(fixture('demo.html'), 'application/vnd.pypi.simple.v1+json'), InvalidPage);
  assert.throws(
    () => read('<meta name="pypi:repository-version" content="2.0"><a href="a-1.zip">a-1.zip</a>'),
    InvalidPage,
  );
});

test('an empty page is known by its heading or its version, or by the switch for bare upstreams', () => {
  assert.deepEqual(read('<h1>Links for demo-pkg</h1>').files, []);
  assert.deepEqual(read('<title>Links for Demo Pkg</title>').files, []);
  assert.deepEqual(read('<meta name="pypi:repository-version" content="1.0">').files, []);
  const input = {
    body: Buffer.from('<html></html>'),
    contentType: 'text/html',
    url: URL_OF_PAGE,
    expectedName: 'x' as ProjectName,
  };
  assert.deepEqual(parsePage({ ...input, allowBarePages: true }).files, []);
});

test('without a content type the body is looked at', () => {
  assert.equal(read(fixture('demo.html'), '').files.length, 3);
  assert.equal(read(`\uFEFF\n${fixture('demo.html')}`, '').files.length, 3);
});

test('a relative, absolute, foreign or senseless base is obeyed or ignored as browsers do', () => {
  const url = (base: string): string | undefined =>
    read(`<base href="${base}"><base href="/no/"><a href="a-1.zip">a-1.zip</a>`).files[0]?.url;
  assert.equal(url('sub/'), `${URL_OF_PAGE}sub/a-1.zip`);
  assert.equal(url('https://other.example/x/'), 'https://other.example/x/a-1.zip');
  assert.equal(url('javascript:1'), `${URL_OF_PAGE}a-1.zip`);
  assert.equal(url('data:,x'), `${URL_OF_PAGE}a-1.zip`);
});

test('the file name is read off the link, or off the text where the link is a download address', () => {
  const names = (html: string): readonly string[] =>
    read(`<h1>Links for demo-pkg</h1>${html}`).files.map((file) => file.filename);
  assert.deepEqual(names('<a href="demo-1%2Bcu.zip">demo 1 &amp; only</a>'), ['demo-1+cu.zip']);
  assert.deepEqual(names('<a href="get/17"> demo-1.zip\n</a>'), ['demo-1.zip']);
  assert.deepEqual(names('<a href="demo-1.bin#sha256=00">x.bin</a>'), ['x.bin']);
  assert.deepEqual(names('<a name="x">demo-1.zip</a><a>y.zip</a>'), []);
});

test('of attributes with one name the first counts, and strange names do not get through', () => {
  const page = read(
    '<a href="a-1.zip" href="b-1.zip" data-yanked="1" data-yanked="2" data-x"y="1" data-a<b=2 data-Ok=3>a</a>',
  );
  const [file] = page.files;
  assert.deepEqual([file?.filename, file?.yanked, file?.attributes], ['a-1.zip', '1', ['data-ok', '3']]);
});

test('core metadata claims only what they say', () => {
  const claim = (attributes: string): unknown =>
    read(`<a href="a-1.zip" ${attributes}>a-1.zip</a>`).files[0]?.coreMetadata;
  assert.equal(claim('data-core-metadata="true"'), true);
  assert.equal(claim('data-core-metadata="false"'), undefined);
  assert.equal(claim('data-core-metadata'), undefined);
  assert.deepEqual(claim('data-core-metadata="sha512=ab" data-dist-info-metadata="true"'), { sha512: 'ab' });
  assert.equal(claim('data-core-metadata="__proto__=ab"'), undefined);
});

test('another encoding than UTF-8 is understood when it is declared', () => {
  const body = Buffer.concat([
    Buffer.from('<a href="a-1.zip" data-yanked="'),
    Buffer.from([0xe4]),
    Buffer.from('">a-1.zip</a>'),
  ]);
  assert.equal(read(body, 'text/html; charset=iso-8859-1').files[0]?.yanked, 'ä');
  assert.equal(read(body, 'text/html; charset=no-such').files[0]?.yanked, '\ufffd');
});

test('a document beyond the limits, or made to be slow, is refused quickly', () => {
  const input = { contentType: 'text/html', url: URL_OF_PAGE };
  const links = Buffer.from('<a href="a-1.zip">a-1.zip</a>'.repeat(3));
  assert.throws(() => parsePage({ ...input, body: links }, { ...DEFAULT_PAGE_LIMITS, maxFiles: 2 }), InvalidPage);
  const started = performance.now();
  assert.throws(() => read('<b>'.repeat(1_000_000)), InvalidPage);
  assert.throws(() => read('</b>'.repeat(500_000)), InvalidPage);
  assert.throws(() => read('<'.repeat(1_000_000)), InvalidPage);
  assert.throws(() => read('<!--'.repeat(500_000)), InvalidPage);
  assert.throws(() => read(`<a ${'data-x '.repeat(300_000)}`), InvalidPage);
  read(`<a href="a-1.zip" ${Array.from({ length: 100_000 }, (_, i) => `data-x${i}=1`).join(' ')}>a-1.zip</a>`);
  read(`<a href="a-1.zip" data-yanked="${'&amp;'.repeat(300_000)}">a-1.zip</a>`);
  assert.ok(performance.now() - started < 5000);
});

test('a list of projects is read from the links below it', () => {
  const list = (html: string): ProjectList =>
    parseProjectList({ body: Buffer.from(html), contentType: 'text/html', url: 'https://index.example/simple/' });
  const page = list(
    '<title>Simple index</title><a href="/simple/foo-bar/">Foo.Bar</a><a href="baz/">Something else</a><a href="../help">Help</a>' +
      '<a href="constructor">constructor</a><!--SERIAL 12-->',
  );
  assert.deepEqual(page.names, ['Foo.Bar', 'baz', 'constructor']);
  assert.equal(page.serial, 12);
  assert.deepEqual(page.remarks, [{ subject: 'Help', problem: 'invalid-project-name' }]);
  assert.deepEqual(list('<title>Simple Index</title>').names, []);
  assert.throws(() => list(fixture('login.html').toString()), InvalidPage);
});
