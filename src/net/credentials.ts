// Credentials for upstreams and proxies, and the fields that carry them. Which URL they belong to: origin-rights.ts.

import { type Fields, withoutFields } from '../core/http-message.ts';

/** How we prove who we are to one upstream. */
export type Credentials =
  | { readonly kind: 'basic'; readonly user: string; readonly password: string }
  | { readonly kind: 'bearer'; readonly token: string };

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

/** Fields that prove who the sender is: dropped whenever the origin changes (RFC 9110 15.4). */
const SECRET_FIELDS: ReadonlySet<string> = new Set(['authorization', 'cookie', 'proxy-authorization']);

/** The fields without those that carry credentials. */
export function withoutSecrets(fields: Fields): Fields {
  return withoutFields(fields, SECRET_FIELDS);
}
