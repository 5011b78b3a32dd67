import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  deltaSeconds,
  parseDirectives,
  readRequestDirectives,
  readResponseDirectives,
} from '../../src/http-semantics/cache-control.ts';

const response = (value: string) => readResponseDirectives(parseDirectives(value));
const request = (value: string) => readRequestDirectives(parseDirectives(value));

test('directive names are read without regard to case, arguments bare or quoted', () => {
  assert.equal(response('MaX-aGe=3600').maxAge, 3600);
  assert.equal(response('max-age="3600"').maxAge, 3600);
  assert.equal(response('No-StOrE').noStore, true);
});

test('a lifetime that is no integer of seconds counts as expired, not as absent', () => {
  for (const value of ['-1', '3600.0', '3600a', 'a3600', "'3600'", '', ' 3600', '1e3', '"36', 'x36"', '٣']) {
    assert.equal(response(`max-age=${value}`).maxAge, 0, value);
  }
  assert.equal(response('max-age =3600').maxAge, 0);
  assert.equal(response('max-age').maxAge, 0);
  assert.equal(response('public').maxAge, undefined);
});

test('leading zeros are harmless and an overflow is 2^31 seconds', () => {
  assert.equal(deltaSeconds('003600'), 3600);
  assert.equal(deltaSeconds('99999999999'), 2 ** 31);
  assert.equal(deltaSeconds('9'.repeat(400)), 2 ** 31);
});

test('of a directive given twice the first occurrence counts', () => {
  assert.equal(response('max-age=1, max-age=1800').maxAge, 1);
  assert.equal(response('max-age=1800, max-age=1').maxAge, 1800);
});

test('what stands in a quoted string is no directive', () => {
  assert.equal(response('extension="max-age=3600, no-store", max-age=1').maxAge, 1);
  assert.equal(response('extension="max-age=3600, no-store", max-age=1').noStore, false);
  assert.equal(response('extension="a\\", max-age=9", max-age=1').maxAge, 1);
});

test('a quote that is never closed hides no directive behind it', () => {
  assert.equal(response('extension="oops, no-store').noStore, true);
  assert.equal(response('private="set-cookie, max-age=5').private, true);
});

test('qualified no-cache and private withhold fields, and only the unqualified forms restrict the whole', () => {
  const qualified = response('no-cache="A, b", private=c, max-age=5');
  assert.deepEqual(qualified.withheldFields, ['a', 'b', 'c']);
  assert.equal(qualified.noCache || qualified.private, false);
  assert.equal(response('no-cache="a", no-cache').noCache, true);
  assert.equal(response('private=""').private, true);
  assert.equal(response('private ="a"').private, true);
});

test('a request may limit age, freshness and staleness, and an invalid limit is the strict one', () => {
  assert.equal(request('max-stale').maxStale, Infinity);
  assert.equal(request('max-stale=5').maxStale, 5);
  assert.equal(request('max-stale=x').maxStale, undefined);
  assert.equal(request('max-age=x').maxAge, 0);
  assert.equal(request('min-fresh=7').minFresh, 7);
  assert.equal(request('only-if-cached').onlyIfCached, true);
});

test('a hostile field of quotes and backslashes is read in linear time', () => {
  const hostile = `a="${'\\"'.repeat(200_000)}`;
  const started = process.cpuUsage().user;
  parseDirectives(hostile);
  assert.ok(process.cpuUsage().user - started < 1_000_000);
});
