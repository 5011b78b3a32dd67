// The addresses that we listen on: the first one, the administration's, and those of raw mounts that want their own.

import type { AddressInfo } from 'node:net';
import { allowedHostsFor } from '../access/allowed-hosts.ts';
import { BrowserOrigins } from '../access/browser-origins.ts';
import { type ClientAddress, clientNetwork } from '../access/client-address.ts';
import type { ClientGate } from '../access/client-gate.ts';
import { ReloadedFiles } from '../access/reloaded-files.ts';
import { expiryWarning, readIdentity, type TlsIdentity, validity } from '../access/tls-identity.ts';
import type { Config, ListenAddress } from '../config/config.ts';
import type { Dispatch, Served } from '../http/dispatch.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Ledger } from '../http/ledger.ts';
import type { RawHandler } from '../http/raw-handler.ts';
import type { ReadyAnswers } from '../http/ready-answers.ts';
import { isOpenToAll } from '../http/routes.ts';
import { HttpServer, type HttpServerOptions } from '../http/server.ts';
import type { Basics } from './context.ts';

/** What every listener is made with. */
export interface ServersParts {
  readonly dispatch: Dispatch;
  readonly raw: RawHandler;
  readonly ready: ReadyAnswers;
  readonly ledger: Ledger;
  readonly addresses: ClientAddress;
  /** Present: only known clients are let in, everywhere but at the administration's own address. */
  readonly gate: ClientGate | undefined;
}

type Answers = Pick<HttpServerOptions, 'handle' | 'ready' | 'admit' | 'basePath' | 'browsers'>;

/** The listeners: the first one, that of the administration, those of raw mounts. */
export interface Servers {
  readonly url: string;
  readonly adminUrl: string | undefined;
  readonly rawUrls: ReadonlyMap<string, string>;
  /** Open connections to the first address. */
  readonly connections: Promise<number>;
  beginDrain(): void;
  close(graceMs: number): Promise<void>;
}

/** Listens on all of them, or on none: rejects with the system's error when one cannot be had. */
export async function openServers(
  { config, now, log, metrics, via }: Basics,
  { dispatch, raw, ready, ledger, addresses, gate }: ServersParts,
): Promise<Servers> {
  const opened: HttpServer[] = [];
  const identity = config.tls && new CurrentIdentity(config.tls, { log, metrics, now, servers: opened });
  await identity?.start();
  const close = async (graceMs: number) => {
    identity?.close();
    await Promise.all(opened.map((server) => server.close(graceMs)));
  };
  const clientOf = ({ user, request }: Exchange) => user ?? clientNetwork(addresses.of(request));
  const isGuarded = gate !== undefined;
  const open = async ({ host, port }: ListenAddress, answers: Answers) => {
    const hosts = allowedHostsFor(host, config);
    const tls = config.tls && { identity: identity!.value, minVersion: config.tls.minVersion };
    const server = new HttpServer({ metrics, log, via, ledger, tls, hosts, clientOf, isGuarded, ...answers });
    opened.push(server);
    const url = `${tls === undefined ? 'http' : 'https'}://${authorityOf(await server.listen(host, port))}${answers.basePath ?? ''}/`;
    return url;
  };
  const serve = (served: Served) => ({ handle: (exchange: Exchange) => dispatch.handle(exchange, served) });
  const admitting = (isOpen: (exchange: Exchange) => boolean) =>
    gate && ((exchange: Exchange) => gate.admit(exchange, isOpen));
  const nothingOpen = admitting(() => false);
  const { adminListen, basePath } = config;
  const indexNames = new Set(config.indexes.map(({ name }) => name));
  try {
    const served = adminListen === undefined ? 'everything' : 'indexes';
    const admit = admitting(({ request }) => isOpenToAll(request.url ?? '', indexNames));
    const { browserOrigins } = config;
    const browsers = browserOrigins.length === 0 ? undefined : new BrowserOrigins(browserOrigins, indexNames);
    const url = await open(config, { ...serve(served), ready, admit, basePath, browsers });
    const adminUrl = adminListen && (await open(adminListen, serve('administration')));
    const rawUrls = new Map<string, string>();
    for (const { name, listen } of config.raw) {
      if (listen === undefined) continue;
      rawUrls.set(name, await open(listen, { handle: (exchange) => raw.root(exchange, name), admit: nothingOpen }));
    }
    const [first] = opened;
    return {
      url,
      adminUrl,
      rawUrls,
      get connections() {
        return first!.connections;
      },
      beginDrain: () => {
        for (const server of opened) server.beginDrain();
      },
      close,
    };
  } catch (error) {
    // One address cannot be had: those that were taken are given back, or the process would never end.
    await close(0);
    throw error;
  }
}

function authorityOf({ address, port }: AddressInfo): string {
  return `${reachable(address)}:${port}`;
}

function reachable(address: string): string {
  if (address === '0.0.0.0') return '127.0.0.1';
  if (address === '::') return '[::1]';
  return address.includes(':') ? `[${address}]` : address;
}

// The identity of all listeners, exchanged while they run when its files change. Files that cannot be used (half of a
// renewal, a wrong key) change nothing: the last good identity goes on, and the log says why.

interface CurrentIdentityOptions extends Pick<Basics, 'log' | 'metrics' | 'now'> {
  /** All that are open, whenever it changes. */
  readonly servers: readonly HttpServer[];
}

/** The certificate of all listeners, exchanged when its files change. */
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
