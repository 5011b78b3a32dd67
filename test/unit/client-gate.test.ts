// Guessing passwords costs the one who guesses and nobody else: how many are hashed, in whose turn, and for which names.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import { type TestContext, test } from 'node:test';
import { ClientGate } from '../../src/access/client-gate.ts';
import { ClientList } from '../../src/access/client-list.ts';
import { hashPassword, makeToken } from '../../src/access/secret-hash.ts';
import { TooManyFailures, Unauthorized } from '../../src/core/errors.ts';
import type { Exchange } from '../../src/http/exchange.ts';

const COST = { ln: 10, r: 8, p: 1 };
const ci = makeToken();
const LIST = `alice:${await hashPassword('wonderland', COST)}\nci:${ci.hash}\n`;

/** A check that is begun waits until it is let go: the test sees whose turn it is. */
class HeldList extends ClientList {
  readonly begun: string[] = [];
  /** How many checks there will be. */
  most = Number.POSITIVE_INFINITY;
  #letGo: (() => void)[] = [];
  override async nameOf(field: string): Promise<string | undefined> {
    this.begun.push(Buffer.from(field.split(' ')[1]!, 'base64').toString());
    await new Promise<void>((resolve) => this.#letGo.push(resolve));
    return super.nameOf(field);
  }
  get underWay(): number {
    return this.#letGo.length;
  }
  async next(): Promise<void> {
    const count = this.begun.length;
    this.#letGo.shift()!();
    // Until the next one has begun.
    while (count < this.most && this.begun.length === count) await new Promise((resolve) => setImmediate(resolve));
  }
}

const basic = (name: string, password: string) => `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;

function gateOf(clients: ClientList, now = () => 0) {
  const gate = new ClientGate({
    clients,
    now,
    addressOf: (exchange) => (exchange as unknown as { address: string }).address,
    onRefused: () => {},
  });
  /** The name, or the error's class. */
  return async (address: string, authorization: string): Promise<unknown> => {
    const exchange = { address, request: { headers: { authorization } } } as unknown as Exchange;
    try {
      await gate.admit(exchange, () => false);
      return exchange.user;
    } catch (error) {
      return (error as Error).constructor;
    }
  };
}

/** Counts what is hashed slowly, whoever asks for it. */
function countHashes(t: TestContext): () => number {
  const spy = t.mock.method(crypto, 'scrypt');
  syncBuiltinESMExports();
  t.after(() => {
    spy.mock.restore();
    syncBuiltinESMExports();
  });
  return () => spy.mock.callCount();
}

test('of a hundred guesses at once twenty are checked, the rest is refused unseen', async (t) => {
  const hashes = countHashes(t);
  const ask = gateOf(new ClientList(LIST));
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, i) => ask('192.0.2.1', basic('alice', `guess ${i}`))),
  );
  assert.equal(hashes(), 20);
  assert.equal(answers.filter((answer) => answer === Unauthorized).length, 20);
  assert.equal(answers.filter((answer) => answer === TooManyFailures).length, 80);
  assert.equal(await ask('192.0.2.1', basic('alice', 'wonderland')), TooManyFailures);
  assert.equal(await ask('192.0.2.2', basic('alice', 'wonderland')), 'alice');
});

test('all addresses of one IPv6 network guess together, and those of two do not', async (t) => {
  const hashes = countHashes(t);
  const ask = gateOf(new ClientList(LIST));
  await Promise.all(
    Array.from({ length: 60 }, (_, i) => ask(`2001:db8::${i.toString(16)}`, basic('alice', `guess ${i}`))),
  );
  assert.equal(hashes(), 20);
  assert.equal(await ask('2001:db8:0:1::1', basic('alice', 'wonderland')), 'alice');
});

test('whoever comes after twenty guesses waits for one of them, a token for none', async () => {
  const list = new HeldList(LIST);
  list.most = 21;
  const ask = gateOf(list);
  const guesses = Array.from({ length: 20 }, (_, i) => ask('192.0.2.1', basic('alice', `guess ${i}`)));
  const right = ask('198.51.100.7', basic('alice', 'wonderland'));
  for (const field of [`Bearer ${ci.token}`, basic('ci', ci.token)]) {
    assert.equal(await ask('198.51.100.8', field), 'ci');
  }
  assert.deepEqual(list.begun, ['alice:guess 0']);
  // One check is under way when it comes, and at most one more is called before it.
  await list.next();
  await list.next();
  assert.equal(list.begun[2], 'alice:wonderland');
  await list.next();
  assert.equal(await right, 'alice');
  while (list.underWay > 0) await list.next();
  for (const guess of guesses) assert.equal(await guess, Unauthorized);
});

test('each attempt hashes as much, whether its name has a password, a token, or is none', async (t) => {
  const hashes = countHashes(t);
  const rotating = `${LIST}carol:${await hashPassword('old', COST)}\ncarol:${await hashPassword('new', COST)}\n`;
  for (const [text, perAttempt] of [
    [LIST, 1],
    [`ci:${ci.hash}\n`, 1],
    [rotating, 2],
  ] as const) {
    const list = new ClientList(text);
    for (const [name, password] of [
      ['alice', 'wrong'],
      ['alice', 'wonderland'],
      ['ci', 'wrong'],
      ['nobody', 'wrong'],
      ['carol', 'old'],
      ['carol', 'new'],
    ] as const) {
      const before = hashes();
      await list.nameOf(basic(name, password));
      assert.equal(hashes() - before, perAttempt, name);
    }
  }
});

test('a right password is not held against those who come with it, and the minute ends', async () => {
  let now = 0;
  const ask = gateOf(new ClientList(LIST), () => now);
  for (let i = 0; i < 30; i++) assert.equal(await ask('192.0.2.1', basic('alice', 'wonderland')), 'alice');
  await Promise.all(Array.from({ length: 40 }, (_, i) => ask('192.0.2.1', basic('alice', `${i}`))));
  assert.equal(await ask('192.0.2.1', basic('alice', 'x')), TooManyFailures);
  now = 60_000;
  assert.equal(await ask('192.0.2.1', basic('alice', 'x')), Unauthorized);
});
