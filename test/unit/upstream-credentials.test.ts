import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OriginRights } from '../../src/net/origin-rights.ts';
import { fixed } from '../support/proxy/upstream-client.ts';

const TEAM = 'https://index.example/team/simple/';
const rights = new OriginRights([
  { url: TEAM, credentials: fixed({ kind: 'bearer', token: 'team' }) },
  {
    url: 'https://index.example/other/simple/',
    credentials: fixed({ kind: 'basic', user: 'ü', password: 'a:b' }),
  },
  { url: 'http://open.example/simple/' },
]);
const BASIC = `Basic ${Buffer.from('ü:a:b').toString('base64')}`;

for (const [url, expected] of [
  ['https://index.example/other/simple/a/', BASIC],
  ['https://index.example/other/files/a.whl', BASIC],
  ['https://index.example/other/', BASIC],
  ['https://index.example/team/simple/a/', 'Bearer team'],
  ['https://index.example/team/files/a.whl', 'Bearer team'],
  // As near to one as to the other: segments count, and no part of one.
  ['https://index.example/otherwise/a.whl', 'Bearer team'],
  ['https://index.example/files/a.whl', 'Bearer team'],
  ['http://index.example/team/simple/a/', undefined],
  ['https://index.example:8443/team/simple/a/', undefined],
  ['https://sub.index.example/team/simple/a/', undefined],
  ['http://open.example/simple/a/', undefined],
] as const) {
  test(`${url} is sent ${expected ?? 'no credentials'}`, () => {
    assert.equal(rights.authorizationFor(new URL(url)), expected);
  });
}

test('the place that is asked decides, where a path lies equally near to several', () => {
  const url = new URL('https://index.example/pypi/demo/json');
  assert.equal(rights.authorizationFor(url, 'https://index.example/other/simple/'), BASIC);
  assert.equal(rights.authorizationFor(url, TEAM), 'Bearer team');
  // A redirect has left the origin of the place.
  assert.equal(rights.authorizationFor(new URL('https://elsewhere.example/'), TEAM), undefined);
});

test('only the own origins may be private or plain http', () => {
  for (const url of ['https://index.example/any', 'http://open.example/']) assert.ok(rights.reaches(new URL(url)), url);
  for (const url of ['http://index.example/', 'https://open.example/', 'http://open.example:81/']) {
    assert.ok(!rights.reaches(new URL(url)), url);
  }
  assert.ok(!OriginRights.none.reaches(new URL('https://index.example/')));
});
