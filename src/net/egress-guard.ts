// Refuses to connect to addresses that are not on the public internet, unless the operator named the origin.
// It judges the resolved address that is then dialled, so a name that changes its mind (DNS rebinding) gains nothing.

import { BlockList, isIP } from 'node:net';
import { UpstreamFailure } from '../core/errors.ts';

/**
 * IANA special-purpose registries (RFC 6890 and its updates), multicast included: nothing public lives here. The
 * documentation networks (RFC 5737, RFC 3849) are left out: no private service lives there either, but closed networks
 * give their stand-ins for public hosts such addresses.
 */
const IPV4_RANGES: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8], // this network
  ['10.0.0.0', 8], // private
  ['100.64.0.0', 10], // carrier-grade NAT
  ['127.0.0.0', 8], // loopback
  ['169.254.0.0', 16], // link-local, cloud metadata services
  ['172.16.0.0', 12], // private
  ['192.0.0.0', 24], // protocol assignments
  ['192.88.99.0', 24], // 6to4 relays
  ['192.168.0.0', 16], // private
  ['198.18.0.0', 15], // benchmarks
  ['224.0.0.0', 4], // multicast
  ['240.0.0.0', 4], // reserved, broadcast
];

/** Everything outside 2000::/3 is refused as a whole (unspecified, loopback, NAT64, ULA, link-local, multicast). */
const IPV6_RANGES: readonly (readonly [string, number])[] = [
  ['::', 3], // unspecified, loopback, v4-compatible, v4-mapped, NAT64 (64:ff9b::/96, 64:ff9b:1::/48), discard (100::/64)
  ['4000::', 2],
  ['8000::', 1], // unique local, link-local, site-local, multicast
  ['2001::', 23], // protocol assignments, Teredo
  ['2002::', 16], // 6to4: carries an IPv4 address that we would not see
];

/** Two lists: BlockList takes an IPv4 address for its v4-mapped form too, which ::/3 would cover. */
const refused4 = new BlockList();
const refused6 = new BlockList();
for (const [network, prefix] of IPV4_RANGES) refused4.addSubnet(network, prefix, 'ipv4');
for (const [network, prefix] of IPV6_RANGES) refused6.addSubnet(network, prefix, 'ipv6');

/** Whether an IP address literal lies on the public internet. Not an address at all: false. */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return !refused4.check(address, 'ipv4');
  return family === 6 && !refused6.check(address, 'ipv6');
}

/** Names that never mean a public host: single labels and the suffixes of RFC 6761, 6762, 8375 and common practice. */
const PRIVATE_NAME = /^[^.]*\.?$|(?:^|\.)(?:localhost|local|internal|intranet|lan|home\.arpa)\.?$/i;

/**
 * Whether a URL's host may be public, judged by its text alone: all that can be known behind a proxy, which resolves
 * names for us. `hostname` is as WHATWG URL gives it, so `127.1` and `0x7f000001` have become dotted already.
 */
export function mayBePublicHost(hostname: string): boolean {
  const literal = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
  return isIP(literal) === 0 ? !PRIVATE_NAME.test(hostname) : isPublicAddress(literal);
}

/** Whether the configuration named a URL's origin, or a page did. */
export type Trust = 'configured' | 'listed';

/** Applies the two judgements to requests; origins that the configuration names are exempt, and only they may be http. */
export class EgressGuard {
  readonly #configured: ReadonlySet<string>;

  constructor(configuredOrigins: readonly string[]) {
    this.#configured = new Set(configuredOrigins.map((origin) => new URL(origin).origin));
  }

  /** What can be said before the name is resolved. Throws UpstreamFailure 'forbidden-address'. */
  judgeUrl(url: URL, trusted: Trust): void {
    if (url.protocol !== 'https:' && url.protocol !== 'http:') throw refusal(url, 'only http and https are spoken');
    if (url.username !== '' || url.password !== '') throw refusal(url, 'a URL with credentials in it is not asked');
    if (this.#isExempt(url, trusted)) return;
    if (url.protocol !== 'https:') throw refusal(url, 'plain http needs the origin in file_origins');
    if (!mayBePublicHost(url.hostname))
      throw refusal(url, 'a host that is not public needs its origin in file_origins');
  }

  /** The resolved addresses that may be dialled. Throws UpstreamFailure 'forbidden-address' when none is left. */
  filter(addresses: readonly string[], url: URL, trusted: Trust): readonly string[] {
    if (this.#isExempt(url, trusted)) return addresses;
    const allowed = addresses.filter(isPublicAddress);
    if (allowed.length === 0) throw refusal(url, 'resolves to no public address');
    return allowed;
  }

  #isExempt(url: URL, trusted: Trust): boolean {
    return trusted === 'configured' || this.#configured.has(url.origin);
  }
}

function refusal(url: URL, why: string): UpstreamFailure {
  return new UpstreamFailure('forbidden-address', `${url.host}: ${why}`);
}
