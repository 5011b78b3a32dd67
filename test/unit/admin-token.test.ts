import assert from 'node:assert/strict';
import { chmod, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { adminToken, bearsToken, readAdminToken } from '../../src/access/admin-token.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';

test('a folder has one token, whoever asks first, and nothing else is left in it', async (t) => {
  const folder = await temporaryFolder(t);
  assert.equal(readAdminToken(folder), undefined);
  const token = adminToken(folder);
  assert.deepEqual([adminToken(folder), readAdminToken(folder)], [token, token]);
  assert.deepEqual(await readdir(folder), ['admin-token']);
  assert.notEqual(adminToken(await temporaryFolder(t)), token);
});

test('a token that others could read is closed again, a damaged one replaced', async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, 'admin-token');
  const token = adminToken(folder);
  await chmod(path, 0o644);
  assert.equal(adminToken(folder), token);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  for (const damage of ['', token.slice(1), `${token}x`, `${token}\n${token}`]) {
    await writeFile(path, damage);
    assert.match(adminToken(folder), /^[A-Za-z0-9_-]{43}$/);
    assert.notEqual(adminToken(folder), token);
  }
});

test('only the very token opens', () => {
  const token = 'a'.repeat(43);
  assert.ok(bearsToken(`Bearer ${token}`, token));
  assert.ok(bearsToken(`bearer  ${token} `, token));
  for (const field of [undefined, '', 'Bearer', 'Bearer ', `Bearer ${token}a`, `Bearer ${token} ${token}`, token]) {
    assert.equal(bearsToken(field, token), false, field);
  }
});
