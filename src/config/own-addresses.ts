// Where we are reached, as commands and the first lines of the log say it.

import type { ListenAddress } from './config.ts';

/** Where a client on this machine reaches a listener: one that listens everywhere is reached by loopback. */
export function clientUrl({ host, port }: ListenAddress): string {
  const reached = host === '0.0.0.0' || host === '' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `http://${reached.includes(':') ? `[${reached}]` : reached}:${port}/`;
}

/** Where a command on this machine reaches the administration, health and metrics. */
export function administrationUrl({ host, port, adminListen }: ListenAddress & WithAdministration): string {
  return clientUrl(adminListen ?? { host, port });
}

interface WithAdministration {
  readonly adminListen?: ListenAddress | undefined;
}

/** The host that pip must be told to trust: plain http beyond loopback. Undefined when there is nothing to tell. */
export function untrustedHost(url: string): string | undefined {
  const { protocol, hostname } = new URL(url);
  const loopback = hostname === 'localhost' || hostname === '[::1]' || /^127\./.test(hostname);
  return protocol === 'http:' && !loopback ? hostname : undefined;
}
