import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseHttpDate } from '../../src/http-semantics/http-date.ts';
import { NOON } from './freshness-fixtures.ts';

test('the three formats of RFC 9110 name the same instant, whatever the case of their words', () => {
  const expected = Date.UTC(2050, 7, 18, 2, 1, 18);
  for (const text of [
    'Thu, 18 Aug 2050 02:01:18 GMT',
    'THU, 18 AUG 2050 02:01:18 gMT',
    'Thursday, 18-Aug-50 02:01:18 GMT',
    'Thu Aug 18 02:01:18 2050',
  ]) {
    assert.equal(parseHttpDate(text, NOON), expected, text);
  }
  assert.equal(parseHttpDate('Mon Aug  8 02:01:18 2050', NOON), Date.UTC(2050, 7, 8, 2, 1, 18));
});

test('anything else is no date, though Date.parse would take most of it', () => {
  for (const text of [
    '0',
    '',
    'Thu, 18 Aug 2050 02:01:18 UTC',
    'Thu, 18 Aug 2050 02:01:18 AEST',
    'Thu, 18 Aug 50 02:01:18 GMT',
    'Thu 18 Aug 2050 02:01:18 GMT',
    'Thu, 18  Aug  2050 02:01:18 GMT',
    'Thu, 18-Aug-2050 02:01:18 GMT',
    'Thu, 18 Aug 2050 02.01.18 GMT',
    'Thu, 18 Aug 2050 2:01:18 GMT',
    'Thu, 18 Anf 2050 02:01:18 GMT',
    'Thu, 31 Feb 2050 02:01:18 GMT',
    'Thu, 18 Aug 2050 24:01:18 GMT',
    'Thu, 18 Aug 2050 02:60:18 GMT',
    'Thu, 18 Aug 2050 02:01:61 GMT',
    'Thu, 18 Aug 0050 02:01:18 GMT',
    '2050-08-18T02:01:18Z',
    'Thu, 18 Aug 2050 02:01:18 GMT, Thu, 18 Aug 2050 02:01:18 GMT',
  ]) {
    assert.equal(parseHttpDate(text, NOON), undefined, text);
  }
});

test('a two-digit year more than 50 years ahead lies in the past', () => {
  const year = (text: string) => new Date(parseHttpDate(text, NOON)!).getUTCFullYear();
  assert.equal(year('Sunday, 06-Nov-94 08:49:37 GMT'), 1994);
  assert.equal(year('Sunday, 06-Nov-76 08:49:37 GMT'), 2076);
  assert.equal(year('Sunday, 06-Nov-77 08:49:37 GMT'), 1977);
});

test('a leap second is the second after it', () => {
  assert.equal(parseHttpDate('Sat, 31 Dec 2016 23:59:60 GMT', NOON), Date.UTC(2017, 0, 1));
});
