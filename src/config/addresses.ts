// URLs as configuration: what an upstream, an origin or Redis may look like, and how each is shown without secrets.

import { isNetwork } from '../access/client-address.ts';
import type { ListenAddress, UpstreamConfig } from './config.ts';
import { InvalidValue, type Unit } from './units.ts';

/** The text with the user information of every URL in it replaced; for messages, never for connecting. */
export function withoutSecrets(shown: string): string {
  return shown.replace(/(:\/\/)[^\s/?#]*@/g, '$1***@');
}

/** Percent-decoding that leaves a stray `%` of a password as it is. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch (error) {
    if (error instanceof URIError) return part;
    throw error;
  }
}

function httpUrl(input: string, expected: string): URL {
  const url = URL.canParse(input) ? new URL(input) : undefined;
  if (url && (url.protocol === 'https:' || url.protocol === 'http:') && url.search === '' && url.hash === '')
    return url;
  throw new InvalidValue(`expected ${expected}`);
}

/** The base of a simple API. The final slash is added; `user:password@` becomes credentials and leaves the URL. */
export const upstreamAddress: Unit<UpstreamConfig> = {
  name: 'URL',
  parse: (input) => {
    const url = httpUrl(input, 'an http or https URL without query, for example https://index.example/simple/');
    const user = decoded(url.username);
    const password = decoded(url.password);
    url.username = '';
    url.password = '';
    if (!url.pathname.endsWith('/')) url.pathname += '/';
    return user || password ? { url: url.href, credentials: { kind: 'basic', user, password } } : { url: url.href };
  },
  format: (value) => (value.credentials ? value.url.replace('://', '://***@') : value.url),
};

/** A base URL of ours or of a raw mount: final slash added, no user information. */
export const baseUrl: Unit<string> = {
  name: 'URL',
  parse: (input) => {
    const expected = 'an http or https URL without user, password and query, for example https://wheels.example/';
    const url = httpUrl(input, expected);
    if (url.username || url.password) throw new InvalidValue(`expected ${expected}`);
    if (!url.pathname.endsWith('/')) url.pathname += '/';
    return url.href;
  },
  format: (value) => value,
};

/** A URL that is asked as it is written. */
export const exactUrl: Unit<string> = {
  name: 'URL',
  parse: (input) => {
    const url = URL.canParse(input) ? new URL(input) : undefined;
    const isHttp = url?.protocol === 'https:' || url?.protocol === 'http:';
    if (url && isHttp && url.username === '' && url.password === '' && url.hash === '') return url.href;
    throw new InvalidValue(
      'expected an http or https URL without user and password, for example https://index.example/legacy/',
    );
  },
  format: (value) => value,
};

/** The path below which everything lies: without a final slash, and of characters that no front server rewrites. */
export const basePath: Unit<string> = {
  name: 'URL path',
  parse: (input) => {
    const path = input.replace(/\/$/, '');
    if (/^(?:\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$/.test(path)) return path;
    throw new InvalidValue('expected a path of letters, digits and "-", "_", ".", "~", for example /wheels');
  },
  format: (value) => value,
};

/** A name of a host alone, as it stands in `Host` before the port. */
export const hostName: Unit<string> = {
  name: 'host name',
  parse: (input) => {
    if (input === '*') return input;
    const url = URL.parse(`http://${input}/`);
    if (url !== null && url.host === url.hostname && /^[\w.-]+$/.test(input)) return url.hostname.replace(/\.$/, '');
    throw new InvalidValue(
      'expected a name without scheme, port and path, for example wheels.example, or * for every name',
    );
  },
  format: (value) => value,
};

/** Addresses of proxies. */
export const network: Unit<string> = {
  name: 'network',
  parse: (input) => {
    if (isNetwork(input)) return input;
    throw new InvalidValue('expected an address or a network, for example 10.1.2.3 or 10.0.0.0/8');
  },
  format: (value) => value,
};

/** Scheme, host and port alone. */
export const origin: Unit<string> = {
  name: 'origin',
  parse: (input) => {
    const expected = 'scheme, host and port only, for example http://127.0.0.1:9101';
    const url = httpUrl(input, expected);
    if (url.pathname !== '/' || url.username || url.password) throw new InvalidValue(`expected ${expected}`);
    return url.origin;
  },
  format: (value) => value,
};

/** An origin as browsers send it, or `*`. */
export const browserOrigin: Unit<string> = {
  name: 'origin or `*`',
  parse: (input) => (input === '*' ? input : origin.parse(input)),
  format: (value) => value,
};

/** A Redis URL, `redis:` or `rediss:`. */
export const redisUrl: Unit<string> = {
  name: 'URL',
  parse: (input) => {
    const url = URL.canParse(input) ? new URL(input) : undefined;
    if (url && (url.protocol === 'redis:' || url.protocol === 'rediss:') && url.hostname !== '') return input;
    throw new InvalidValue('expected a redis:// or rediss:// URL, for example redis://redis:6379/0');
  },
  format: withoutSecrets,
};

/** `host:port` of a listener; an IPv6 host stands in brackets. */
export const listenAddress: Unit<ListenAddress> = {
  name: 'host:port',
  parse: (input) => {
    const match = /^(?:\[([0-9a-f:.]+)\]|([^\s:/]+)):(\d{1,5})$/i.exec(input);
    const port = Number(match?.[3]);
    if (match && port <= 65_535) return { host: (match[1] ?? match[2])!, port };
    throw new InvalidValue('expected host:port, for example 127.0.0.1:5031');
  },
  format: ({ host, port }) => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`),
};
