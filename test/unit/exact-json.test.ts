import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isJsonObject, keptNumber, parseExactJson } from '../../src/pages/exact-json.ts';
import { InvalidPage } from '../../src/pages/invalid-page.ts';

const again = (text: string): string => JSON.stringify(parseExactJson(Buffer.from(text), 8));

test('numbers of any size and spelling survive', () => {
  for (const number of [
    '9007199254740993',
    '123456789012345678901234567890',
    '1.0',
    '1e400',
    '-0',
    '0.10',
    '1E5',
    '-5',
  ]) {
    assert.equal(again(`{"a":${number}}`), `{"a":${number}}`);
    assert.equal(again(`[${number}]`), `[${number}]`);
    assert.equal(again(number), number);
  }
});

test('digits and dots in strings are text', () => {
  const text = '{"1.0":"12345678901234567890","\\"9":"\\\\","e":"-0"}';
  assert.equal(again(text), text);
  assert.equal(typeof parseExactJson(Buffer.from('"12345678901234567890"'), 8), 'string');
});

test('a kept number is no object', () => {
  const value = parseExactJson(Buffer.from('12345678901234567890'), 8);
  assert.equal(isJsonObject(value), false);
  assert.equal(keptNumber(value), '12345678901234567890');
  assert.equal(keptNumber({ rawJSON: '1' }), undefined);
  assert.ok(isJsonObject({ rawJSON: '1' }));
});

test('__proto__ is a key like any other, beside kept numbers too', () => {
  for (const text of [
    '{"__proto__":{"polluted":1},"constructor":2}',
    '{"__proto__":{"polluted":1.50},"constructor":2}',
  ]) {
    assert.equal(again(text), text);
    assert.equal(Object.getPrototypeOf(parseExactJson(Buffer.from(text), 8)), Object.prototype);
  }
  assert.equal(({} as Record<string, unknown>).polluted, undefined);
});

test('a byte order mark is dropped', () => {
  assert.deepEqual(parseExactJson(Buffer.from('\uFEFF{"a":1}'), 8), { a: 1 });
});

test('what is not JSON in UTF-8 is refused', () => {
  const texts = [
    '',
    ' ',
    '{',
    '{"a":1',
    '{"a":1}x',
    '{"a":NaN}',
    '{"a":Infinity}',
    "{'a':1}",
    '{"a":1,}',
    '<html>',
    '"',
    '"\\',
    '\\"',
  ];
  for (const text of texts) assert.throws(() => parseExactJson(Buffer.from(text), 8), InvalidPage, text);
  assert.throws(() => parseExactJson(Buffer.from([0x22, 0xff, 0x22]), 8), InvalidPage);
});

test('nesting beyond the limit is refused before it is parsed', () => {
  assert.doesNotThrow(() => parseExactJson(Buffer.from('[[[[[[[["["]]]]]]]]'), 8));
  assert.throws(() => parseExactJson(Buffer.from('[[[[[[[[[]]]]]]]]]'), 8), InvalidPage);
  assert.throws(() => parseExactJson(Buffer.from('['.repeat(2_000_000)), 8), InvalidPage);
  assert.throws(() => parseExactJson(Buffer.from('{"a":'.repeat(100_000)), 8), InvalidPage);
});

test('more values than any page has are refused before anything is built', () => {
  const startedAt = performance.now();
  for (const item of ['{},', '[],', '1,', '"",', '1.0,']) {
    assert.throws(() => parseExactJson(Buffer.from(`[${item.repeat(5_000_000)}0]`), 8), /values/, item);
  }
  assert.ok(performance.now() - startedAt < 5_000);
  assert.throws(() => parseExactJson(Buffer.from(`[${'1.0,'.repeat(2_100_000)}0]`), 8), /values/);
  assert.doesNotThrow(() => parseExactJson(Buffer.from(JSON.stringify([','.repeat(5_000_000)])), 8));
});
