// Sizes and times of upload, whatever format an upstream writes them in, in the form that installers read.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ProjectDetail } from '../../src/pages/page.ts';
import { isUploadTime, uploadTimeOf } from '../../src/pages/page-fields.ts';
import { parsePage } from '../../src/pages/page-reader.ts';
import type { ProjectName } from '../../src/pages/project-name.ts';
import { detailHtml } from '../../src/pages/render-html.ts';
import { detailJson } from '../../src/pages/render-json.ts';

const FILE = 'demo-1.0.tar.gz';
const options = { fileLink: (url: string) => url };

function parsed(body: string, contentType: string): ProjectDetail {
  const expectedName = 'demo' as ProjectName;
  return parsePage({ body: Buffer.from(body), contentType, url: 'https://index.example/simple/demo/', expectedName });
}

const html = (attributes: string) => parsed(`<a href="${FILE}" ${attributes}>${FILE}</a>`, 'text/html');
const json = (members: object) =>
  parsed(
    JSON.stringify({
      meta: { 'api-version': '1.1' },
      name: 'demo',
      files: [{ filename: FILE, url: FILE, hashes: {}, ...members }],
    }),
    'application/vnd.pypi.simple.v1+json',
  );
const fileInJson = (page: ProjectDetail) => JSON.parse(detailJson(page, options)).files[0];

test('times of upload are read by RFC 3339, a time without zone as UTC, and written in UTC', () => {
  const cases: [string, string][] = [
    ['2024-02-03T04:05:06.789012Z', '2024-02-03T04:05:06.789012Z'],
    ['2024-02-03T04:05:06Z', '2024-02-03T04:05:06Z'],
    ['2024-02-03T04:05:06', '2024-02-03T04:05:06Z'],
    [' 2024-02-03 04:05:06.7 ', '2024-02-03T04:05:06.7Z'],
    ['2024-02-03t04:05:06z', '2024-02-03T04:05:06Z'],
    ['2024-02-03T04:05:06+00:00', '2024-02-03T04:05:06Z'],
    ['2024-02-03T01:05:06.25+02:30', '2024-02-02T22:35:06.25Z'],
    ['2024-02-29T23:30:00-01:00', '2024-03-01T00:30:00Z'],
    ['2016-12-31T23:59:60Z', '2016-12-31T23:59:59Z'],
    ['2024-02-03T04:05:06.123456789Z', '2024-02-03T04:05:06.123456Z'],
  ];
  for (const [given, expected] of cases) assert.equal(uploadTimeOf(given), expected, given);
});

test('what is no time of the calendar is no time of upload', () => {
  const garbage = ['', 'yesterday', '2024', '2024-02-03', '1706933106', '2023-02-29T00:00:00Z', '2024-13-01T00:00:00Z'];
  const close = ['2024-02-03T24:00:00Z', '2024-02-03T04:60:00Z', '2024-2-3T04:05:06Z', '2024-02-03T04:05:06+24:00'];
  const odd = [
    '2024-00-10T00:00:00Z',
    '2024-04-31T00:00:00',
    'Sat, 03 Feb 2024 04:05:06 GMT',
    '9999-12-31T23:59:59-10:00',
  ];
  for (const text of [...garbage, ...close, ...odd]) {
    assert.equal(uploadTimeOf(text), undefined, text);
    assert.equal(isUploadTime(text), false, text);
  }
});

test('every moment is read back as itself, in whatever zone it was written', () => {
  const moment = fc.date({
    min: new Date('1990-01-01T00:00:00Z'),
    max: new Date('2100-01-01T00:00:00Z'),
    noInvalidDate: true,
  });
  const zone = fc.integer({ min: -23 * 60 - 59, max: 23 * 60 + 59 });
  fc.assert(
    fc.property(moment, zone, (at, offset) => {
      const local = new Date(at.getTime() + offset * 60_000).toISOString().slice(0, -1);
      const two = (value: number) => String(Math.floor(value)).padStart(2, '0');
      const absolute = Math.abs(offset);
      const written = `${local}${offset < 0 ? '-' : '+'}${two(absolute / 60)}:${two(absolute % 60)}`;
      assert.equal(uploadTimeOf(written), at.toISOString());
      assert.equal(isUploadTime(written), true, written);
    }),
  );
});

test('size and time of an HTML page stand in our JSON, and in our HTML', () => {
  const page = html('data-size="12345" data-upload-time="2024-02-03T04:05:06" data-yanked="bad" data-own="kept"');
  const file = fileInJson(page);
  assert.equal(file.size, 12_345);
  assert.equal(file['upload-time'], '2024-02-03T04:05:06Z');
  assert.equal(file.yanked, 'bad');
  const written = detailHtml(page, options);
  assert.match(written, / data-size="12345" data-upload-time="2024-02-03T04:05:06Z" data-own="kept">/);
  assert.equal(written.match(/data-size/g)?.length, 1);
  assert.deepEqual(page.remarks, []);
});

test('size and time of a JSON page stand in our HTML', () => {
  const page = json({ size: 7, 'upload-time': '2024-02-03T04:05:06.1Z' });
  assert.match(detailHtml(page, options), / data-size="7" data-upload-time="2024-02-03T04:05:06.1Z">/);
  assert.deepEqual(page.remarks, []);
});

test('our HTML is read back with the sizes and times that it was written with', () => {
  const first = json({ size: 2 ** 53 - 1, 'upload-time': '2024-02-03T04:05:06.123456Z' });
  const again = parsed(detailHtml(first, options), 'text/html');
  const [file] = again.files;
  assert.deepEqual([file?.sizeBytes, file?.uploadTime], [2 ** 53 - 1, '2024-02-03T04:05:06.123456Z']);
});

test('garbage is left out and counted, and the file stays', () => {
  for (const [attributes, problem] of [
    ['data-size="12 KB"', 'invalid-size'],
    ['data-size="-1"', 'invalid-size'],
    ['data-size=""', 'invalid-size'],
    ['data-size="9007199254740993"', 'invalid-size'],
    ['data-upload-time="yesterday"', 'invalid-value'],
    ['data-upload-time=""', 'invalid-value'],
  ] as const) {
    const page = html(attributes);
    assert.deepEqual(page.remarks, [{ subject: FILE, problem }], attributes);
    assert.deepEqual([page.files[0]?.sizeBytes, page.files[0]?.uploadTime], [undefined, undefined], attributes);
    assert.deepEqual(Object.keys(fileInJson(page)).sort(), ['filename', 'hashes', 'url'], attributes);
    assert.doesNotMatch(detailHtml(page, options), /data-(?:size|upload-time)/, attributes);
  }
});

test('a time in JSON over which installers refuse the page is mended where it is one, else left out', () => {
  assert.equal(fileInJson(json({ 'upload-time': '2024-02-03T04:05:06' }))['upload-time'], '2024-02-03T04:05:06Z');
  assert.equal(
    fileInJson(json({ 'upload-time': '2024-02-03T04:05:06+02:00' }))['upload-time'],
    '2024-02-03T04:05:06+02:00',
  );
  const garbage = json({ 'upload-time': 'yesterday' });
  assert.equal('upload-time' in fileInJson(garbage), false);
  assert.deepEqual(garbage.remarks, [{ subject: FILE, problem: 'invalid-value' }]);
});
