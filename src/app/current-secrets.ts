// The credentials for upstreams and the certificate authorities that these are trusted by, as their files hold them now.
// Tokens that live for minutes are normal, so all files are looked at once a second, and a credentials file also when
// an upstream refuses what it gave. What cannot be used changes nothing: the last good value stays, and the log says why.

import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { ReloadedFiles } from '../access/reloaded-files.ts';
import type { Credentials, CredentialsFile, UpstreamConfig } from '../config/config.ts';
import { credentialsIn } from '../config/credentials.ts';
import { authorization } from '../net/credentials.ts';
import type { ExtraCertificates } from '../net/open-socket.ts';
import type { CredentialSource } from '../net/origin-rights.ts';
import type { Basics } from './context.ts';

/** A refusal reads a file again at most this often, whoever causes how many of them. */
const RENEW_INTERVAL_MS = 1_000;

/** Whose credentials they are: an upstream of an index, or the origin of a raw mount. */
type Owner = Pick<UpstreamConfig, 'url' | 'credentials' | 'credentialsFile'>;

/** Credentials and certificate authorities, read again when their files change. */
export class CurrentSecrets {
  readonly #basics: Pick<Basics, 'config' | 'log'>;
  readonly #files = new Map<string, WatchedFile>();
  readonly #certificates: { current: readonly string[] };
  readonly #authorities: ReloadedFiles<string[]> | undefined;

  constructor(basics: Pick<Basics, 'config' | 'log'>) {
    this.#basics = basics;
    const { extraCertificates, certificateFiles = [] } = basics.config;
    this.#certificates = { current: extraCertificates };
    if (certificateFiles.length > 0) this.#authorities = this.#watchAuthorities(certificateFiles);
  }

  /** The operator's certificate authorities: another list in `current` when a file has changed. */
  get certificates(): ExtraCertificates {
    return this.#certificates;
  }

  /** What an owner's credentials are now. Call it before `start`. */
  of(owner: Owner): CredentialSource {
    const { url, credentials, credentialsFile } = owner;
    const { netrcFile } = this.#basics.config;
    // Credentials of the configuration itself do not change; where there are none, netrc may get some.
    const implied = credentials === undefined && netrcFile !== undefined;
    const file: CredentialsFile | undefined =
      credentialsFile ?? (implied ? { kind: 'netrc', path: netrcFile } : undefined);
    if (file === undefined) return { value: credentials, renew: async () => {} };
    let watched = this.#files.get(file.path);
    if (watched === undefined) {
      watched = new WatchedFile(file.path, this.#basics.log);
      this.#files.set(file.path, watched);
    }
    return watched.subscribe(file, url, credentials);
  }

  /** Resolves once all is as the files hold it, or as it was read last; never rejects. */
  async start(): Promise<void> {
    await Promise.all([...this.#files.values()].map((file) => file.reloading.start()));
    await this.#authorities?.start();
  }

  close(): void {
    for (const file of this.#files.values()) file.reloading.close();
    this.#authorities?.close();
  }

  #watchAuthorities(paths: readonly string[]): ReloadedFiles<string[]> {
    const { log } = this.#basics;
    const files = paths.join(', ');
    return new ReloadedFiles({
      paths,
      read: async () => {
        const texts = await Promise.all(paths.map((path) => readFile(path, 'utf8')));
        for (const text of texts) requireAuthorities(text);
        return texts;
      },
      onChange: (texts) => {
        const { current } = this.#certificates;
        if (texts.length === current.length && texts.every((text, place) => text === current[place])) return;
        this.#certificates.current = texts;
        log.info('certificate authorities reloaded', { files });
      },
      onFailure: ({ message }) =>
        log.error('certificate authorities not reloaded, those read before stay in use', { files, reason: message }),
    });
  }
}

/** Those for one URL out of a file that holds them. */
interface Subscriber {
  readonly file: CredentialsFile;
  readonly url: string;
  value: Credentials | undefined;
}

/** One file of credentials, of all upstreams that take theirs from it. */
class WatchedFile {
  readonly reloading: ReloadedFiles<string>;
  readonly #path: string;
  readonly #log: Basics['log'];
  readonly #subscribers: Subscriber[] = [];
  #renewedAt = Number.NEGATIVE_INFINITY;
  #renewing = Promise.resolve();

  constructor(path: string, log: Basics['log']) {
    this.#path = path;
    this.#log = log;
    this.reloading = new ReloadedFiles({
      paths: [path],
      read: async () => {
        const text = await readFile(path, 'utf8');
        // Who replaces a file by writing into it leaves it empty for a moment.
        if (text.trim() === '') throw new Error('it is empty');
        return text;
      },
      onChange: (text) => this.#take(text),
      onFailure: (error) => this.#tell(error),
    });
  }

  subscribe(file: CredentialsFile, url: string, value: Credentials | undefined): CredentialSource {
    const subscriber: Subscriber = { file, url, value };
    this.#subscribers.push(subscriber);
    return {
      get value() {
        return subscriber.value;
      },
      renew: () => this.#renew(),
    };
  }

  /** All who are refused within the interval wait for one reading. */
  #renew(): Promise<void> {
    const now = performance.now();
    if (now - this.#renewedAt >= RENEW_INTERVAL_MS) {
      this.#renewedAt = now;
      this.#renewing = this.reloading.look(true);
    }
    return this.#renewing;
  }

  #take(text: string): void {
    for (const subscriber of this.#subscribers) {
      const { file, url, value } = subscriber;
      try {
        const found = credentialsIn(file, text, url);
        if (sameAs(found, value)) continue;
        subscriber.value = found;
        const what = found === undefined ? 'credentials removed' : 'credentials reloaded';
        this.#log.info(`${what} for ${new URL(url).host}`, { [file.kind]: this.#path });
      } catch (error) {
        this.#tell(error as Error, subscriber);
      }
    }
  }

  #tell({ message }: Error, subscriber = this.#subscribers.find(({ value }) => value !== undefined)): void {
    // A netrc file that is not there is nothing to speak of where nobody had anything from it.
    if (subscriber === undefined) return;
    const { file } = subscriber;
    this.#log.error('credentials not reloaded, those read before stay in use', {
      [file.kind]: this.#path,
      reason: message,
    });
  }
}

function sameAs(one: Credentials | undefined, other: Credentials | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return authorization(one) === authorization(other);
}

/** Throws for a text without certificates, for damaged ones, and for a file that is only half written. */
function requireAuthorities(pem: string): void {
  const blocks = pem.match(/-----BEGIN [^-]*CERTIFICATE-----[^-]*-----END [^-]*CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0 || blocks.length !== pem.split('-----BEGIN ').length - 1) {
    throw new Error('it holds no complete PEM certificates');
  }
  for (const block of blocks) new X509Certificate(block);
}
