import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Fields } from '../../src/core/http-message.ts';
import { selectVariant, varyingFields } from '../../src/http-semantics/vary.ts';
import { get, httpDate, NOON, stored } from './freshness-fixtures.ts';

const selects = (vary: string, original: Fields, presented: Fields) =>
  selectVariant(get(presented), [stored(['vary', vary], {}, original)]) !== undefined;

test('all fields that Vary names must match, and no others', () => {
  assert.equal(selects('Foo', ['foo', '1', 'other', '2'], ['foo', '1', 'other', '3']), true);
  assert.equal(selects('Foo', ['foo', '1'], ['foo', '2']), false);
  assert.equal(selects('Foo, Bar', ['foo', '1', 'bar', 'a'], ['bar', 'a', 'foo', '1']), true);
  assert.equal(selects('Foo, Bar', ['foo', '1', 'bar', 'a'], ['foo', '1', 'bar', 'ab']), false);
});

test('an absent field matches only an absent field, not an empty one', () => {
  assert.equal(selects('Foo', [], []), true);
  assert.equal(selects('Foo', [], ['foo', '1']), false);
  assert.equal(selects('Foo', ['foo', '1'], []), false);
  assert.equal(selects('Foo', [], ['foo', '']), false);
});

test('a star anywhere in Vary never matches', () => {
  for (const vary of ['*', '*, *', ', *', 'Foo, *', '*, Foo']) assert.equal(selects(vary, [], []), false, vary);
});

test('lines are combined and whitespace around commas is removed for any field', () => {
  assert.equal(selects('Foo', ['foo', '1, 2'], ['foo', '1', 'foo', '2']), true);
  assert.equal(selects('Foo', ['foo', '1,2'], ['foo', ' 1, 2 ']), true);
  assert.equal(selects('Foo', ['foo', '1, 2'], ['foo', '2, 1']), false);
  assert.equal(selects('Foo', ['foo', 'A'], ['foo', 'a']), false);
});

test('case, order and the spelling of weights make no difference to negotiation fields', () => {
  assert.equal(selects('Accept-Language', ['accept-language', 'en, de'], ['accept-language', ' De ,   eN']), true);
  const accept = (value: string): Fields => ['accept', value];
  assert.equal(selects('Accept', accept('text/html;q=0.50, a/b'), accept('A/B;q=1.0, TEXT/html; Q=0.5')), true);
  assert.equal(selects('Accept', accept('a/b;q=0.5'), accept('a/b;q=0.4')), false);
  assert.equal(selects('Accept', accept('a/b;v=X'), accept('a/b;v=x')), false);
});

test('only the selecting fields of a request are kept beside the response', () => {
  const response = stored(['vary', 'Accept-Encoding, Foo, foo, Gone']);
  const kept = varyingFields(get(['foo', ' a ', 'accept-encoding', 'gzip, BR', 'cookie', 'secret']), response);
  assert.deepEqual(kept, ['accept-encoding', 'br,gzip', 'foo', 'a']);
});

test('of several matches the most recent Date wins, wherever it stands', () => {
  const old = stored(['date', httpDate(-10)]);
  const recent = stored(['date', httpDate(0)]);
  assert.equal(selectVariant(get(), [old, recent]), recent);
  assert.equal(selectVariant(get(), [recent, old]), recent);
  const receivedEarlier = stored(['date', httpDate(-10)], { responseTime: NOON - 9000 });
  const receivedLater = stored(['date', httpDate(-20)], { responseTime: NOON + 9000 });
  assert.equal(selectVariant(get(), [receivedEarlier, receivedLater]), receivedEarlier);
  assert.equal(selectVariant(get(), [receivedLater, receivedEarlier]), receivedEarlier);
});

test('of several matches with one Date the one received last wins', () => {
  const first = stored([]);
  const last = stored([], { responseTime: NOON + 1 });
  assert.equal(selectVariant(get(), [first, last]), last);
  assert.equal(selectVariant(get(), [last, first]), last);
});
