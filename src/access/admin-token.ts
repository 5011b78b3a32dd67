// The token of the administration: made once in the data folder, readable by the user we run as and nobody else. Who
// can read the folder may administer; nobody else can, from whatever address.

import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { chmodSync, linkSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const FILE = 'admin-token';
/** 32 random bytes in base64url. */
const TOKEN = /^[A-Za-z0-9_-]{43}$/;

/** A disk that takes nothing now. Whether it is ours to write to is another question, and one that ends the start. */
const PASSING = new Set(['ENOSPC', 'EDQUOT', 'EROFS']);

/**
 * The token of the data folder, made if there is none. On a disk that is full or read-only it is one that nobody knows:
 * installs are served, and administration waits for a start on a disk that takes it. Throws the system's error when the
 * folder cannot be used.
 */
export function adminToken(dataDir: string): string {
  try {
    return keptToken(dataDir);
  } catch (error) {
    if (!PASSING.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
    return newToken();
  }
}

function keptToken(dataDir: string): string {
  const path = join(dataDir, FILE);
  const known = readAdminToken(dataDir);
  if (known !== undefined) {
    // Copied or restored folders lose such things; one that is read-only keeps what it has.
    if ((statSync(path).mode & 0o777) !== 0o600) chmodSync(path, 0o600);
    return known;
  }
  rmSync(path, { force: true });
  const temporary = `${path}.${process.pid}`;
  try {
    writeFileSync(temporary, `${newToken()}\n`, { mode: 0o600 });
    // Whole or not at all, and of several processes that start at once the first one's.
    linkSync(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
  const made = readAdminToken(dataDir);
  if (made === undefined) throw new Error(`${path} could not be made`);
  return made;
}

function newToken(): string {
  return randomBytes(32).toString('base64url');
}

/** The token that a running server made in this folder; undefined when there is none. */
export function readAdminToken(dataDir: string): string | undefined {
  try {
    const text = readFileSync(join(dataDir, FILE), 'utf8').trim();
    return TOKEN.test(text) ? text : undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return undefined;
  }
}

/** Whether an Authorization field carries the token (RFC 6750 2.1), in a time that tells nothing of it. */
export function bearsToken(field: string | undefined, token: string): boolean {
  const given = /^bearer +([^ ]+) *$/i.exec(field ?? '')?.[1] ?? '';
  return timingSafeEqual(digest(given), digest(token));
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
