import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileLink } from '../../src/pages/file-links.ts';
import { InvalidPage } from '../../src/pages/invalid-page.ts';
import { DEFAULT_PAGE_LIMITS, type ProjectDetail, pageFacts } from '../../src/pages/page.ts';
import { parsePage, parseProjectList } from '../../src/pages/page-reader.ts';
import type { ProjectName } from '../../src/pages/project-name.ts';
import { detailJson } from '../../src/pages/render-json.ts';

const URL_OF_PAGE = 'https://index.example/simple/demo-pkg/';
const TYPE = 'application/vnd.pypi.simple.v1+json';
const FIXTURE = readFileSync(new URL('../fixtures/pages/demo.json', import.meta.url));

function read(
  text: string | Buffer,
  more: { contentType?: string; serialHeader?: string; expectedName?: string } = {},
): ProjectDetail {
  const expectedName = (more.expectedName ?? 'demo-pkg') as ProjectName;
  return parsePage({ contentType: TYPE, url: URL_OF_PAGE, ...more, expectedName, body: Buffer.from(text) });
}

/** A page of one file, its object given as text. */
function oneFile(members: string, page = ''): ProjectDetail {
  const file = `{"filename":"demo_pkg-1.0.tar.gz","url":"demo_pkg-1.0.tar.gz"${members}}`;
  return read(`{"meta":{"api-version":"1.1"},"name":"demo-pkg","files":[${file}]${page}}`);
}

test('every field of a page is understood', () => {
  const page = read(FIXTURE);
  const [wheel, sdist] = page.files;
  assert.deepEqual(
    { ...wheel, source: undefined },
    {
      filename: 'demo_pkg-1.0-py3-none-any.whl',
      url: 'https://files.example/packages/ab/cd/0123/demo_pkg-1.0-py3-none-any.whl',
      hashes: {
        md5: '0cc175b9c0f1b6a831c399e269772661',
        sha256: 'BB3ad42cd6a5ba6bbb1a5ba1e6a1d6f3c7c9be7a1b7e4c6c1f0c8f6b4d6f1e02',
      },
      sizeBytes: 12345,
      uploadTime: '2024-02-03T04:05:06.789012Z',
      requiresPython: '>=3.8,<4',
      coreMetadata: { sha256: 'aa3ad42cd6a5ba6bbb1a5ba1e6a1d6f3c7c9be7a1b7e4c6c1f0c8f6b4d6f1e01' },
      yanked: false,
      gpgSig: undefined,
      provenance: 'https://index.example/integrity/demo-pkg/1.0/demo_pkg-1.0-py3-none-any.whl/provenance',
      source: undefined,
      attributes: [],
    },
  );
  assert.equal(sdist?.url, 'https://index.example/packages/demo-pkg-1.0%2Bcu1.tar.gz');
  assert.equal(sdist.yanked, 'broken: "<5" & more\nsee 🐍');
  assert.equal(sdist.coreMetadata, false);
  assert.equal(sdist.sizeBytes, undefined);
  assert.equal(page.name, 'demo-pkg');
  assert.equal(page.htmlVersion, '1.4');
  assert.deepEqual(page.remarks, []);
  assert.deepEqual(pageFacts(page), {
    serial: 31562917,
    files: 2,
    status: 'archived',
    reason: 'moved <here>',
    apiVersion: '1.4',
    versions: 3,
  });
});

test('the content type may be application/json, have parameters, or be missing', () => {
  for (const contentType of ['application/json', `${TYPE}; charset=utf-8`, 'Application/JSON', '']) {
    assert.equal(read(FIXTURE, { contentType }).files.length, 2);
  }
  const body = Buffer.from(`\uFEFF \n${FIXTURE}`);
  assert.equal(parsePage({ body, contentType: undefined, url: URL_OF_PAGE }).files.length, 2);
});

test('a body that is no page is refused', () => {
  const whole = FIXTURE.toString();
  const bodies = [
    '',
    whole.slice(0, -20),
    `${whole}x`,
    '[]',
    '3',
    'null',
    '{}',
    '{"files":{}}',
    '<!DOCTYPE html><h1>Links for demo-pkg</h1>',
  ];
  const shapes = [
    '{"files":[],"meta":3}',
    '{"files":[],"meta":{"api-version":"2.0"}}',
    '{"files":[],"meta":{"api-version":"x"}}',
  ];
  for (const body of [...bodies, ...shapes]) assert.throws(() => read(body), InvalidPage, body.slice(0, 60));
  for (const contentType of ['text/plain', 'application/xml', 'application/vnd.pypi.simple.v2+json', 'text/html']) {
    assert.throws(() => read(FIXTURE, { contentType }), InvalidPage, contentType);
  }
  assert.throws(() => parsePage({ body: Buffer.from('hello'), contentType: undefined, url: URL_OF_PAGE }), InvalidPage);
});

test("another project's page is refused, another spelling of the name is not", () => {
  assert.throws(() => read(FIXTURE, { expectedName: 'demo' }), InvalidPage);
  assert.throws(() => read('{"files":[],"name":"__proto__"}', { expectedName: 'proto' }), InvalidPage);
  assert.equal(read('{"files":[],"name":"Demo_Pkg"}').name, 'Demo_Pkg');
  assert.equal(read('{"files":[]}').name, 'demo-pkg');
  for (const name of ['constructor', 'tostring', 'hasownproperty']) {
    assert.equal(read(`{"files":[],"name":"${name}"}`, { expectedName: name }).name, name);
  }
});

test('the version of the API is 1.0 where it is missing, and may lack its quotes', () => {
  assert.equal(read('{"files":[]}').apiVersion, '1.0');
  assert.equal(read('{"files":[],"meta":{"api-version":1.0}}').apiVersion, '1.0');
  assert.equal(read('{"files":[],"meta":{"api-version":1.1}}').apiVersion, '1.1');
  const future = read('{"files":[],"meta":{"api-version":"1.12"}}');
  assert.deepEqual([future.apiVersion, future.htmlVersion], ['1.12', '1.4']);
});

test('the serial is that of the page, else that of the header', () => {
  assert.equal(read('{"files":[],"meta":{"_last-serial":5}}', { serialHeader: '7' }).serial, 5);
  assert.equal(read('{"files":[]}', { serialHeader: ' 7 ' }).serial, 7);
  for (const serialHeader of ['', '-1', '1e3', 'x'])
    assert.equal(read('{"files":[]}', { serialHeader }).serial, undefined);
  assert.deepEqual(pageFacts(read('{"files":[]}')), { files: 0, apiVersion: '1.0' });
});

test('a status is read at the top level, in meta, and as plain text', () => {
  const quarantined = { status: 'quarantined', reason: undefined };
  assert.deepEqual(read('{"files":[],"project-status":{"status":"quarantined"}}').status, quarantined);
  assert.deepEqual(read('{"files":[],"meta":{"project-status":{"status":"quarantined"}}}').status, quarantined);
  assert.deepEqual(read('{"files":[],"project-status":"quarantined"}').status, quarantined);
  assert.equal(read('{"files":[],"project-status":null}').status, undefined);
});

test('a wrong size is dropped, told, and makes the page 1.0', () => {
  for (const size of ['-1', '1.5', '1.0', '1e3', 'null', '"12"', '-12345678901234567890', 'true']) {
    const page = oneFile(`,"hashes":{},"size":${size}`);
    assert.equal(page.files[0]?.sizeBytes, undefined);
    assert.equal('size' in page.files[0]!.source, false, size);
    assert.equal(page.apiVersion, '1.0');
    assert.deepEqual(page.remarks, [{ subject: 'demo_pkg-1.0.tar.gz', problem: 'invalid-size' }]);
  }
  assert.equal(oneFile(',"hashes":{},"size":0').apiVersion, '1.1');
});

test('values that make an installer refuse the whole page are dropped', () => {
  const page = oneFile(',"yanked":null,"upload-time":null,"requires-python":7,"x":null');
  assert.deepEqual(page.files[0]?.source, {
    filename: 'demo_pkg-1.0.tar.gz',
    url: 'demo_pkg-1.0.tar.gz',
    x: null,
    hashes: {},
  });
  assert.equal(page.apiVersion, '1.1');
  assert.equal(page.remarks[0]?.problem, 'invalid-value');
  assert.deepEqual(oneFile(',"hashes":{"sha256":"00","md5":null}').files[0]?.hashes, { sha256: '00' });
});

test('an empty yank reason is kept, and told', () => {
  const page = oneFile(',"hashes":{},"yanked":""');
  assert.equal(page.files[0]?.yanked, '');
  assert.equal(page.remarks[0]?.problem, 'empty-yank-reason');
  assert.equal(oneFile(',"hashes":{},"yanked":true').files[0]?.yanked, true);
  assert.equal(oneFile(',"hashes":{}').files[0]?.yanked, false);
});

test('core metadata is found under each of its names', () => {
  const claims: readonly [string, unknown][] = [
    ['"core-metadata":true', true],
    ['"core-metadata":{}', {}],
    ['"core-metadata":{"blake2b":"00"}', { blake2b: '00' }],
    ['"core-metadata":false', false],
    ['"core-metadata":null', undefined],
    ['"core-metadata":null,"dist-info-metadata":true', true],
    ['"dist-info-metadata":{"sha256":"00"}', { sha256: '00' }],
    ['"data-dist-info-metadata":true', true],
    ['"core-metadata":false,"dist-info-metadata":true', false],
    ['"x":1', undefined],
  ];
  for (const [claim, expected] of claims)
    assert.deepEqual(oneFile(`,"hashes":{},${claim}`).files[0]?.coreMetadata, expected, claim);
});

test('files that cannot be served are left out, never silently', () => {
  const files = [
    '{"filename":"a-1.zip","url":"file:///a-1.zip"}',
    '{"filename":"a-1.zip","url":"https://u:secret@h.example/a-1.zip"}',
    '{"filename":"../a-1.zip","url":"a-1.zip"}',
    '{"filename":"a\\u202Epiz.1","url":"a-1.zip"}',
    `{"filename":"${'ä'.repeat(150)}.zip","url":"a-1.zip"}`,
    '{"filename":"","url":"a-1.zip"}',
    '{"filename":"a-1.zip"}',
    '{"url":"a-1.zip"}',
    '7',
    'null',
    '{"filename":"a-1.zip","url":"get?file=a-1.zip"}',
    '{"filename":"a-2.zip","url":"get?file=a-2.zip"}',
    '{"filename":"a-1.zip","url":"get?file=a-1.zip"}',
  ];
  const page = read(`{"files":[${files.join()}]}`);
  assert.deepEqual(
    page.files.map((file) => file.url),
    ['https://h.example/a-1.zip', `${URL_OF_PAGE}get?file=a-1.zip`, `${URL_OF_PAGE}get?file=a-1.zip`],
  );
  assert.deepEqual(
    page.remarks.map((remark) => remark.problem),
    [
      ...['unusable-url', 'invalid-value', 'unsafe-filename', 'unsafe-filename', 'unsafe-filename', 'unsafe-filename'],
      ...['no-file-object', 'no-file-object', 'no-file-object', 'no-file-object'],
      ...['invalid-value', 'ambiguous-url', 'invalid-value'],
    ],
  );
});

test('values of any type in any place are refused or left out, never an accident', () => {
  for (const value of [
    '1.0',
    '12345678901234567890',
    '{"toString":1}',
    '[1.0]',
    '{"__proto__":null}',
    'null',
    'true',
    '[[]]',
  ]) {
    const file = (key: string): string => `{"filename":"a-1.zip","url":"a-1.zip","hashes":{},"${key}":${value}}`;
    const keys = [
      'size',
      'yanked',
      'hashes',
      'upload-time',
      'requires-python',
      'core-metadata',
      'gpg-sig',
      'provenance',
    ];
    const page = read(
      `{"files":[${value},${[...keys, 'filename', 'url'].map(file).join()}],"versions":${value},"project-status":${value}}`,
    );
    assert.equal(page.files.length, keys.length, value);
    for (const text of [
      `{"files":[],"meta":{"api-version":[${value}]}}`,
      `{"files":[],"name":[${value}],"meta":[]}`,
      `[${value}]`,
    ]) {
      assert.throws(() => read(text), InvalidPage, text);
    }
    const list = Buffer.from(`{"projects":[${value},{"name":${value}}]}`);
    assert.deepEqual(parseProjectList({ body: list, contentType: TYPE, url: URL_OF_PAGE }).names, []);
  }
});

test('a remark tells no credentials, and neither does the page', () => {
  const links = [
    'https://u:s3cret@h.example/a.zip',
    'HTTP:u:s3cret@h.example/a.zip',
    '//s3cret@h.example/a',
    'x:/a?s=s3cret',
    'ftp://h.example/a#s3cret',
    'ftp://a@s3cret@h.example/',
  ];
  const files = links.map((url) => ({ filename: 'a.zip', url, hashes: {} }));
  const page = read(JSON.stringify({ files }));
  const { remarks } = page;
  assert.equal(remarks.length, 3);
  assert.ok(!JSON.stringify(remarks).includes('s3cret'), JSON.stringify(remarks));
  assert.deepEqual(remarks[0], {
    subject: 'a.zip',
    problem: 'unusable-url',
    reason: 'its link is neither http nor https',
  });
  assert.deepEqual(
    page.files.map(({ userInfo }) => userInfo),
    ['u:s3cret', 'u:s3cret', 's3cret:'],
  );
  assert.doesNotMatch(detailJson(page, { fileLink: (url) => fileLink(url) }), /s3cret/);
});

test('a page beyond the limits is refused', () => {
  const body = Buffer.from('{"files":[{},{},{}]}');
  const input = { body, contentType: TYPE, url: URL_OF_PAGE, expectedName: 'demo-pkg' as ProjectName };
  assert.throws(() => parsePage(input, { ...DEFAULT_PAGE_LIMITS, maxFiles: 2 }), InvalidPage);
  assert.throws(() => parsePage(input, { ...DEFAULT_PAGE_LIMITS, maxDepth: 2 }), InvalidPage);
  assert.doesNotThrow(() => parsePage(input, { ...DEFAULT_PAGE_LIMITS, maxFiles: 3, maxDepth: 3 }));
});

test('the list of projects keeps its order and spelling, and tells of names that are none', () => {
  const projects = '[{"name":"Zope.X"},{"name":"constructor"},{"name":"../x"},{},{"name":"a","_last-serial":1}]';
  const text = `{"meta":{"api-version":"1.3","_last-serial":9},"projects":${projects}}`;
  const list = parseProjectList({ body: Buffer.from(text), contentType: TYPE, url: 'https://index.example/simple/' });
  assert.deepEqual(list.names, ['Zope.X', 'constructor', 'a']);
  assert.equal(list.serial, 9);
  assert.equal(list.remarks.length, 2);
  const input = { contentType: TYPE, url: 'https://index.example/simple/' };
  assert.throws(() => parseProjectList({ ...input, body: Buffer.from('{"files":[]}') }), InvalidPage);
  assert.throws(
    () => parseProjectList({ ...input, body: Buffer.from(text) }, { ...DEFAULT_PAGE_LIMITS, maxProjects: 4 }),
    InvalidPage,
  );
});

test('a quarantine counts wherever it stands, and its place in our page is the top', () => {
  const status = (top: string, inMeta: string) =>
    read(`{"meta":{"api-version":"1.4","project-status":${inMeta}},"project-status":${top},"files":[]}`);
  const quarantined = '{"status":"quarantined","reason":"malware"}';
  for (const page of [status(quarantined, '{"status":"active"}'), status('{"status":"active"}', quarantined)]) {
    assert.deepEqual(page.status, { status: 'quarantined', reason: 'malware' });
    const json = JSON.parse(detailJson(page, { fileLink: (url) => url })) as { 'project-status': object };
    assert.deepEqual(json['project-status'], JSON.parse(quarantined));
  }
  assert.equal(status('{"status":"archived"}', '{"status":"active"}').status?.status, 'archived');
});

test('values that make installers refuse a whole page are left out of it, with a remark', () => {
  const file = '"filename":"a-1-py3-none-any.whl","url":"a-1-py3-none-any.whl","hashes":{}';
  const page = read(
    `{"files":[{${file},"core-metadata":"yes","gpg-sig":1,"provenance":{},"upload-time":null}],
      "versions":["1",null,2],"project-status":{"status":5}}`,
  );
  const json = JSON.parse(detailJson(page, { fileLink: (url) => url })) as { files: object[] };
  assert.deepEqual(Object.keys(json.files[0]!), ['filename', 'url', 'hashes']);
  assert.deepEqual({ ...json, meta: 0, name: 0, files: 0 }, { meta: 0, name: 0, files: 0, versions: ['1'] });
  assert.deepEqual(
    page.remarks.map(({ subject }) => subject),
    ['project-status', 'versions', 'a-1-py3-none-any.whl'],
  );
  const hashed = read(`{"files":[{${file},"core-metadata":{"sha256":5,"md5":"ab"}},{${file},"core-metadata":null}]}`);
  assert.deepEqual(
    hashed.files.map(({ source }) => source['core-metadata']),
    [{ md5: 'ab' }, null],
  );
});
