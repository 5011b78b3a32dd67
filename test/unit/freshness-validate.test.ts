import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Fields, fieldLines, fieldValue } from '../../src/core/http-message.ts';
import { currentAgeSeconds, freshnessLifetimeSeconds } from '../../src/http-semantics/age.ts';
import type { TimedHead } from '../../src/http-semantics/rules.ts';
import { conditions, freshen, freshenFromHead } from '../../src/http-semantics/validate.ts';
import { httpDate, NOON, PLAIN, stored } from './freshness-fixtures.ts';

const LATER = NOON + 100_000;

const received = (fields: Fields, status = 304): TimedHead => ({
  status,
  fields: ['date', httpDate(100), ...fields],
  requestTime: LATER - 20,
  responseTime: LATER,
});

function updatedBy304(held: Fields, news: Fields): Fields {
  const validation = freshen(stored(held), received(news));
  assert.equal(validation.kind, 'updated');
  return validation.kind === 'updated' ? validation.entry.fields : [];
}

test('both validators are sent, as they were received, and nothing without any', () => {
  assert.deepEqual(conditions(stored(['etag', 'W/"a"', 'last-modified', httpDate(-5)])), [
    ...['if-none-match', 'W/"a"', 'if-modified-since', httpDate(-5)],
  ]);
  assert.deepEqual(conditions(stored([])), []);
});

test('a 304 adds new fields, replaces present ones and keeps the rest', () => {
  const fields = updatedBy304(
    ['etag', '"a"', 'x', '1', 'y', '2', 'set-cookie', 'a=1', 'set-cookie', 'b=1'],
    ['etag', '"a"', 'x', '3', 'z', '4', 'set-cookie', 'c=1', 'connection', 'q', 'q', '5'],
  );
  assert.equal(fieldValue(fields, 'x'), '3');
  assert.equal(fieldValue(fields, 'y'), '2');
  assert.equal(fieldValue(fields, 'z'), '4');
  assert.deepEqual(fieldLines(fields, 'set-cookie'), ['c=1']);
  assert.equal(fieldValue(fields, 'q'), undefined);
});

test('a 304 never changes what describes the stored bytes', () => {
  const described = ['content-length', 'content-encoding', 'content-range', 'content-md5', 'repr-digest'];
  const fields = updatedBy304(
    described.flatMap((name) => [name, 'old']),
    described.flatMap((name) => [name, 'new']),
  );
  for (const name of described) assert.equal(fieldValue(fields, name), 'old', name);
});

test('the age starts anew with a 304: an old Age is forgotten, the times and the Date are those of the 304', () => {
  const validation = freshen(stored(['etag', '"a"', 'age', '5000', 'cache-status', 'edge; hit']), received([]));
  assert.equal(validation.kind, 'updated');
  if (validation.kind !== 'updated') return;
  assert.equal(currentAgeSeconds(validation.entry, LATER + 3000), 3);
  assert.equal(fieldValue(validation.entry.fields, 'date'), httpDate(100));
  assert.equal(fieldValue(validation.entry.fields, 'cache-status'), undefined);
  assert.equal(fieldValue(freshenedWithoutDate(), 'date'), httpDate(100));
});

function freshenedWithoutDate(): Fields {
  const validation = freshen(stored([]), { ...received([]), fields: [] });
  return validation.kind === 'updated' ? validation.entry.fields : [];
}

test('a 304 with another entity tag or date updates nothing', () => {
  const mismatches: [held: Fields, news: Fields][] = [
    [
      ['etag', '"a"'],
      ['etag', '"b"'],
    ],
    [
      ['etag', '"a"'],
      ['etag', 'W/"b"'],
    ],
    [[], ['etag', '"b"']],
    [
      ['last-modified', httpDate(-9)],
      ['etag', '"b"'],
    ],
    [
      ['last-modified', httpDate(-9)],
      ['last-modified', httpDate(-8)],
    ],
    [[], ['last-modified', httpDate(-8)]],
  ];
  for (const [held, news] of mismatches) {
    assert.equal(freshen(stored(held), received(news)).kind, 'mismatch', `${held} ${news}`);
  }
});

test('a 304 whose tag differs only in strength is ours, and the stored tag stays', () => {
  assert.equal(fieldValue(updatedBy304(['etag', 'W/"a"'], ['etag', '"a"']), 'etag'), 'W/"a"');
  assert.equal(fieldValue(updatedBy304(['etag', '"a"'], ['etag', 'W/"a"']), 'etag'), '"a"');
});

test('a 304 without validators answers the condition that we sent', () => {
  updatedBy304(['etag', '"a"', 'last-modified', httpDate(-9)], []);
  updatedBy304(['last-modified', 'Monday, 05-Jan-26 11:59:51 GMT'], ['last-modified', httpDate(-9)]);
});

test('a 304 that varies by more than is known of the original request does not update', () => {
  assert.equal(freshen(stored(['vary', 'a']), received(['vary', 'A'])).kind, 'updated');
  assert.equal(freshen(stored(['vary', 'a']), received(['vary', 'a, b'])).kind, 'mismatch');
  assert.equal(freshen(stored(['vary', 'a']), received(['vary', '*'])).kind, 'mismatch');
});

test('the stored response itself is never changed', () => {
  const held = stored(['etag', '"a"', 'x', '1']);
  const before = structuredClone(held);
  freshen(held, received(['x', '2']));
  assert.deepEqual(held, before);
});

test('a HEAD that agrees updates the stored response, one that does not makes it stale until it is validated', () => {
  const held = ['etag', '"a"', 'content-length', '10', 'last-modified', httpDate(-9)];
  const outdated = (...news: string[]) => freshenFromHead(stored(held), received(news, 200)).outdated ?? false;
  assert.equal(outdated('etag', '"a"', 'content-length', '10', 'x', '1'), false);
  assert.equal(outdated('etag', '"b"'), true);
  assert.equal(outdated('content-length', '11'), true);
  assert.equal(outdated('last-modified', httpDate(-8)), true);
  assert.equal(outdated('vary', 'foo'), true);
  const chunked = freshenFromHead(stored(['etag', '"a"']), received(['etag', '"a"', 'content-length', '10'], 200));
  assert.equal(chunked.outdated, undefined);

  const fresh = stored([...held, 'cache-control', 'max-age=60']);
  const stale = freshenFromHead(fresh, received(['etag', '"b"'], 200));
  assert.equal(freshnessLifetimeSeconds(fresh, PLAIN), 60);
  assert.equal(freshnessLifetimeSeconds(stale, PLAIN), 0);
  const validated = freshen(stale, received(['etag', '"a"']));
  assert.equal(validated.kind === 'updated' && freshnessLifetimeSeconds(validated.entry, PLAIN), 60);
});
