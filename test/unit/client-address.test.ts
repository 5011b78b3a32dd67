// Whose word is taken for the address of a client: that of proxies that the operator names, and of nobody else.

import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { ClientAddress, isNetwork } from '../../src/access/client-address.ts';

const addresses = new ClientAddress(['10.0.0.0/8', '192.0.2.7', 'fd00::/8']);

function from(peer: string | undefined, forwarded?: string, more: Record<string, string> = {}): string {
  const headers = { ...more, ...(forwarded === undefined ? {} : { 'x-forwarded-for': forwarded }) };
  return addresses.of({ socket: { remoteAddress: peer }, headers } as unknown as IncomingMessage);
}

test('a peer that is not trusted speaks for itself alone', () => {
  assert.equal(from('203.0.113.9', '198.51.100.1'), '203.0.113.9');
  assert.equal(from('192.0.2.8', '198.51.100.1'), '192.0.2.8');
  assert.equal(from(undefined, '198.51.100.1'), '');
  const nobody = new ClientAddress([]);
  const request = { socket: { remoteAddress: '10.0.0.1' }, headers: { 'x-forwarded-for': '198.51.100.1' } };
  assert.equal(nobody.of(request as unknown as IncomingMessage), '10.0.0.1');
});

test('behind trusted proxies the client is the right-most hop that is not trusted', () => {
  assert.equal(from('10.0.0.1', '198.51.100.1'), '198.51.100.1');
  assert.equal(from('192.0.2.7', 'spoofed, 203.0.113.4, 198.51.100.1, 10.9.9.9'), '198.51.100.1');
  assert.equal(from('10.0.0.1', '10.0.0.5, 10.0.0.6'), '10.0.0.5', 'all trusted: the first of them');
  assert.equal(from('10.0.0.1'), '10.0.0.1');
  assert.equal(from('::ffff:10.0.0.1', '198.51.100.1'), '198.51.100.1', 'IPv4 on a listener for both');
  assert.equal(from('fd00::1', '2001:db8::5'), '2001:db8::5');
});

test('ports and brackets are taken off; what is no address ends the walk', () => {
  assert.equal(from('10.0.0.1', '198.51.100.1:4711'), '198.51.100.1');
  assert.equal(from('10.0.0.1', '[2001:db8::5]:4711'), '2001:db8::5');
  assert.equal(from('10.0.0.1', '198.51.100.1, unknown'), '10.0.0.1');
  assert.equal(from('10.0.0.1', '198.51.100.1, 10.0.0.2, evil\u2028name'), '10.0.0.1');
  assert.equal(from('10.0.0.1', ''), '10.0.0.1');
  assert.equal(from('10.0.0.1', ','.repeat(30_000)), '10.0.0.1');
  assert.equal(from('10.0.0.1', `198.51.100.1${', 10.0.0.2'.repeat(1_000)}`), '10.0.0.2', 'no chain is so long');
});

test('no other field says who a client is', () => {
  const fields = { forwarded: 'for=198.51.100.1', 'x-real-ip': '198.51.100.1', 'true-client-ip': '198.51.100.1' };
  assert.equal(from('10.0.0.1', undefined, fields), '10.0.0.1');
});

test('networks are addresses with or without the length of their prefix', () => {
  for (const good of ['10.0.0.0/8', '10.1.2.3', '::1', 'fd00::/8', '0.0.0.0/0']) assert.ok(isNetwork(good), good);
  for (const bad of ['10.0.0.0/33', 'fd00::/129', '10.0.0/8', 'proxy.example', '10.0.0.1/', '10.0.0.1/x', '']) {
    assert.ok(!isNetwork(bad), bad);
  }
});
