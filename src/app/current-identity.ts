// The identity of all listeners, exchanged while they run when its files change. Files that cannot be used (half of a
// renewal, a wrong key) change nothing: the last good identity goes on, and the log says why.

import { ReloadedFiles } from '../access/reloaded-files.ts';
import { expiryWarning, readIdentity, type TlsIdentity, validity } from '../access/tls-identity.ts';
import type { Config } from '../config/config.ts';
import type { HttpServer } from '../http/server.ts';
import type { Basics } from './context.ts';

interface CurrentIdentityOptions extends Pick<Basics, 'log' | 'metrics' | 'now'> {
  /** All that are open, whenever it changes. */
  readonly servers: readonly HttpServer[];
}

export class CurrentIdentity {
  readonly #options: CurrentIdentityOptions;
  readonly #files: ReloadedFiles<TlsIdentity>;
  /** What is shown to new connections. */
  value: TlsIdentity;

  constructor({ certFile, keyFile, identity }: NonNullable<Config['tls']>, options: CurrentIdentityOptions) {
    this.#options = options;
    // A worker that starts later than its primary begins with what the primary found, in case the files are bad now.
    this.value = identity;
    this.#files = new ReloadedFiles({
      paths: [certFile, keyFile],
      read: () => readIdentity({ certFile, keyFile }),
      onChange: (found) => this.#take(found, certFile),
      onFailure: (error) =>
        options.log.error('the new certificate cannot be used, the one before stays', {
          certFile,
          reason: error.message,
        }),
    });
  }

  /** Resolves once `value` is what the files hold, or the last that was good. */
  async start(): Promise<void> {
    this.#tellExpiry();
    await this.#files.start();
  }

  close(): void {
    this.#files.close();
  }

  #take(found: TlsIdentity, certFile: string): void {
    if (found.cert === this.value.cert && found.key === this.value.key) return;
    this.value = found;
    for (const server of this.#options.servers) server.renew(found);
    this.#tellExpiry();
    const { log, now } = this.#options;
    log.info('the certificate was exchanged', { certFile, until: new Date(validity(found).to).toISOString() });
    const warning = expiryWarning(found, now());
    if (warning !== undefined) log.warn(`the new certificate ${warning}`, { certFile });
  }

  #tellExpiry(): void {
    this.#options.metrics.meters.certificateExpiry.set({}, validity(this.value).to / 1000);
  }
}
