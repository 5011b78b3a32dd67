import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  currentAgeSeconds,
  freshnessLifetimeSeconds,
  receivedAgeSeconds,
  remainingSeconds,
} from '../../src/http-semantics/age.ts';
import { STRICT_RULES } from '../../src/http-semantics/rules.ts';
import { httpDate, NOON, PLAIN, stored } from './freshness-fixtures.ts';

test('age counts the received Age, the time on the way and the time with us', () => {
  const response = stored(['age', '30'], { requestTime: NOON - 4000 });
  assert.equal(currentAgeSeconds(response, NOON), 34);
  assert.equal(currentAgeSeconds(response, NOON + 5999), 39);
});

test('a Date further back than Age says is believed', () => {
  assert.equal(currentAgeSeconds(stored(['date', httpDate(-100), 'age', '30']), NOON + 1000), 101);
});

test('a Date in the future and a clock that runs backwards never make an age negative', () => {
  const response = stored(['date', httpDate(500)]);
  assert.equal(currentAgeSeconds(response, NOON - 60_000), 0);
});

test('of several Age values the first counts, and an invalid one is ignored', () => {
  const age = (...lines: string[]) => receivedAgeSeconds(stored(lines.flatMap((line) => ['age', line])));
  assert.equal(age('7200, 0'), 7200);
  assert.equal(age('0', '7200'), 0);
  assert.equal(age('7200;foo=bar'), 7200);
  assert.equal(age('2147483649'), 2 ** 31);
  for (const invalid of ['abc', '-7200', '7200.0', '"7200"', '']) assert.equal(age(invalid), 0, invalid);
});

test('s-maxage beats max-age, max-age beats Expires', () => {
  const lifetime = (fields: string[]) => freshnessLifetimeSeconds(stored(fields), PLAIN);
  assert.equal(lifetime(['cache-control', 'max-age=1, s-maxage=3600']), 3600);
  assert.equal(lifetime(['cache-control', 'max-age=1', 'expires', httpDate(50)]), 1);
  assert.equal(lifetime(['expires', httpDate(50)]), 50);
  assert.equal(lifetime(['expires', httpDate(300), 'date', httpDate(400)]), 0);
});

test('an Expires that is no date is in the past, and of two lines the first counts', () => {
  const lifetime = (fields: string[]) => freshnessLifetimeSeconds(stored([...fields]), STRICT_RULES);
  assert.equal(lifetime(['expires', '0', 'last-modified', httpDate(-10_000)]), 0);
  assert.equal(lifetime(['expires', httpDate(7), 'expires', httpDate(9)]), 7);
});

test('without a valid Date, Expires counts from the time of receipt', () => {
  assert.equal(freshnessLifetimeSeconds(stored(['date', 'foo', 'expires', httpDate(10)]), PLAIN), 10);
});

test('the heuristic is a tenth of the rest since Last-Modified, at most a day, and only where the rules allow it', () => {
  const response = (restedSeconds: number) => stored(['last-modified', httpDate(-restedSeconds)]);
  assert.equal(freshnessLifetimeSeconds(response(86_400), STRICT_RULES), 8640);
  assert.equal(freshnessLifetimeSeconds(response(10 ** 8), STRICT_RULES), 86_400);
  assert.equal(freshnessLifetimeSeconds(response(-50), STRICT_RULES), 0);
  assert.equal(freshnessLifetimeSeconds(response(86_400), PLAIN), 0);
});

test('the heuristic needs a heuristically cacheable status or public', () => {
  const lastModified = ['last-modified', httpDate(-1000)];
  assert.equal(freshnessLifetimeSeconds(stored(lastModified, { status: 403 }), STRICT_RULES), 0);
  const open = stored([...lastModified, 'cache-control', 'public'], { status: 599 });
  assert.equal(freshnessLifetimeSeconds(open, STRICT_RULES), 100);
});

test('freshness ends exactly when the age reaches the lifetime, and what remains may be negative', () => {
  const response = stored(['cache-control', 'max-age=60']);
  assert.equal(remainingSeconds(response, NOON + 59_999, PLAIN), 1);
  assert.equal(remainingSeconds(response, NOON + 60_000, PLAIN), 0);
  assert.equal(remainingSeconds(response, NOON + 63_000, PLAIN), -3);
});
