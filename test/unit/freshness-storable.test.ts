import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fieldValue } from '../../src/core/http-message.ts';
import { STRICT_RULES } from '../../src/http-semantics/rules.ts';
import { storable, storedFields } from '../../src/http-semantics/storable.ts';
import { get, httpDate, NOON, NOON_DATE, stored } from './freshness-fixtures.ts';

const FRESH = ['cache-control', 'max-age=60'];

function decide(fields: readonly string[], status = 200, request = get(), rules = STRICT_RULES) {
  const decided = storable(request, stored(fields, { status }), rules);
  return decided.store ? 'stored' : decided.reason;
}

test('every final status with explicit freshness is stored, but those that answer one request alone', () => {
  for (const status of [200, 203, 204, 299, 301, 302, 400, 404, 410, 499, 500, 503, 599]) {
    assert.equal(decide(FRESH, status), 'stored', String(status));
  }
  for (const status of [100, 103, 304, 407, 412, 416, 428, 429, 431, 511]) {
    assert.equal(decide(FRESH, status), 'status', String(status));
  }
  assert.equal(decide(FRESH, 206), 'partial');
});

test('without explicit freshness only heuristically cacheable or public responses are stored', () => {
  const fields = ['last-modified', httpDate(-1000)];
  assert.equal(decide(fields, 200), 'stored');
  assert.equal(decide(fields, 201), 'status');
  assert.equal(decide([...fields, 'cache-control', 'public'], 201), 'stored');
});

test('what could never be used again is not stored', () => {
  assert.equal(decide([]), 'no-freshness-or-validator');
  assert.equal(decide(['cache-control', 'no-cache, max-age=60']), 'no-freshness-or-validator');
  assert.equal(decide(['cache-control', 'no-cache', 'etag', '"a"']), 'stored');
  assert.equal(decide(['vary', 'accept, *', ...FRESH]), 'vary-star');
});

test('an expired response is stored: it may be validated, and stand in during an outage', () => {
  assert.equal(decide(['cache-control', 'max-age=60', 'age', '7200']), 'stored');
  assert.equal(decide(['cache-control', 'max-age=0']), 'stored');
});

test('no-store and private forbid storing, must-understand lifts no-store where the status is understood', () => {
  assert.equal(decide(['cache-control', 'max-age=60, no-store']), 'no-store');
  assert.equal(decide(['cache-control', 'max-age=60, private']), 'private');
  assert.equal(decide(['cache-control', 'max-age=60, private="set-cookie"']), 'stored');
  assert.equal(decide(['cache-control', 'max-age=60, no-store, must-understand']), 'stored');
  assert.equal(decide(['cache-control', 'max-age=60, no-store, must-understand'], 599), 'status');
  assert.equal(decide(['cache-control', 'max-age=60, must-understand'], 599), 'status');
});

test('an answer to a request with credentials is stored only when it says that it may be shared', () => {
  const request = get(['authorization', 'Basic eDp5']);
  assert.equal(decide(FRESH, 200, request), 'authorization');
  for (const directive of ['public', 'must-revalidate', 's-maxage=60']) {
    assert.equal(decide(['cache-control', `max-age=60, ${directive}`], 200, request), 'stored', directive);
  }
  assert.equal(decide(['cache-control', 'max-age=60, proxy-revalidate'], 200, request), 'authorization');
});

test("a request's no-store counts only where requests are obeyed", () => {
  const request = get(['cache-control', 'no-store']);
  assert.equal(decide(FRESH, 200, request), 'no-store');
  assert.equal(decide(FRESH, 200, request, { ...STRICT_RULES, requestDirectives: 'ignore' }), 'stored');
});

test('HEAD and unsafe methods are not stored, but for a POST whose answer is the resource itself', () => {
  assert.equal(decide(FRESH, 200, get([], 'HEAD')), 'method');
  assert.equal(decide(FRESH, 200, get([], 'PUT')), 'method');
  const post = get([], 'POST');
  assert.equal(decide([...FRESH, 'content-location', '/a/file'], 200, post), 'stored');
  assert.equal(decide([...FRESH, 'content-location', '/a/other'], 200, post), 'method');
  assert.equal(decide([...FRESH, 'content-location', '/a/file'], 200, get([], 'PUT')), 'method');
  assert.equal(decide([...FRESH, 'content-location', '/a/file'], 300, post), 'method');
  assert.equal(decide([...FRESH, 'content-location', '/a/file'], 299, post), 'stored');
  assert.equal(decide(['last-modified', httpDate(-9), 'content-location', '/a/file'], 200, post), 'method');
});

test('fields of one hop, those that Connection names and those that are withheld are not stored', () => {
  const kept = storedFields({
    status: 200,
    fields: [
      ...['connection', 'a, B', 'a', '1', 'b', '2', 'c', '3', 'te', 'x', 'upgrade', 'x', 'keep-alive', 'x'],
      ...['proxy-authenticate', 'x', 'proxy-connection', 'x', 'transfer-encoding', 'chunked', 'trailer', 'x'],
      ...['cache-control', 'max-age=5, no-cache="d", private="e"', 'cdn-cache-control', 'private="f"'],
      ...['d', '4', 'e', '5', 'f', '6', 'set-cookie', 'g=7', 'date', NOON_DATE, 'content-length', '10'],
    ],
  });
  assert.deepEqual(
    kept.filter((_, i) => i % 2 === 0),
    ['c', 'cache-control', 'cdn-cache-control', 'set-cookie', 'date', 'content-length'],
  );
});

test('a response without Date gets the time of receipt as its Date', () => {
  const fields = storedFields({ status: 200, fields: ['etag', '"a"'], responseTime: NOON + 999 });
  assert.equal(fieldValue(fields, 'date'), NOON_DATE);
});
