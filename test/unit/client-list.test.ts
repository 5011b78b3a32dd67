// The clients file, the secrets in it, and how often one may be wrong.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClientList, UnusableClients } from '../../src/access/client-list.ts';
import { FailedAttempts } from '../../src/access/failed-attempts.ts';
import { hashPassword, isSecret, makeToken, parseSecretHash } from '../../src/access/secret-hash.ts';

/** Cheap: what is tested is the way, not the price. */
const COST = { ln: 10, r: 8, p: 1 };

function basic(name: string, password: string): string {
  return `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;
}

test('a password is found again by its hash alone, and by no other password', async () => {
  const text = await hashPassword('correct horse', COST);
  assert.match(text, /^\$scrypt\$ln=10,r=8,p=1\$[\w-]{22}\$[\w-]{43}$/);
  assert.notEqual(await hashPassword('correct horse', COST), text, 'every line has a salt of its own');
  const stored = parseSecretHash(text)!;
  assert.ok(await isSecret('correct horse', stored));
  assert.ok(!(await isSecret('correct hors', stored)));
  assert.ok(await isSecret('u\u0308ber', parseSecretHash(await hashPassword('\u00fcber', COST))!));
});

test('what is no hash, or would take the memory of the machine, is none', async () => {
  const good = await hashPassword('x', COST);
  const bad = [
    '',
    'secret',
    '$sha256$short',
    good.slice(0, -1),
    good.replace('ln=10', 'ln=25'),
    good.replace('r=8', 'r=99'),
  ];
  for (const text of [...bad, '$2y$05$abc', '$apr1$x$y']) assert.equal(parseSecretHash(text), undefined, text);
});

test('a name has any of its secrets; a token counts as bearer token and as password', async () => {
  const first = makeToken();
  const second = makeToken();
  const alice = await hashPassword('wonderland', COST);
  const list = new ClientList(`# people\nalice:${alice}\n\nci:${first.hash}\nci:${second.hash}\n`);
  assert.equal(list.size, 2);
  assert.equal(await list.nameOf(basic('alice', 'wonderland')), 'alice');
  assert.equal(await list.nameOf(basic('ci', first.token)), 'ci');
  assert.equal(await list.nameOf(`Bearer ${second.token}`), 'ci');
  assert.equal(await list.nameOf(`bearer  ${second.token}`), 'ci');
  const wrong = [
    basic('alice', 'wonderland '),
    basic('alice', ''),
    basic('ci', 'wonderland'),
    basic('alice', first.token),
    basic('bob', 'wonderland'),
    `Bearer ${first.hash}`,
    `Bearer ${Buffer.from(first.token).toString('base64')}`,
    `Digest ${first.token}`,
    'Basic',
    'Basic ===',
    `Basic ${Buffer.from('alice').toString('base64')}`,
    '',
  ];
  for (const field of wrong) assert.equal(await list.nameOf(field), undefined, field);
});

test('a file with a line that is no client, or with none at all, is refused with the line', async () => {
  const good = `alice:${makeToken().hash}\n`;
  for (const text of [
    `${good}bob\n`,
    `${good}bob:secret`,
    `${good}:${makeToken().hash}`,
    `${good}b b:${makeToken().hash}`,
  ]) {
    assert.throws(() => new ClientList(text), /^UnusableClients: line 2 is no client|line 2 is no client/);
  }
  for (const text of ['', '\n# nobody\n']) assert.throws(() => new ClientList(text), UnusableClients);
});

test('an address that was wrong too often waits for the rest of its minute, another one does not', () => {
  const failures = new FailedAttempts();
  for (let i = 0; i < 20; i++) {
    assert.equal(failures.waitMs('203.0.113.1', i), 0);
    failures.note('203.0.113.1', i);
  }
  assert.equal(failures.waitMs('203.0.113.1', 20), 59_980);
  assert.equal(failures.waitMs('203.0.113.2', 20), 0);
  assert.equal(failures.waitMs('203.0.113.1', 60_000), 0);
});

test('all addresses of one IPv6 network count together, and memory is bounded', () => {
  const failures = new FailedAttempts();
  for (let i = 0; i < 20; i++) failures.note(`2001:db8::${i.toString(16)}`, 0);
  assert.ok(failures.waitMs('2001:db8:0:0:1::5', 1) > 0);
  assert.equal(failures.waitMs('2001:db8:0:1::5', 1), 0);
  for (let i = 0; i < 10_000; i++) failures.note(`10.0.${i >> 8}.${i & 255}`, 0);
  assert.equal(failures.waitMs('2001:db8::1', 1), 0, 'the longest known is forgotten');
});
