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

export class ClientList {
  readonly #names = new Set<string>();
  readonly #passwords = new Map<string, PasswordHash[]>();
  /** Names by the hash of their token: a token is looked up, for nobody can guess parts of what was hashed. */
  readonly #tokens = new Map<string, string>();
  /** Hashed in the place of what a name lacks: each attempt costs the same, whatever the name has. */
  #nobody: PasswordHash = NOBODY;
  /** Passwords of the name that has most; one, but while one is exchanged. */
  #mostPasswords = 1;

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
      this.#names.add(name);
      if (secret.kind === 'token') this.#tokens.set(secret.hash.toString('base64url'), name);
      else this.#passwords.set(name, [...(this.#passwords.get(name) ?? []), secret]);
    }
    const all = [...this.#passwords.values()];
    // As dear as the dearest: all are alike but for lines that another version made.
    const [dearest] = [NOBODY, ...all.flat()].sort((one, other) => costOf(other) - costOf(one));
    this.#nobody = { ...NOBODY, cost: dearest!.cost };
    this.#mostPasswords = Math.max(1, ...all.map(({ length }) => length));
    if (this.#names.size === 0) {
      throw new UnusableClients('names no client; expected lines as "wheelkeep client <name>" prints them');
    }
  }

  get size(): number {
    return this.#names.size;
  }

  /**
   * The name of the client whose Authorization field this is, where a token tells it: as bearer token, or as the
   * password of its own name. Costs no more than one sha256, so that it waits for no password.
   */
  nameByToken(field: string): string | undefined {
    const { name, secret } = credentialIn(field);
    if (secret === undefined) return undefined;
    const owner = this.#tokens.get(sha256(secret).toString('base64url'));
    return name === undefined || name === owner ? owner : undefined;
  }

  /** Whether the field has a password, whose check takes a slow hash. */
  hasPassword(field: string): boolean {
    return credentialIn(field).name !== undefined;
  }

  /** The name of the client whose Authorization field this is, by its token or its password. */
  async nameOf(field: string): Promise<string | undefined> {
    return this.nameByToken(field) ?? (await this.#nameByPassword(field));
  }

  /** As much is hashed for every name, known or not, for a right password and for a wrong one. */
  async #nameByPassword(field: string): Promise<string | undefined> {
    const { name, secret } = credentialIn(field);
    if (name === undefined || secret === undefined) return undefined;
    const known = this.#passwords.get(name) ?? [];
    let isRight = false;
    for (let i = 0; i < this.#mostPasswords; i++) {
      const matches = await isSecret(secret, known[i] ?? this.#nobody);
      isRight ||= matches && i < known.length;
    }
    return isRight ? name : undefined;
  }
}

type PasswordHash = Extract<SecretHash, { readonly kind: 'password' }>;

const NOBODY: PasswordHash = {
  kind: 'password',
  cost: { ln: 15, r: 8, p: 3 },
  salt: Buffer.alloc(16),
  hash: Buffer.alloc(32),
};

function costOf({ cost: { ln, r, p } }: PasswordHash): number {
  return 2 ** ln * r * p;
}

interface Credential {
  /** Only of basic credentials. */
  readonly name?: string;
  readonly secret?: string;
}

function credentialIn(field: string): Credential {
  const [, scheme = '', value = ''] = /^(\w+) +(\S+) *$/.exec(field) ?? [];
  if (scheme.toLowerCase() === 'bearer') return { secret: value };
  if (scheme.toLowerCase() !== 'basic') return {};
  const given = Buffer.from(value, 'base64').toString('utf8');
  const colon = given.indexOf(':');
  return colon < 0 ? {} : { name: given.slice(0, colon), secret: given.slice(colon + 1) };
}
