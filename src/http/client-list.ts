// Who may use this server: the names and secrets of the clients file, one `name:hash` a line, and the question whose a
// credential is (RFC 7617 basic, RFC 6750 bearer). A name may have several lines, so that a secret can be exchanged.

import { isSecret, parseSecretHash, type SecretHash, sha256 } from './secret-hash.ts';

/** A clients file that cannot be used; the message says which line and what is expected. */
export class UnusableClients extends Error {}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}$/;

/** Whether a client may be called so: as it stands in the file, in basic credentials and in log lines. */
export function isClientName(name: string): boolean {
  return NAME.test(name);
}

/** Checked for a name that is not in the file: guessing names must take as long as guessing passwords. */
const NOBODY: SecretHash = {
  kind: 'password',
  cost: { ln: 15, r: 8, p: 3 },
  salt: Buffer.alloc(16),
  hash: Buffer.alloc(32),
};

export class ClientList {
  readonly #secrets = new Map<string, SecretHash[]>();
  /** Names by the hash of their token: a token is looked up, for nobody can guess parts of what was hashed. */
  readonly #tokens = new Map<string, string>();

  /** Throws UnusableClients, also when there is not one client: half a file must not shut everybody out. */
  constructor(text: string) {
    for (const [index, line] of text.split('\n').entries()) {
      const entry = line.trim();
      if (entry === '' || entry.startsWith('#')) continue;
      const colon = entry.indexOf(':');
      const name = entry.slice(0, Math.max(0, colon));
      const secret = parseSecretHash(entry.slice(colon + 1));
      if (!isClientName(name) || secret === undefined) {
        throw new UnusableClients(
          `line ${index + 1} is no client; expected lines as "wheelkeep client <name>" prints them`,
        );
      }
      this.#secrets.set(name, [...(this.#secrets.get(name) ?? []), secret]);
      if (secret.kind === 'token') this.#tokens.set(secret.hash.toString('base64url'), name);
    }
    if (this.#secrets.size === 0) {
      throw new UnusableClients('names no client; expected lines as "wheelkeep client <name>" prints them');
    }
  }

  get size(): number {
    return this.#secrets.size;
  }

  /** The name of the client whose Authorization field this is. */
  async nameOf(field: string): Promise<string | undefined> {
    const [, scheme = '', value = ''] = /^(\w+) +(\S+) *$/.exec(field) ?? [];
    if (scheme.toLowerCase() === 'bearer') return this.#tokens.get(sha256(value).toString('base64url'));
    if (scheme.toLowerCase() !== 'basic') return undefined;
    const given = Buffer.from(value, 'base64').toString('utf8');
    const colon = given.indexOf(':');
    if (colon < 0) return undefined;
    const name = given.slice(0, colon);
    for (const secret of this.#secrets.get(name) ?? [NOBODY]) {
      if (await isSecret(given.slice(colon + 1), secret)) return name;
    }
    return undefined;
  }
}
