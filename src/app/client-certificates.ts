// The client certificates that upstreams want of us (mutual TLS), as their files hold them now. Files that cannot be used
// change nothing: the last good certificate stays, and the log says why. Each belongs to the origins it is configured for.

import { ReloadedFiles } from '../access/reloaded-files.ts';
import { expiryWarning, readIdentity, type TlsFiles, type TlsIdentity } from '../access/tls-identity.ts';
import type { Config, UpstreamConfig } from '../config/config.ts';
import type { IdentityFor } from '../net/open-socket.ts';
import type { Basics } from './context.ts';

interface Watched {
  readonly origins: Set<string>;
  readonly reloading: ReloadedFiles<TlsIdentity>;
  value: TlsIdentity | undefined;
}

/** The client certificates of all indexes, read again when their files change. */
export class ClientCertificates {
  readonly #basics: Pick<Basics, 'log' | 'now'>;
  readonly #watched = new Map<string, Watched>();

  constructor({ config, log, now }: Pick<Basics, 'log' | 'now'> & { readonly config: Pick<Config, 'indexes'> }) {
    this.#basics = { log, now };
    for (const { clientCertificate, url } of config.indexes.flatMap(({ upstreams }) => upstreams)) {
      if (clientCertificate === undefined) continue;
      const name = nameOf(clientCertificate);
      let watched = this.#watched.get(name);
      if (watched === undefined) {
        watched = this.#watch(clientCertificate);
        this.#watched.set(name, watched);
      }
      watched.origins.add(new URL(url).origin);
    }
  }

  /** For uploads, which go to an index's own origin. */
  readonly identityFor: IdentityFor = ({ origin }) => {
    for (const { origins, value } of this.#watched.values()) if (origins.has(origin)) return value;
    return undefined;
  };

  /** The certificate that an upstream is configured with, as its files hold it now. */
  readonly identityOf = ({ clientCertificate }: Pick<UpstreamConfig, 'clientCertificate'>) => {
    const watched = clientCertificate && this.#watched.get(nameOf(clientCertificate));
    return () => watched?.value;
  };

  /** Resolves once all are read; never rejects. */
  async start(): Promise<void> {
    await Promise.all([...this.#watched.values()].map(({ reloading }) => reloading.start()));
  }

  close(): void {
    for (const { reloading } of this.#watched.values()) reloading.close();
  }

  #watch(files: TlsFiles): Watched {
    const { log, now } = this.#basics;
    const { certFile, keyFile } = files;
    const watched: Watched = {
      origins: new Set(),
      value: undefined,
      reloading: new ReloadedFiles({
        paths: [certFile, keyFile],
        read: () => readIdentity(files),
        onChange: (found) => {
          const { value } = watched;
          if (value?.cert === found.cert && value.key === found.key) return;
          watched.value = found;
          if (value !== undefined) log.info('client certificate reloaded', { certFile });
          const warning = expiryWarning(found, now())?.replace(/no client accepts it/, 'no upstream accepts it');
          if (warning !== undefined) log.warn(`client certificate ${warning}`, { certFile });
        },
        onFailure: ({ message }) =>
          log.error('client certificate not reloaded, the one before stays in use', { certFile, reason: message }),
      }),
    };
    return watched;
  }
}

function nameOf({ certFile, keyFile }: TlsFiles): string {
  return `${certFile}\n${keyFile}`;
}
