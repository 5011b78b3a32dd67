import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AddressBook } from '../../src/net/addresses.ts';
import { FakeClock } from '../support/clock/clock.ts';

function book(): { clock: FakeClock; addresses: AddressBook; order: (avoid?: string[]) => string } {
  const clock = new FakeClock();
  const addresses = new AddressBook({ now: clock.now, random: () => 0.5 });
  return { clock, addresses, order: (avoid = []) => addresses.rank(['a', 'b', 'c'], new Set(avoid)).join('') };
}

test('an address that failed is tried last, comes back for one probe after 5 s, and for good when that succeeds', () => {
  const { clock, addresses, order } = book();
  addresses.begin('a')('bad');
  assert.equal(order(), 'bca');
  clock.advance(5_000);
  assert.equal(order(), 'abc');
  const report = addresses.begin('a');
  assert.equal(order(), 'bca', 'only one request probes it');
  report('good');
  assert.equal(order(), 'abc');
});

test('an address that keeps failing is probed every 30 s at the latest', () => {
  const { clock, addresses, order } = book();
  addresses.begin('a')('bad');
  for (let i = 0; i < 10; i += 1) {
    clock.advance(30_000);
    assert.equal(order(), 'abc');
    addresses.begin('a')('bad');
    assert.equal(order(), 'bca');
  }
});

test('wrong bytes set an address aside for five minutes, whatever it answers meanwhile', () => {
  const { clock, addresses, order } = book();
  addresses.wrongBytes('a');
  clock.advance(299_000);
  addresses.begin('a')('good');
  assert.equal(order(), 'bca');
  clock.advance(1_000);
  assert.equal(order(), 'abc');
});

test('addresses to avoid come last but are never left out', () => {
  const { addresses, order } = book();
  addresses.begin('b')('bad');
  assert.equal(order(['a']), 'cba');
  assert.equal(order(['a', 'b', 'c']).length, 3);
});
