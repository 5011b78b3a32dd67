import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UpstreamFailure } from '../../src/core/errors.ts';
import { EgressGuard, isPublicAddress, mayBePublicHost } from '../../src/net/egress-guard.ts';

const REFUSED = [
  ['0.0.0.0', '0.1.2.3', '10.0.0.1', '10.255.255.255', '100.64.0.1', '100.127.255.255', '127.0.0.1', '127.255.0.1'],
  ['169.254.169.254', '172.16.0.1', '172.31.255.255', '192.0.0.8', '192.168.1.1', '198.18.0.1'],
  ['198.19.255.255', '224.0.0.1', '239.255.255.255', '240.0.0.1', '255.255.255.255'],
  ['::', '::1', '::127.0.0.1', '::ffff:127.0.0.1', '::ffff:8.8.8.8', '64:ff9b::7f00:1', '64:ff9b:1::a00:1', '100::1'],
  ['2001::1', '2002:7f00:1::', 'fc00::1', 'fdff::1', 'fe80::1', 'fec0::1', 'ff02::1'],
  ['localhost', '', '1.2.3', 'index.example'],
].flat();

const PUBLIC = [
  '1.1.1.1',
  '8.8.8.8',
  '9.255.255.255',
  '11.0.0.0',
  '100.63.255.255',
  '100.128.0.0',
  '172.15.0.1',
].concat(['172.32.0.1', '192.0.1.1', '192.167.1.1', '223.255.255.255', '2606:4700::1', '2a04:4e42::223', '2003::1']);

for (const address of REFUSED) {
  test(`${address || 'an empty text'} is no public address`, () => assert.equal(isPublicAddress(address), false));
}
for (const address of PUBLIC) {
  test(`${address} is a public address`, () => assert.equal(isPublicAddress(address), true));
}

test('names that mean the local network are refused by their text, however the address is spelled', () => {
  const hosts = ['localhost', 'localhost.', 'a.localhost', 'printer.local', 'db.internal', 'intranet', 'x.home.arpa'];
  const spelled = [
    'http://2130706433/',
    'http://0x7f.1/',
    'http://127.1/',
    'http://[::1]/',
    'http://[::ffff:10.0.0.1]/',
  ];
  for (const host of hosts) assert.equal(mayBePublicHost(host), false, host);
  for (const url of spelled) assert.equal(mayBePublicHost(new URL(url).hostname), false, url);
  for (const host of ['files.example', 'localhost.example', '1.1.1.1', '[2606:4700::1]']) {
    assert.equal(mayBePublicHost(host), true, host);
  }
});

const guard = new EgressGuard(['http://127.0.0.1:9101', 'https://mirror.internal/simple/']);

function verdict(url: string, trusted: 'configured' | 'listed'): string {
  try {
    guard.judgeUrl(new URL(url), trusted);
    return 'asked';
  } catch (error) {
    assert.ok(error instanceof UpstreamFailure);
    return error.kind;
  }
}

for (const [url, trusted, expected] of [
  ['https://files.example/a', 'listed', 'asked'],
  ['http://files.example/a', 'listed', 'forbidden-address'],
  ['https://10.0.0.1/a', 'listed', 'forbidden-address'],
  ['https://user@files.example/a', 'listed', 'forbidden-address'],
  ['file:///etc/hosts', 'configured', 'forbidden-address'],
  ['data:text/plain,a', 'listed', 'forbidden-address'],
  ['http://127.0.0.1:9101/a', 'listed', 'asked'],
  ['http://127.0.0.1:9102/a', 'listed', 'forbidden-address'],
  ['https://mirror.internal/files/a', 'listed', 'asked'],
  ['http://127.0.0.1:9102/a', 'configured', 'asked'],
] as const) {
  test(`${url}, ${trusted}: ${expected}`, () => assert.equal(verdict(url, trusted), expected));
}

test('of a name with public and private addresses only the public ones are dialled', () => {
  const url = new URL('https://files.example/a');
  assert.deepEqual(guard.filter(['10.0.0.1', '1.1.1.1', '::1'], url, 'listed'), ['1.1.1.1']);
  assert.throws(() => guard.filter(['10.0.0.1'], url, 'listed'), { kind: 'forbidden-address' });
  assert.deepEqual(guard.filter(['10.0.0.1'], url, 'configured'), ['10.0.0.1']);
});
