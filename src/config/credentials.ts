// Turns what the configuration says about credentials into the credentials themselves. Secrets come from files,
// variables or netrc; they never appear in a message.

import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Credentials, CredentialsFile } from './config.ts';
import { InvalidValue } from './units.ts';
import type { CredentialsRecord } from './yaml-file.ts';

/** Credentials, and the file that they came from. */
export interface FoundCredentials {
  readonly credentials: Credentials;
  /** Where they were found, if that is a file. */
  readonly credentialsFile?: CredentialsFile;
}

/** Reads credentials from files, variables and netrc. Rejects with InvalidValue. */
export class CredentialsReader {
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #folder: string;
  #netrc: Promise<string | undefined> | undefined;

  /** `folder`: where relative paths start. */
  constructor(options: { readonly env: Readonly<Record<string, string | undefined>>; readonly folder: string }) {
    this.#env = options.env;
    this.#folder = options.folder;
  }

  /** The credentials that a record of the file names for `url`; throws InvalidValue with what would be right. */
  async named(record: CredentialsRecord, url: string): Promise<FoundCredentials> {
    if (record.basic_file !== undefined) return this.#file('basic_file', record.basic_file, url);
    if (record.basic !== undefined) return { credentials: basic(this.#expand(record.basic), 'basic') };
    if (record.bearer_file !== undefined) return this.#file('bearer_file', record.bearer_file, url);
    if (record.bearer !== undefined) return { credentials: bearer(this.#expand(record.bearer), 'bearer') };
    const found = await this.fromNetrc(url);
    if (found) return found;
    throw new InvalidValue(`netrc: no entry for ${new URL(url).hostname} in ${this.netrcPath}`);
  }

  /** What netrc says of the host of `url`. A file that cannot be read counts as absent, as pip does it. */
  async fromNetrc(url: string): Promise<FoundCredentials | undefined> {
    this.#netrc ??= readFile(this.netrcPath, 'utf8').catch(() => undefined);
    const content = await this.#netrc;
    const file = { kind: 'netrc', path: this.netrcPath } as const;
    const credentials = content === undefined ? undefined : credentialsIn(file, content, url);
    return credentials && { credentials, credentialsFile: file };
  }

  /** Absolute. */
  get netrcPath(): string {
    return resolve(this.#folder, this.#env.NETRC || join(this.#env.HOME || homeFolder(), '.netrc'));
  }

  async #file(kind: 'basic_file' | 'bearer_file', path: string, url: string): Promise<FoundCredentials> {
    const file = { kind, path: resolve(this.#folder, path) };
    let text: string;
    try {
      text = await readFile(file.path, 'utf8');
    } catch (error) {
      const reason = (error as NodeJS.ErrnoException).code ?? 'unreadable';
      throw new InvalidValue(`${kind}: ${path} cannot be read (${reason})`);
    }
    return { credentials: credentialsIn(file, text, url)!, credentialsFile: file };
  }

  /** `${NAME}` becomes the variable's value, so that a file may be shared without its secrets. */
  #expand(text: string): string {
    return text.replace(/\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g, (_, name: string) => {
      const value = this.#env[name];
      if (value) return value;
      throw new InvalidValue(`the variable ${name} is not set`);
    });
  }
}

/**
 * The credentials for `url` in the text of the file; undefined only where a netrc file has none for its host. Throws
 * InvalidValue with what would be right, without anything of the text.
 */
export function credentialsIn({ kind }: CredentialsFile, text: string, url: string): Credentials | undefined {
  if (kind === 'netrc') return netrcCredentials(text, new URL(url).hostname);
  return kind === 'basic_file' ? basic(text.trim(), kind) : bearer(text.trim(), kind);
}

/** The home of this process's user; the root folder for a user that no account describes, as in many containers. */
function homeFolder(): string {
  try {
    return homedir();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_SYSTEM_ERROR') throw error;
    return '/';
  }
}

function basic(text: string, key: string): Credentials {
  const colon = text.indexOf(':');
  if (colon < 0) throw new InvalidValue(`${key}: expected user:password`);
  return { kind: 'basic', user: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** RFC 6750 2.1: one token without blanks; anything else would be a second header line in the making. */
function bearer(token: string, key: string): Credentials {
  if (!/^[\x21-\x7e]+$/.test(token)) throw new InvalidValue(`${key}: expected one token without blanks`);
  return { kind: 'bearer', token };
}

// The netrc file, read as Python's installers read it: pip sends what it says to an index without other credentials.

/** The entry of `host` (its `default` entry otherwise) as basic credentials. Ports play no part in netrc. */
export function netrcCredentials(content: string, host: string): Credentials | undefined {
  const entries = new Map<string, { user: string; password: string }>();
  let entry: { user: string; password: string } | undefined;
  const tokens = tokensOf(content);
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i];
    if (token === 'machine' || token === 'default') {
      entry = { user: '', password: '' };
      const name = token === 'default' ? '' : (tokens[++i] ?? '').toLowerCase();
      if (!entries.has(name)) entries.set(name, entry);
    } else if (entry && token === 'login') entry.user = tokens[++i] ?? '';
    else if (entry && token === 'password') entry.password = tokens[++i] ?? '';
    else if (token === 'account') i++;
  }
  const found = entries.get(host.toLowerCase()) ?? entries.get('');
  return found && (found.user || found.password) ? { kind: 'basic', ...found } : undefined;
}

/** Words, quoted ones unquoted; comments and macro definitions (up to the next blank line) left out. */
function tokensOf(content: string): string[] {
  const tokens: string[] = [];
  let inMacro = false;
  for (const line of content.split(/\r?\n/)) {
    if (line.trim() === '') inMacro = false;
    if (inMacro || line.trimStart().startsWith('#')) continue;
    const words: string[] = line.match(/"(?:[^"\\]|\\.)*"|\S+/g) ?? [];
    const macro = words.indexOf('macdef');
    inMacro = macro >= 0;
    for (const word of inMacro ? words.slice(0, macro) : words) {
      tokens.push(/^".*"$/.test(word) ? word.slice(1, -1).replace(/\\(.)/g, '$1') : word);
    }
  }
  return tokens;
}
