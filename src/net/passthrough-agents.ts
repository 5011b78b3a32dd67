// How http-proxy's requests get their connections: the same doors, the same trust as all our own (open-socket.ts), in
// the form of Node's agents. What is forwarded goes to configured origins only, so there is no egress to judge.

import http from 'node:http';
import https from 'node:https';
import type { Socket } from 'node:net';
import { UpstreamFailure } from '../core/errors.ts';
import { proxyAuthorization } from './credentials.ts';
import { type ExtraCertificates, type IdentityFor, openSocket, TrustStore } from './open-socket.ts';
import { type ProxyOptions, proxyChooser } from './proxies.ts';

/** Proxies, authorities and limits, as for other requests. */
export interface PassthroughAgentsOptions {
  readonly proxy: ProxyOptions;
  /** Certificate authorities to trust beside Node's and the system's. */
  readonly extraCertificates: ExtraCertificates;
  /** Asked for every new connection, for certificates are renewed. */
  readonly identityFor?: IdentityFor | undefined;
  readonly connectTimeoutMs: number;
  /** Connections to one origin at a time. */
  readonly maxSockets: number;
}

/** Below the 5 s after which common servers close an idle connection: a POST must not meet that (RFC 9112 9.3.1). */
const KEEP_ALIVE_MS = 4_000;

/** The way to one URL. */
export interface Way {
  readonly agent: http.Agent;
  /** Set where an HTTP proxy is told the whole URL (RFC 9112 3.2.2), with what proves us to it. */
  readonly absoluteForm?: { readonly proxyAuthorization: string | undefined };
}

/** Agents of node:http for what is passed through, one for each way. */
export class PassthroughAgents {
  readonly #options: PassthroughAgentsOptions;
  readonly #proxyFor: (target: URL) => URL | undefined;
  readonly #agents = new Map<string, http.Agent>();
  readonly #trust: TrustStore;

  constructor(options: PassthroughAgentsOptions) {
    this.#options = options;
    this.#proxyFor = proxyChooser(options.proxy);
    this.#trust = new TrustStore(options.extraCertificates);
  }

  readonly wayTo = (url: URL): Way => {
    const proxy = this.#proxyFor(url);
    const key = `${url.protocol} ${proxy?.href ?? ''}`;
    let agent = this.#agents.get(key);
    if (agent === undefined) {
      agent = this.#create(url.protocol, proxy);
      this.#agents.set(key, agent);
    }
    if (proxy === undefined || url.protocol === 'https:') return { agent };
    return { agent, absoluteForm: { proxyAuthorization: proxyAuthorization(proxy) } };
  };

  /** Ends the idle connections. */
  close(): void {
    for (const agent of this.#agents.values()) agent.destroy();
  }

  #create(protocol: string, proxy: URL | undefined): http.Agent {
    const { maxSockets } = this.#options;
    const Base = protocol === 'https:' ? https.Agent : http.Agent;
    const agent = new Base({ keepAlive: true, maxSockets, timeout: KEEP_ALIVE_MS });
    // The one method of an agent that opens connections; Node documents it as the place to put one's own.
    agent.createConnection = (options, callback) => {
      const host = options.host!.includes(':') ? `[${options.host}]` : options.host!;
      const target = new URL(`${protocol}//${host}:${options.port}`);
      this.#open(target, proxy).then(
        (socket) => callback?.(null, socket),
        (error: Error) => callback?.(error, undefined as unknown as Socket),
      );
      return undefined;
    };
    return agent;
  }

  async #open(target: URL, proxy: URL | undefined): Promise<Socket> {
    const control = new AbortController();
    const late = () => control.abort(new UpstreamFailure('timeout', `${target.host}: no connection in time`));
    const deadline = setTimeout(late, this.#options.connectTimeoutMs);
    const door = proxy ?? target;
    try {
      return await openSocket(
        {
          target,
          address: door.hostname.replace(/^\[|\]$/g, ''),
          port: Number(door.port || (door.protocol === 'https:' ? 443 : 80)),
          proxy,
          proxyAuthorization: proxy === undefined ? undefined : proxyAuthorization(proxy),
          identity: this.#options.identityFor?.(target),
        },
        this.#trust.context,
        control.signal,
      );
    } finally {
      clearTimeout(deadline);
    }
  }
}
