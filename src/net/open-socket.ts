// Opens one connection to one address: TCP, then the proxy's tunnel where there is one, then TLS, verified always.

import { request as httpRequest } from 'node:http';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, createSecureContext, getCACertificates, type SecureContext } from 'node:tls';
import { UpstreamFailure } from '../core/errors.ts';
import { type Phase, toUpstreamFailure } from './failures.ts';

/** Where a connection leads, and by which door. */
export interface Route {
  readonly target: URL;
  /** The IP address and port to dial: the target's own, or the proxy's. */
  readonly address: string;
  readonly port: number;
  readonly proxy: URL | undefined;
  /** The value of Proxy-Authorization, when the proxy wants one. */
  readonly proxyAuthorization: string | undefined;
  /** What proves us to the target; never shown to a proxy. */
  readonly identity?: ClientIdentity | undefined;
}

/** PEM texts of a certificate, with those that lead to its authority, and of its private key. */
export interface ClientIdentity {
  readonly cert: string;
  readonly key: string;
}

/** The client certificate that belongs to a URL's origin; undefined where none does. */
export type IdentityFor = (url: URL) => ClientIdentity | undefined;

/** PEM texts of the operator's certificate authorities; another list in `current` is another set of authorities. */
export interface ExtraCertificates {
  readonly current: readonly string[];
}

/** The certificate authorities to trust: Node's own, the system's, and the operator's, which add and never replace. */
export class TrustStore {
  readonly #extra: ExtraCertificates;
  #madeOf: readonly string[] | undefined;
  #plain: SecureContext | undefined;
  #withIdentity = new WeakMap<ClientIdentity, SecureContext>();

  constructor(extra: ExtraCertificates) {
    this.#extra = extra;
  }

  /**
   * How servers are trusted now, and by which certificate we prove ourselves to them. Reading all authorities takes
   * tens of milliseconds: once for each change and identity, and only when TLS is spoken at all.
   */
  readonly context = (identity?: ClientIdentity): SecureContext => {
    const { current } = this.#extra;
    if (this.#madeOf !== current) {
      this.#madeOf = current;
      this.#plain = undefined;
      this.#withIdentity = new WeakMap();
    }
    if (identity === undefined) {
      this.#plain ??= secureContext(current);
      return this.#plain;
    }
    let context = this.#withIdentity.get(identity);
    if (context === undefined) {
      context = secureContext(current, identity);
      this.#withIdentity.set(identity, context);
    }
    return context;
  };
}

function secureContext(extraCertificates: readonly string[], identity?: ClientIdentity): SecureContext {
  const ca = new Set([...getCACertificates('default'), ...getCACertificates('system'), ...extraCertificates]);
  return createSecureContext({ ca: [...ca], minVersion: 'TLSv1.2', ...identity });
}

/**
 * A socket on which HTTP/1.1 may begin. Throws UpstreamFailure 'connect' or 'tls', or the signal's reason; then nothing
 * stays open. The signal must carry an UpstreamFailure as its reason.
 */
export async function openSocket(
  route: Route,
  contextOf: (identity?: ClientIdentity) => SecureContext,
  signal: AbortSignal,
): Promise<Socket> {
  let phase: Phase = 'connect';
  let socket: Socket | undefined;
  const giveUp = (): void => void socket?.destroy(signal.reason);
  signal.addEventListener('abort', giveUp);
  try {
    signal.throwIfAborted();
    socket = connectTcp({ host: route.address, port: route.port, noDelay: true });
    await once(socket, 'connect');
    if (route.proxy?.protocol === 'https:') {
      phase = 'tls';
      socket = await startTls(socket, route.proxy.hostname, contextOf());
    }
    if (route.target.protocol === 'https:') {
      phase = 'connect';
      if (route.proxy !== undefined) await openTunnel(socket, route);
      phase = 'tls';
      socket = await startTls(socket, route.target.hostname, contextOf(route.identity));
    }
    signal.throwIfAborted();
    return socket;
  } catch (error) {
    socket?.destroy();
    throw toUpstreamFailure(signal.aborted ? signal.reason : error, phase, route.target.host);
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}

/** Resolves at `event`, rejects when the socket fails or closes first. Later errors are left to the socket's next user. */
function once(socket: Socket, event: 'connect' | 'secureConnect'): Promise<void> {
  return new Promise((resolve, reject) => {
    // This listener stays: between two owners an error must not find a socket without any.
    socket.on('error', reject);
    socket.once('close', () => reject(new Error('closed by the other side')));
    socket.once(event, resolve);
  });
}

async function startTls(under: Socket, hostname: string, context: SecureContext): Promise<Socket> {
  const host = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
  const socket = connectTls({
    socket: under,
    host,
    // RFC 6066 3: no address literals in the server name.
    servername: isIP(host) === 0 ? host : '',
    secureContext: context,
    ALPNProtocols: ['http/1.1'],
    // Said in words, because NODE_TLS_REJECT_UNAUTHORIZED=0 would change the default.
    rejectUnauthorized: true,
  });
  try {
    await once(socket, 'secureConnect');
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** CONNECT (RFC 9110 9.3.6). */
function openTunnel(socket: Socket, { target, proxyAuthorization }: Route): Promise<void> {
  const authority = `${target.hostname}:${target.port || 443}`;
  return new Promise((resolve, reject) => {
    const request = httpRequest({
      method: 'CONNECT',
      path: authority,
      headers: {
        host: authority,
        ...(proxyAuthorization === undefined ? {} : { 'proxy-authorization': proxyAuthorization }),
      },
      createConnection: () => socket,
    });
    request.on('error', reject);
    request.once('connect', (answer, _socket, head) => {
      const status = answer.statusCode ?? 0;
      if (status >= 200 && status < 300 && head.length === 0) return resolve();
      reject(new UpstreamFailure('connect', `${target.host}: the proxy answered ${status} to CONNECT`));
    });
    request.end();
  });
}
