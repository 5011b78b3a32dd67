import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expectationOf } from '../../src/files/file-resources.ts';
import { parseRange } from '../../src/http-semantics/byte-range.ts';

test('a range is what RFC 9110 14.1.2 says it is', () => {
  const cases: readonly [string, ReturnType<typeof parseRange>][] = [
    ['bytes=0-0', { first: 0, last: 0 }],
    ['bytes=5-', { first: 5, last: 99 }],
    ['bytes=-5', { first: 95, last: 99 }],
    ['bytes=-500', { first: 0, last: 99 }],
    ['bytes=90-500', { first: 90, last: 99 }],
    ['BYTES= 1-2 ', { first: 1, last: 2 }],
    ['bytes=100-', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=5-4', 'whole'],
    ['bytes=-', 'whole'],
    ['bytes=0-1,3-4', 'whole'],
    ['pages=0-1', 'whole'],
    ['', 'whole'],
    ['bytes=99999999999999999999-', 'unsatisfiable'],
  ];
  for (const [field, expected] of cases) assert.deepEqual(parseRange(field, 100), expected, field);
});

test('no range of an empty body can be satisfied', () => {
  for (const field of ['bytes=0-', 'bytes=-1', 'bytes=0-0']) assert.equal(parseRange(field, 0), 'unsatisfiable');
});

test('the strongest usable hash of a record counts, in lower case', () => {
  const md5 = 'AB'.repeat(16);
  const sha256 = 'cd'.repeat(32);
  assert.deepEqual(expectationOf({ md5, sha256 }), { algorithm: 'sha256', hex: sha256 });
  assert.deepEqual(expectationOf({ md5 }), { algorithm: 'md5', hex: md5.toLowerCase() });
  assert.deepEqual(expectationOf({ md5, sha256: 'cd' }), { algorithm: 'md5', hex: md5.toLowerCase() });
  assert.equal(expectationOf({ sha256: 'zz'.repeat(32) }), undefined);
  assert.equal(expectationOf({ blake2b: 'ab'.repeat(32) }), undefined);
  assert.equal(expectationOf({}), undefined);
});
