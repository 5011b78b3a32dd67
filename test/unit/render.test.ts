import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileLink } from '../../src/pages/file-links.ts';
import type { PageFormat } from '../../src/pages/negotiate.ts';
import type { ProjectDetail, RenderOptions } from '../../src/pages/page.ts';
import { parsePage, parseProjectList, renderProjectDetail, renderProjectList } from '../../src/pages/page-reader.ts';
import type { ProjectName } from '../../src/pages/project-name.ts';

const URL_OF_PAGE = 'https://index.example/simple/demo-pkg/';
const fixture = (name: string): Buffer => readFileSync(new URL(`../fixtures/pages/${name}`, import.meta.url));
const minified = (text: string): string =>
  text.replace(/("(?:[^"\\]|\\.)*")|\s+/g, (_, string?: string) => string ?? '');

function read(body: string | Buffer, contentType = 'application/json'): ProjectDetail {
  return parsePage({ body: Buffer.from(body), contentType, url: URL_OF_PAGE, expectedName: 'demo-pkg' as ProjectName });
}

function render(page: ProjectDetail, format: PageFormat, options: Partial<RenderOptions> = {}): string {
  return renderProjectDetail(page, format, { fileLink: (url) => fileLink(url), ...options }).toString();
}

function oneFile(members: Record<string, unknown>): ProjectDetail {
  const file = {
    filename: 'demo_pkg-1.0.tar.gz',
    url: 'https://h.example/demo_pkg-1.0.tar.gz',
    hashes: {},
    ...members,
  };
  return read(JSON.stringify({ meta: { 'api-version': '1.0' }, files: [file] }));
}

const linkLine = (page: ProjectDetail, options: Partial<RenderOptions> = {}): string | undefined =>
  render(page, 'html', options)
    .split('\n')
    .find((line) => line.startsWith('<a '));

test('JSON differs from upstream in the file links alone, character for character', () => {
  const expected = minified(fixture('demo.json').toString())
    .replace('https://files.example/', '../../files/https/files.example/')
    .replace('../../packages/', '../../files/https/index.example/packages/');
  assert.equal(render(read(fixture('demo.json')), 'json'), expected);
});

test('HTML is written as version 1.4 has it, one link a line', () => {
  assert.equal(
    render(read(fixture('demo.json')), 'html'),
    `<!DOCTYPE html>
<html>
  <head>
    <meta name="pypi:repository-version" content="1.4">
    <meta name="pypi:project-status" content="archived">
    <meta name="pypi:project-status-reason" content="moved &lt;here&gt;">
    <title>Links for demo-pkg</title>
  </head>
  <body>
    <h1>Links for demo-pkg</h1>
<a href="../../files/https/files.example/packages/ab/cd/0123/demo_pkg-1.0-py3-none-any.whl#sha256=BB3ad42cd6a5ba6bbb1a5ba1e6a1d6f3c7c9be7a1b7e4c6c1f0c8f6b4d6f1e02" data-requires-python="&gt;=3.8,&lt;4" data-core-metadata="sha256=aa3ad42cd6a5ba6bbb1a5ba1e6a1d6f3c7c9be7a1b7e4c6c1f0c8f6b4d6f1e01" data-dist-info-metadata="sha256=aa3ad42cd6a5ba6bbb1a5ba1e6a1d6f3c7c9be7a1b7e4c6c1f0c8f6b4d6f1e01" data-provenance="https://index.example/integrity/demo-pkg/1.0/demo_pkg-1.0-py3-none-any.whl/provenance" data-size="12345" data-upload-time="2024-02-03T04:05:06.789012Z">demo_pkg-1.0-py3-none-any.whl</a><br />
<a href="../../files/https/index.example/packages/demo-pkg-1.0%2Bcu1.tar.gz" data-yanked="broken: &quot;&lt;5&quot; &amp; more&#xa;see 🐍" data-gpg-sig="true">demo-pkg-1.0+cu1.tar.gz</a><br />
  </body>
</html>
<!--SERIAL 31562917-->
`,
  );
});

test('v1-html and html are the same bytes', () => {
  const page = read(fixture('demo.json'));
  assert.equal(render(page, 'v1-html'), render(page, 'html'));
});

test('a page read from HTML becomes JSON 1.0 with all that HTML tells', () => {
  const page = JSON.parse(render(read(fixture('demo.html'), 'text/html'), 'json'));
  assert.deepEqual(page, {
    meta: { '_last-serial': 4711, 'api-version': '1.0' },
    name: 'demo-pkg',
    files: [
      {
        filename: 'demo_pkg-1.0-py3-none-any.whl',
        url: '../../files/https/index.example/mirror/packages/demo_pkg-1.0-py3-none-any.whl',
        hashes: { sha256: 'bb3ad42cd6a5ba6bbb1a5ba1e6a1d6f3c7c9be7a1b7e4c6c1f0c8f6b4d6f1e02' },
        'requires-python': '>=3.8,<4',
        'core-metadata': { sha256: 'aa3ad42cd6a5ba6bbb1a5ba1e6a1d6f3c7c9be7a1b7e4c6c1f0c8f6b4d6f1e01' },
      },
      {
        filename: 'demo-pkg-0.9.zip',
        url: '../../files/https/cdn.example/demo-pkg-0.9.zip',
        hashes: { md5: '0cc175b9c0f1b6a831c399e269772661' },
        yanked: true,
        'gpg-sig': true,
      },
      {
        filename: 'demo_pkg-0.8-py2.7.egg',
        url: '../../files/https/index.example/mirror/root/demo_pkg-0.8-py2.7.egg',
        hashes: {},
        'core-metadata': true,
        yanked: 'bad <wheel>',
      },
    ],
    'project-status': { status: 'deprecated', reason: 'use "other"' },
  });
});

test('a page read from HTML keeps its own data attributes in HTML, and nothing else of its markup', () => {
  const html = render(read(fixture('demo.html'), 'text/html'), 'html');
  assert.match(html, / data-trust-level="high &amp; dry">demo_pkg-1\.0-py3-none-any\.whl<\/a><br \/>\n/);
  assert.match(
    html,
    /<a href="[^"]*demo-pkg-0\.9\.zip#md5=0cc175b9c0f1b6a831c399e269772661" data-yanked="" data-gpg-sig="true">/,
  );
  assert.match(html, /content="1\.3"/);
  assert.ok(html.endsWith('<!--SERIAL 4711-->\n'));
  for (const foreign of ['script', 'onclick', 'rel=', '<base', 's3cret']) assert.ok(!html.includes(foreign), foreign);
});

test('yanked is always written with a value, and not at all when it is false or empty', () => {
  assert.match(linkLine(oneFile({ yanked: true }))!, / data-yanked="">/);
  assert.match(linkLine(oneFile({ yanked: 'why "not"' }))!, / data-yanked="why &quot;not&quot;">/);
  for (const yanked of [false, '']) assert.ok(!linkLine(oneFile({ yanked }))!.includes('yanked'));
  assert.equal(JSON.parse(render(oneFile({ yanked: '' }), 'json')).files[0].yanked, '');
});

test('a link carries one hash, the best that installers accept', () => {
  const hash = (hashes: Record<string, string>): string | undefined =>
    /#([^"]*)"/.exec(linkLine(oneFile({ hashes }))!)?.[1];
  assert.equal(hash({ md5: 'aa', sha512: 'bb', sha256: 'CC' }), 'sha256=CC');
  assert.equal(hash({ sha1: 'aa', md5: 'bb', sha384: 'cc' }), 'sha384=cc');
  assert.equal(hash({ sha1: 'aa', md5: 'bb' }), 'md5=bb');
  assert.equal(hash({ sha1: 'aa' }), 'sha1=aa');
  assert.equal(hash({}), undefined);
  assert.equal(hash({ sha256: '"><script>' }), undefined);
});

test('core metadata is claimed under both names in HTML, and never as false', () => {
  const claim = (value: unknown): string | undefined =>
    / data-core-metadata=.*(?=>d)/.exec(linkLine(oneFile({ 'core-metadata': value }))!)?.[0];
  assert.equal(claim(true), ' data-core-metadata="true" data-dist-info-metadata="true"');
  assert.equal(claim({}), ' data-core-metadata="true" data-dist-info-metadata="true"');
  assert.equal(claim({ blake2b: '00' }), ' data-core-metadata="true" data-dist-info-metadata="true"');
  assert.equal(claim({ sha256: '00' }), ' data-core-metadata="sha256=00" data-dist-info-metadata="sha256=00"');
  assert.equal(claim(false), undefined);
});

test('a claim of core metadata under an old name is repeated under its name of today', () => {
  const file = (members: Record<string, unknown>): Record<string, unknown> =>
    JSON.parse(render(oneFile(members), 'json')).files[0];
  assert.deepEqual(file({ 'dist-info-metadata': { sha256: '00' } })['core-metadata'], { sha256: '00' });
  assert.equal(file({ 'core-metadata': null, 'data-dist-info-metadata': true })['core-metadata'], true);
  assert.equal('core-metadata' in file({}), false);
});

test('core metadata that cannot be had is not claimed, in any format', () => {
  const page = oneFile({ 'core-metadata': true, 'dist-info-metadata': true, 'data-dist-info-metadata': true });
  const options: Partial<RenderOptions> = { offersCoreMetadata: () => false };
  assert.ok(!linkLine(page, options)!.includes('metadata'));
  assert.deepEqual(Object.keys(JSON.parse(render(page, 'json', options)).files[0]), ['filename', 'url', 'hashes']);
  assert.ok(linkLine(page, { offersCoreMetadata: () => true })!.includes('data-core-metadata'));
});

test('a status that upstream hides in meta is written at the top level', () => {
  const page = read('{"meta":{"project-status":{"status":"archived"}},"files":[]}');
  assert.deepEqual(JSON.parse(render(page, 'json'))['project-status'], { status: 'archived' });
});

test('files that were filtered out of a page are not rendered', () => {
  const page = read(fixture('demo.json'));
  const filtered = { ...page, files: page.files.slice(1) };
  assert.equal(JSON.parse(render(filtered, 'json')).files.length, 1);
  assert.ok(!render(filtered, 'html').includes('.whl'));
});

test('the list of projects is passed on in JSON and linked by normal names in HTML', () => {
  const text =
    '{"meta":{"_last-serial":9007199254740993,"api-version":"1.4"},"projects":[{"name":"Foo.Bar","_x":1.0},{"name":"<b>"}]}';
  const list = parseProjectList({
    body: Buffer.from(text),
    contentType: 'application/json',
    url: 'https://index.example/simple/',
  });
  assert.equal(renderProjectList(list, 'json').toString(), text);
  const html = renderProjectList(list, 'html').toString();
  assert.match(html, /\n<a href="foo-bar\/">Foo\.Bar<\/a><br \/>\n/);
  assert.ok(!html.includes('<b>'));
});
