import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freshnessLifetimeSeconds } from '../../src/http-semantics/age.ts';
import { STRICT_RULES } from '../../src/http-semantics/rules.ts';
import { storable } from '../../src/http-semantics/storable.ts';
import { governingDirectives, parseDictionary } from '../../src/http-semantics/targeted.ts';
import { get, httpDate, PLAIN, stored } from './freshness-fixtures.ts';

const targetedTo = (value: string, cacheControl = 'max-age=1', more: string[] = []) =>
  stored(['cdn-cache-control', value, 'cache-control', cacheControl, ...more]);
const lifetime = (value: string, cacheControl?: string, more?: string[]) =>
  freshnessLifetimeSeconds(targetedTo(value, cacheControl, more), STRICT_RULES);

test('a targeted field replaces Cache-Control and Expires', () => {
  assert.equal(lifetime('max-age=3600'), 3600);
  assert.equal(lifetime('foobar, max-age=3600', 'no-store'), 3600);
  assert.equal(lifetime('max-age=99999999999'), 2 ** 31);
  assert.equal(lifetime('max-age=0', 'max-age=9', ['expires', httpDate(1000)]), 0);
  assert.equal(lifetime('public', 'max-age=9', ['expires', httpDate(1000)]), 0);
  assert.equal(storable(get(), targetedTo('max-age=9', 'no-store'), STRICT_RULES).store, true);
  for (const restricting of ['no-store', 'private']) {
    assert.equal(storable(get(), targetedTo(restricting, 'max-age=9'), STRICT_RULES).store, false, restricting);
  }
  assert.equal(governingDirectives(targetedTo('no-cache').fields, STRICT_RULES).noCache, true);
});

test('a targeted field that is empty or does not parse is as if it were absent', () => {
  for (const value of ['', 'max-age=100, &&&', 'max-age =100', 'max-age= 100', 'MaX-aGe=100', 'max-age=100,', 'a=(1']) {
    assert.equal(lifetime(value), 1, value);
  }
});

test('values of the wrong type are not used', () => {
  for (const value of ['max-age="100"', 'max-age=100.0', 'max-age=?1', 'max-age', 'max-age=(100)']) {
    assert.equal(lifetime(value), 0, value);
  }
  assert.equal(governingDirectives(targetedTo('no-store=?0, max-age=5').fields, STRICT_RULES).noStore, false);
});

test('fields that are not in the target list mean nothing', () => {
  assert.equal(freshnessLifetimeSeconds(targetedTo('max-age=3600'), PLAIN), 1);
});

test('the first usable field of the target list wins', () => {
  const rules = { ...PLAIN, targeted: ['a-cache-control', 'b-cache-control'] };
  const of = (a: string) => stored(['b-cache-control', 'max-age=2', 'a-cache-control', a]);
  assert.equal(freshnessLifetimeSeconds(of('max-age=3'), rules), 3);
  assert.equal(freshnessLifetimeSeconds(of('&'), rules), 2);
});

test('the whole grammar of structured dictionaries is understood, of repeated keys the last counts', () => {
  const text =
    'a=1;x;y="z", b, c=?0, d=(1 "two";q=3  tok), e=:aGk=:, f=@1659578233, g=1.5, h=tok/en, i="\\"q\\\\", a=-2, j=()';
  const members = parseDictionary(text)!;
  assert.deepEqual(Object.fromEntries(members), {
    ...{ b: { type: 'boolean', value: true }, c: { type: 'boolean', value: false }, d: { type: 'other' } },
    ...{ e: { type: 'other' }, f: { type: 'other' }, g: { type: 'other' }, h: { type: 'token', value: 'tok/en' } },
    ...{ i: { type: 'string', value: '"q\\' }, a: { type: 'integer', value: -2 }, j: { type: 'other' } },
  });
  for (const wrong of [
    '1',
    'a=',
    'a=1 b',
    'a=1,,b',
    'a="x',
    'a=(1"b")',
    'a=1234567890123456',
    'a=1.',
    'a=1;B',
    'a;',
    'a;b=',
    'a=?2',
  ]) {
    assert.equal(parseDictionary(wrong), undefined, wrong);
  }
});

test('qualified directives name fields by a string or a token; any other type restricts the whole response', () => {
  const of = (value: string) => governingDirectives(targetedTo(`${value}, max-age=5`).fields, STRICT_RULES);
  assert.deepEqual(of('no-cache="Set-Cookie, x"').withheldFields, ['set-cookie', 'x']);
  assert.equal(of('no-cache="Set-Cookie, x"').noCache, false);
  assert.deepEqual(of('private=x').withheldFields, ['x']);
  assert.equal(of('no-cache=("a" "b")').noCache, true);
  assert.equal(of('private=5').private, true);
});
