import assert from 'node:assert/strict';
import { test } from 'node:test';
import { credentialChooser } from '../../src/upstream/credentials.ts';

const choose = credentialChooser([
  { url: 'https://index.example/team/simple/', credentials: { kind: 'bearer', token: 'team' } },
  { url: 'https://index.example/simple/', credentials: { kind: 'basic', user: 'ü', password: 'a:b' } },
]);
const BASIC = `Basic ${Buffer.from('ü:a:b').toString('base64')}`;

for (const [url, expected] of [
  ['https://index.example/simple/a/', BASIC],
  ['https://index.example/team/simple/a/', 'Bearer team'],
  ['https://index.example/files/a.whl', 'Bearer team'],
  ['http://index.example/simple/a/', undefined],
  ['https://index.example:8443/simple/a/', undefined],
  ['https://sub.index.example/simple/a/', undefined],
] as const) {
  test(`${url} is sent ${expected ?? 'no credentials'}`, () => assert.equal(choose(new URL(url)), expected));
}
