import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mapLegacyJson } from '../../src/pages/documents.ts';
import { fileLink } from '../../src/pages/file-links.ts';
import { InvalidPage } from '../../src/pages/invalid-page.ts';

const URL_OF_ANSWER = 'https://index.example/pypi/demo/json';
const map = (text: string) => mapLegacyJson(Buffer.from(text), URL_OF_ANSWER, (url) => fileLink(url));

test('file URLs become ours and the rest stays, character for character', () => {
  const text =
    '{"info":{"name":"demo","url":"https://home.example/","__proto__":{"x":1.50}},"last_serial":123456789012345678901,' +
    '"releases":{"1.0":[{"url":"https://files.example/p/demo-1.0.zip","size":1}],"__proto__":[],"2.0":[]},' +
    '"urls":[{"digests":{},"url":"/p/demo-1.0.zip"}],"vulnerabilities":[{"url":"https://v.example/"}]}';
  const expected = text
    .replace('https://files.example/', '../../files/https/files.example/')
    .replace('"/p/', '"../../files/https/index.example/p/');
  const { bytes, remarks } = map(text);
  assert.equal(bytes.toString(), expected);
  assert.deepEqual(remarks, []);
});

test('a file without a link is left out, and told', () => {
  const { bytes, remarks } = map('{"info":{},"urls":[{"url":"ftp://h.example/a.zip"},{"url":7},null]}');
  assert.equal(bytes.toString(), '{"info":{},"urls":[]}');
  assert.deepEqual(
    remarks.map((remark) => remark.problem),
    ['unusable-url', 'no-file-object', 'no-file-object'],
  );
});

test('what is no such document is refused', () => {
  for (const text of ['', '<html>', '[]', '{}', '{"info":null}', '{"message":"Not Found"}']) {
    assert.throws(() => map(text), InvalidPage, text);
  }
});
