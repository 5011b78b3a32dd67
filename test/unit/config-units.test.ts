// What people write, and what it means in milliseconds and bytes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listenAddress, origin, redisUrl, upstreamAddress, withoutSecrets } from '../../src/config/addresses.ts';
import {
  boolean,
  choice,
  duration,
  InvalidValue,
  integer,
  list,
  size,
  sizeFrom,
  sizeOrUnlimited,
  text,
} from '../../src/config/units.ts';

test('durations carry their unit and become milliseconds', () => {
  const unit = duration({ unlimited: true });
  const cases = {
    '500ms': 500,
    '60s': 60_000,
    '15m': 900_000,
    '12h': 43_200_000,
    '7d': 604_800_000,
    '1.5s': 1500,
    '0s': 0,
  };
  for (const [written, ms] of Object.entries(cases)) assert.equal(unit.parse(written), ms, written);
  assert.equal(unit.parse('unlimited'), Number.POSITIVE_INFINITY);
  for (const wrong of ['60', '', '-1s', '1 week', 's', '1e3s', '1s2'])
    assert.throws(() => unit.parse(wrong), InvalidValue, wrong);
});

test('a duration beyond the limit of its option is refused and names the limit', () => {
  assert.throws(() => duration({ maxMs: 3_600_000 }).parse('61m'), /at most 1h/);
  assert.throws(() => duration().parse('unlimited'), InvalidValue);
});

test('a size with a least value says what it is', () => {
  assert.equal(sizeFrom(1024).parse('1KiB'), 1024);
  assert.deepEqual(['unlimited', '0', '1KiB'].map(sizeOrUnlimited.parse), [Number.POSITIVE_INFINITY, 0, 1024]);
  assert.equal(sizeOrUnlimited.format(Number.POSITIVE_INFINITY), 'unlimited');
  assert.throws(() => sizeOrUnlimited.parse('all'), /expected a size .* or unlimited/);
  assert.throws(() => sizeFrom(1024).parse('0'), new InvalidValue('expected at least 1024 bytes'));
});

test('sizes know powers of ten, powers of two and plain bytes', () => {
  const cases = {
    '50GB': 50e9,
    '512MB': 512e6,
    '1GiB': 2 ** 30,
    '64 KiB': 65_536,
    '1.5gb': 1.5e9,
    '12345': 12_345,
    '0': 0,
  };
  for (const [written, bytes] of Object.entries(cases)) assert.equal(size.parse(written), bytes, written);
  for (const wrong of ['50G', 'GB', '-1', '1e9', '99999999TB', ''])
    assert.throws(() => size.parse(wrong), InvalidValue, wrong);
});

test('every unit reads back what it writes', () => {
  const ms = [0, 1, 500, 1500, 60_000, 90_000, 604_800_000, Number.POSITIVE_INFINITY];
  for (const value of ms) assert.equal(duration({ unlimited: true }).parse(duration().format(value)), value);
  for (const value of [0, 1, 1024, 64e6, 50e9, 123_456_789, 2e12]) assert.equal(size.parse(size.format(value)), value);
  const address = { host: '::1', port: 5031 };
  assert.deepEqual(listenAddress.parse(listenAddress.format(address)), address);
});

test('words, numbers and lists', () => {
  assert.equal(boolean.parse('Yes'), true);
  assert.equal(boolean.parse('off'), false);
  assert.throws(() => boolean.parse('maybe'), /true or false/);
  assert.equal(choice('info', 'warn').parse('WARN'), 'warn');
  assert.throws(() => choice('info', 'warn').parse('loud'), /info, warn/);
  assert.deepEqual(list(text).parse(' a, b,,c '), ['a', 'b', 'c']);
  assert.deepEqual(list(text).parse(''), []);
  for (const wrong of ['0', '65536', '1.5', '0x10', ' '])
    assert.throws(() => integer(1, 65_535).parse(wrong), InvalidValue);
});

test('an upstream gets its final slash, and user information leaves its URL for the credentials', () => {
  assert.deepEqual(upstreamAddress.parse('https://index.example/simple'), { url: 'https://index.example/simple/' });
  assert.deepEqual(upstreamAddress.parse('https://me:s%40cret@index.example/simple/'), {
    url: 'https://index.example/simple/',
    credentials: { kind: 'basic', user: 'me', password: 's@cret' },
  });
  assert.deepEqual(upstreamAddress.parse('https://100%:x@index.example/').credentials, {
    kind: 'basic',
    user: '100%',
    password: 'x',
  });
  for (const wrong of [
    'index.example',
    'ftp://index.example/',
    'file:///srv',
    'https://index.example/?q=1',
    'https://',
  ]) {
    assert.throws(() => upstreamAddress.parse(wrong), InvalidValue, wrong);
  }
});

test('origins have no path, Redis URLs their own schemes', () => {
  assert.equal(origin.parse('http://127.0.0.1:9101/'), 'http://127.0.0.1:9101');
  assert.equal(origin.parse('https://Files.Example:443'), 'https://files.example');
  for (const wrong of ['http://files.example/x', 'files.example', 'https://a@files.example']) {
    assert.throws(() => origin.parse(wrong), InvalidValue, wrong);
  }
  assert.equal(redisUrl.parse('rediss://:pw@redis:6379/0'), 'rediss://:pw@redis:6379/0');
  assert.throws(() => redisUrl.parse('http://redis:6379'), /redis:\/\//);
});

test('user information in a URL is never shown, even with an @ in the password', () => {
  assert.equal(withoutSecrets('a https://u:p@ss@index.example/x b'), 'a https://***@index.example/x b');
  assert.equal(withoutSecrets('https://index.example/@scope'), 'https://index.example/@scope');
});
