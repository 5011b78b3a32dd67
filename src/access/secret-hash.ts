// Secrets of clients as they are stored. A password is hashed by scrypt, slow on purpose because people choose it; a
// token is 32 random bytes of ours, for which one sha256 is enough.

import { createHash, randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';

/** `$scrypt$ln=15,r=8,p=3$<salt>$<hash>` or `$sha256$<hash>`, in base64url without padding. */
export type SecretHash =
  | { readonly kind: 'password'; readonly cost: ScryptCost; readonly salt: Buffer; readonly hash: Buffer }
  | { readonly kind: 'token'; readonly hash: Buffer };

/** RFC 7914: N is 2 to the power of `ln`. */
export interface ScryptCost {
  readonly ln: number;
  readonly r: number;
  readonly p: number;
}

/** 32 MB and a few tenths of a second: what OWASP's password storage guide asks for. */
const COST: ScryptCost = { ln: 15, r: 8, p: 3 };
/** A line of the file must not be able to take more memory than this for one check. */
const MAX_LN = 17;
const HASH_BYTES = 32;

const PASSWORD = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([\w-]{16,64})\$([\w-]{43})$/;
const TOKEN = /^\$sha256\$([\w-]{43})$/;

/** The line for a password: scrypt with its cost and salt. */
export async function hashPassword(password: string, cost: ScryptCost = COST): Promise<string> {
  const salt = randomBytes(16);
  const hash = await derive(password, salt, cost);
  const { ln, r, p } = cost;
  return `$scrypt$ln=${ln},r=${r},p=${p}$${salt.toString('base64url')}$${hash.toString('base64url')}`;
}

/** A new token, and how it is stored. */
export function makeToken(): { readonly token: string; readonly hash: string } {
  const token = randomBytes(32).toString('base64url');
  return { token, hash: `$sha256$${sha256(token).toString('base64url')}` };
}

/** Undefined when the text is none. */
export function parseSecretHash(text: string): SecretHash | undefined {
  const token = TOKEN.exec(text);
  if (token !== null) return { kind: 'token', hash: Buffer.from(token[1]!, 'base64url') };
  const [, ln, r, p, salt, hash] = PASSWORD.exec(text) ?? [];
  if (hash === undefined) return undefined;
  const cost: ScryptCost = { ln: Number(ln), r: Number(r), p: Number(p) };
  if (cost.ln < 10 || cost.ln > MAX_LN || cost.r !== 8 || cost.p < 1 || cost.p > 16) return undefined;
  return { kind: 'password', cost, salt: Buffer.from(salt!, 'base64url'), hash: Buffer.from(hash, 'base64url') };
}

/** Whether the secret is the one that was hashed, in a time that tells nothing of it. */
export async function isSecret(secret: string, stored: SecretHash): Promise<boolean> {
  const hash = stored.kind === 'token' ? sha256(secret) : await derive(secret, stored.salt, stored.cost);
  return timingSafeEqual(hash, stored.hash);
}

/** The sha256 of a text. */
export function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function derive(password: string, salt: Buffer, { ln, r, p }: ScryptCost): Promise<Buffer> {
  // Node's own limit is half of what this cost takes.
  const options: ScryptOptions = { N: 2 ** ln, r, p, maxmem: 256 * r * 2 ** ln };
  // One password in several encodings of Unicode is one password (RFC 7613 4.2).
  return new Promise((resolve, reject) => {
    scrypt(password.normalize('NFC'), salt, HASH_BYTES, options, (error, key) =>
      error ? reject(error) : resolve(key),
    );
  });
}
