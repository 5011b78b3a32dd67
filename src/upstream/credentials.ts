// Which credentials belong to a URL. They are bound to the exact origin (scheme, host, port) they were configured for;
// among several sets of one origin the one whose base is the longest prefix of the URL is meant.

import { type Fields, withoutFields } from '../http-message.ts';

/** How we prove who we are to one upstream. */
export type Credentials =
  | { readonly kind: 'basic'; readonly user: string; readonly password: string }
  | { readonly kind: 'bearer'; readonly token: string };

/** A base URL and what opens it. */
export interface BoundCredentials {
  readonly url: string;
  readonly credentials: Credentials;
}

/** The value of an Authorization field (RFC 7617 in UTF-8, RFC 6750). */
export function authorization(credentials: Credentials): string {
  if (credentials.kind === 'bearer') return `Bearer ${credentials.token}`;
  return `Basic ${Buffer.from(`${credentials.user}:${credentials.password}`, 'utf8').toString('base64')}`;
}

/** The value of Proxy-Authorization for a proxy whose URL holds user information; undefined when there is none. */
export function proxyAuthorization(proxy: URL): string | undefined {
  if (proxy.username === '') return undefined;
  const user = decodeURIComponent(proxy.username);
  return authorization({ kind: 'basic', user, password: decodeURIComponent(proxy.password) });
}

/** A function from a URL to the Authorization value that belongs to it. */
export function credentialChooser(bound: readonly BoundCredentials[]): (url: URL) => string | undefined {
  const longestFirst = bound
    .map(({ url, credentials }) => ({ base: new URL(url), value: authorization(credentials) }))
    .sort((a, b) => b.base.pathname.length - a.base.pathname.length);
  return (url) => {
    const ofOrigin = longestFirst.filter(({ base }) => base.origin === url.origin);
    return (ofOrigin.find(({ base }) => url.pathname.startsWith(base.pathname)) ?? ofOrigin[0])?.value;
  };
}

/** Fields that prove who the sender is: dropped whenever the origin changes (RFC 9110 15.4). */
const SECRET_FIELDS: ReadonlySet<string> = new Set(['authorization', 'cookie', 'proxy-authorization']);

export function withoutSecrets(fields: Fields): Fields {
  return withoutFields(fields, SECRET_FIELDS);
}
