// Where we are reached, as commands and the first lines of the log say it.

import type { ListenAddress } from './config.ts';
import type { Settings } from './options.ts';

type Addresses = Pick<Settings, 'host' | 'port' | 'adminListen' | 'tlsCertFile' | 'basePath'>;

/** Where a client on this machine reaches the index; who listens everywhere is reached by loopback. */
export function clientUrl(settings: Addresses): string {
  return `${originAt(settings, settings)}${settings.basePath ?? ''}/`;
}

/** Where a command on this machine reaches the administration, health and metrics. */
export function administrationUrl(settings: Addresses): string {
  return settings.adminListen === undefined ? clientUrl(settings) : `${originAt(settings.adminListen, settings)}/`;
}

function originAt({ host, port }: ListenAddress, { tlsCertFile }: Addresses): string {
  const scheme = tlsCertFile === undefined ? 'http' : 'https';
  const reached = host === '0.0.0.0' || host === '' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `${scheme}://${reached.includes(':') ? `[${reached}]` : reached}:${port}`;
}

/** The host that pip must be told to trust: plain http beyond loopback. Undefined when there is nothing to tell. */
export function untrustedHost(url: string): string | undefined {
  const { protocol, hostname } = new URL(url);
  const loopback = hostname === 'localhost' || hostname === '[::1]' || /^127\./.test(hostname);
  return protocol === 'http:' && !loopback ? hostname : undefined;
}
