// Whom limits per client count as one: an IPv4 address, or a whole IPv6 network of 64 bits. A host has as many IPv6
// addresses as it likes within the network that it was given (RFC 4291 2.5.1, RFC 8981), and would be as many clients.

import { isIPv6 } from 'node:net';

/** The address itself, or the first 64 bits of an IPv6 one as `2001:db8:0:1::/64`. */
export function clientNetwork(address: string): string {
  if (!isIPv6(address)) return address;
  // What a listener on both families tells of an IPv4 client (RFC 4291 2.5.5.2).
  const [, mapped] = /^::ffff:([\d.]+)$/i.exec(address) ?? [];
  if (mapped !== undefined) return mapped;
  const [before = '', after] = address.replace(/%.*/, '').split('::');
  const groups = groupsOf(before);
  if (after !== undefined) {
    // An address in dotted form stands for two groups.
    const behind = groupsOf(after).length + (after.includes('.') ? 1 : 0);
    while (groups.length + behind < 8) groups.push('0');
    groups.push(...groupsOf(after));
  }
  const network = groups.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16));
  return `${network.join(':')}::/64`;
}

function groupsOf(part: string): string[] {
  return part === '' ? [] : part.split(':');
}
