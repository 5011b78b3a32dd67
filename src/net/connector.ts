// Finds the connection for a request: who may be asked (egress guard), by which door (proxy), at which addresses
// (resolver, health), and whether an idle connection serves or a new one is opened.

import { UpstreamFailure } from '../core/errors.ts';
import { type Fields, withField } from '../core/http-message.ts';
import { requestContext } from '../core/request-context.ts';
import type { AddressBook, ReportAddress } from './addresses.ts';
import { Connection } from './connection.ts';
import { ConnectionPool, type PoolStatus } from './connection-pool.ts';
import { proxyAuthorization } from './credentials.ts';
import { type Dialled, dial } from './dialer.ts';
import { EgressGuard, type Trust } from './egress-guard.ts';
import { crowdedFailure } from './failures.ts';
import { type ClientIdentity, type ExtraCertificates, openSocket, TrustStore } from './open-socket.ts';
import { type ProxyOptions, proxyChooser } from './proxies.ts';
import { type Lookup, Resolver } from './resolver.ts';

/** How connections are made: addresses, proxies, authorities, limits. */
export interface ConnectorOptions {
  readonly now: () => number;
  readonly addresses: AddressBook;
  /** Origins (`https://host:port`) of files of any index (`file_origins`): private addresses and plain http are allowed there. */
  readonly configuredOrigins: readonly string[];
  readonly proxy: ProxyOptions;
  /** Certificate authorities to trust beside Node's and the system's. */
  readonly extraCertificates: ExtraCertificates;
  readonly lookup?: Lookup;
  readonly connectTimeoutMs?: number;
  readonly raceAfterMs?: number;
  readonly connectionsPerOrigin?: number;
}

/** What is wanted of a connection. */
export interface Wanted {
  readonly url: URL;
  readonly trusted: Trust;
  /** What proves us to the server; undefined where it wants nothing. */
  readonly identity: ClientIdentity | undefined;
  /** Sources to use only when there is no other. */
  readonly avoid: ReadonlySet<string>;
  /** No reuse: a connection that nobody used before. */
  readonly fresh: boolean;
  /** Its reason is an UpstreamFailure. */
  readonly signal: AbortSignal;
}

/** A connection that is the caller's until it is released; `report` tells how the exchange over it began. */
export interface Connected {
  readonly connection: Connection;
  readonly report: ReportAddress;
}

/** Gives a connection to a URL, an idle one or a new one. Throws UpstreamFailure. */
export class Connector {
  readonly #options: ConnectorOptions;
  readonly #resolver: Resolver;
  readonly #pool: ConnectionPool;
  readonly #guard: EgressGuard;
  readonly #proxyFor: (target: URL) => URL | undefined;
  readonly #trust: TrustStore;
  readonly #groups = new WeakMap<Connection, string>();
  readonly #identities = new WeakMap<ClientIdentity, number>();
  #identityCount = 0;

  constructor(options: ConnectorOptions) {
    this.#options = options;
    this.#resolver = new Resolver(options);
    this.#pool = new ConnectionPool({ now: options.now, connectionsPerOrigin: options.connectionsPerOrigin ?? 64 });
    this.#guard = new EgressGuard(options.configuredOrigins);
    this.#proxyFor = proxyChooser(options.proxy);
    this.#trust = new TrustStore(options.extraCertificates);
  }

  /** An idle connection to a good address, else a new one to the best. Throws UpstreamFailure. */
  async connection(wanted: Wanted): Promise<Connected> {
    const { addresses } = this.#options;
    const group = this.#groupOf(wanted);
    const client = requestContext();
    const askedAt = performance.now();
    const doors = await this.#doors(wanted);
    for (;;) {
      const ranked = addresses.rank([...doors.keys()], wanted.avoid);
      if (!wanted.fresh) {
        const good = ranked.filter((source) => !wanted.avoid.has(source) && addresses.isHealthy(source));
        // With no good address the best of the bad is asked, and again over the connections it has.
        const idle = this.#pool.takeIdle(group, client, good.length > 0 ? good : ranked.slice(0, 1));
        if (idle !== undefined) return { connection: idle, report: addresses.begin(idle.source) };
      }
      if (!(await this.#pool.reserve(group, client, wanted.signal))) continue;
      const placeAt = performance.now();
      try {
        const { socket, source, report } = await this.#dial(ranked, doors, wanted);
        const connection = new Connection(wanted.url.origin, socket, source);
        this.#groups.set(connection, group);
        this.#pool.opened(group, client, connection);
        return { connection, report };
      } catch (error) {
        this.#pool.failed(group, client);
        // Most of its time it stood in our own queue: that it got no further says nothing of the server.
        const wasLate = error instanceof UpstreamFailure && error.kind === 'timeout';
        throw wasLate && placeAt - askedAt > performance.now() - placeAt ? crowdedFailure(wanted.url.host) : error;
      }
    }
  }

  /** Request target and fields as they go over the connection: a proxy of http is told the whole URL (RFC 9112 3.2.2). */
  onTheWire(url: URL, fields: Fields): { readonly path: string; readonly fields: Fields } {
    const proxy = url.protocol === 'http:' ? this.#proxyFor(url) : undefined;
    if (proxy === undefined) return { path: url.pathname + url.search, fields };
    const value = proxyAuthorization(proxy);
    return { path: url.href, fields: value === undefined ? fields : withField(fields, 'proxy-authorization', value) };
  }

  /** The answer over it is complete: the connection may serve another request. */
  release(url: URL, connection: Connection): void {
    this.#pool.release(this.#groups.get(connection) ?? url.origin, connection);
  }

  status(): PoolStatus[] {
    return this.#pool.status();
  }

  close(): Promise<void> {
    return this.#pool.close();
  }

  /** The addresses that may be dialled for the URL, by source. Resolved and judged for every request: see egress-guard. */
  async #doors({ url, trusted, signal }: Wanted): Promise<ReadonlyMap<string, string>> {
    this.#guard.judgeUrl(url, trusted);
    const proxy = this.#proxyFor(url);
    const resolved = await unlessAborted(this.#resolver.addresses((proxy ?? url).hostname), signal);
    // A proxy is the operator's own, and resolves names for us: behind it nothing but the name could be judged.
    const allowed = proxy === undefined ? this.#guard.filter(resolved, url, trusted) : resolved;
    const port = portOf(proxy ?? url);
    return new Map(allowed.map((ip) => [`${url.host}/${ip.includes(':') ? `[${ip}]` : ip}:${port}`, ip]));
  }

  /**
   * Whose connections may be used again: a connection that proves us to a server by a certificate serves no request that
   * has no right to that certificate.
   */
  #groupOf({ url, identity }: Wanted): string {
    if (identity === undefined) return url.origin;
    let number = this.#identities.get(identity);
    if (number === undefined) {
      number = ++this.#identityCount;
      this.#identities.set(identity, number);
    }
    return `${url.origin} by certificate ${number}`;
  }

  #dial(
    ranked: readonly string[],
    doors: ReadonlyMap<string, string>,
    { url, identity, signal }: Wanted,
  ): Promise<Dialled> {
    const proxy = this.#proxyFor(url);
    const route = {
      target: url,
      port: portOf(proxy ?? url),
      proxy,
      proxyAuthorization: proxy === undefined ? undefined : proxyAuthorization(proxy),
      identity,
    };
    return dial(
      ranked,
      (source, attemptSignal) =>
        openSocket({ ...route, address: doors.get(source)! }, this.#trust.context, attemptSignal),
      signal,
      {
        addresses: this.#options.addresses,
        connectTimeoutMs: this.#options.connectTimeoutMs ?? 3_000,
        raceAfterMs: this.#options.raceAfterMs ?? 300,
      },
    );
  }
}

function portOf(url: URL): number {
  return Number(url.port || (url.protocol === 'https:' ? 443 : 80));
}

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: first, resolve, reject } = Promise.withResolvers<T>();
  const giveUp = (): void => reject(signal.reason);
  signal.addEventListener('abort', giveUp);
  if (signal.aborted) giveUp();
  promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', giveUp));
  return first;
}
