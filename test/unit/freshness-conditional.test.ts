import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Fields } from '../../src/core/http-message.ts';
import { evaluatePreconditions, notModifiedFields, rangeApplies } from '../../src/http-semantics/conditional.ts';
import { get, httpDate, NOON_DATE, stored } from './freshness-fixtures.ts';

const evaluated = (asked: Fields, held: Fields, status = 200, method = 'GET') =>
  evaluatePreconditions(get(asked, method), stored(held, { status }));

test('If-None-Match is compared weakly, as a list, and a star matches anything', () => {
  assert.equal(evaluated(['if-none-match', '"a"'], ['etag', '"a"']), 'not-modified');
  assert.equal(evaluated(['if-none-match', 'W/"a"'], ['etag', '"a"']), 'not-modified');
  assert.equal(evaluated(['if-none-match', '"1", "a,b" , "2"'], ['etag', 'W/"a,b"']), 'not-modified');
  assert.equal(evaluated(['if-none-match', '"1"', 'if-none-match', '"2"'], ['etag', '"2"']), 'not-modified');
  assert.equal(evaluated(['if-none-match', '*'], []), 'not-modified');
  assert.equal(evaluated(['if-none-match', '"b"'], ['etag', '"a"']), 'send');
  assert.equal(evaluated(['if-none-match', '"b"'], []), 'send');
});

test('If-None-Match decides alone', () => {
  const held = ['etag', '"a"', 'last-modified', httpDate(-50)];
  assert.equal(evaluated(['if-none-match', '"b"', 'if-modified-since', httpDate(0)], held), 'send');
  assert.equal(evaluated(['if-none-match', '"a"', 'if-modified-since', httpDate(-90)], held), 'not-modified');
});

test('If-Modified-Since is compared with Last-Modified, or else with Date', () => {
  const held = ['last-modified', httpDate(-50)];
  assert.equal(evaluated(['if-modified-since', httpDate(-50)], held), 'not-modified');
  assert.equal(evaluated(['if-modified-since', httpDate(-51)], held), 'send');
  assert.equal(evaluated(['if-modified-since', 'Monday, 05-Jan-26 12:00:00 GMT'], held), 'not-modified');
  assert.equal(evaluated(['if-modified-since', NOON_DATE], []), 'not-modified');
  assert.equal(evaluated(['if-modified-since', httpDate(-1)], []), 'send');
  assert.equal(evaluated(['if-modified-since', 'yesterday'], held), 'send');
});

test('conditions that only an origin can judge are forwarded, whatever else is asked', () => {
  assert.equal(evaluated(['if-match', '"a"', 'if-none-match', '"a"'], ['etag', '"a"']), 'forward');
  assert.equal(evaluated(['if-unmodified-since', NOON_DATE], []), 'forward');
});

test('conditions mean nothing for a stored error or another method', () => {
  assert.equal(evaluated(['if-none-match', '*'], ['etag', '"a"'], 404), 'send');
  assert.equal(evaluated(['if-none-match', '*'], ['etag', '"a"'], 300), 'send');
  assert.equal(evaluated(['if-none-match', '*'], ['etag', '"a"'], 299), 'not-modified');
  assert.equal(evaluated(['if-none-match', '*'], ['etag', '"a"'], 200, 'POST'), 'send');
  assert.equal(evaluated(['if-none-match', '*'], ['etag', '"a"'], 200, 'HEAD'), 'not-modified');
});

test('a range applies to a GET of a stored 200 when If-Range matches strongly', () => {
  const range = (fields: Fields, held: Fields, status = 200, method = 'GET') =>
    rangeApplies(get(['range', 'bytes=0-1', ...fields], method), stored(held, { status }));
  assert.equal(rangeApplies(get(), stored([])), false);
  assert.equal(range([], []), true);
  assert.equal(range([], [], 404), false);
  assert.equal(range([], [], 200, 'HEAD'), false);
  assert.equal(range(['if-range', '"a"'], ['etag', '"a"']), true);
  assert.equal(range(['if-range', '"b"'], ['etag', '"a"']), false);
  assert.equal(range(['if-range', 'W/"a"'], ['etag', 'W/"a"']), false);
  assert.equal(range(['if-range', '"a"'], []), false);
});

test('a date in If-Range must be the Last-Modified, a second or more before the Date', () => {
  const range = (ifRange: string, lastModified: string) =>
    rangeApplies(get(['range', 'bytes=0-1', 'if-range', ifRange]), stored(['last-modified', lastModified]));
  assert.equal(range(httpDate(-1), httpDate(-1)), true);
  assert.equal(range(httpDate(-1), httpDate(-2)), false);
  assert.equal(range(httpDate(0), httpDate(0)), false);
});

test('a 304 carries what a cache behind us needs and nothing about the content', () => {
  const names = (fields: Fields) => notModifiedFields(fields).filter((_, i) => i % 2 === 0);
  const held = ['content-location', 'date', 'etag', 'vary', 'cache-control', 'expires', 'content-type'];
  const all = [...held, 'content-length', 'content-encoding', 'last-modified', 'age', 'x'].flatMap((name) => [
    name,
    '1',
  ]);
  assert.deepEqual(names(all), [...held.slice(0, 6), 'age', 'x']);
  assert.deepEqual(names(['last-modified', NOON_DATE]), ['last-modified']);
});
