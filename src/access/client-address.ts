// The address of a client: that of its connection, unless this is a proxy that the operator trusts. Only such a proxy is
// believed, and of X-Forwarded-For only the part that trusted proxies wrote; nothing but log lines, the count of
// failed passwords and the turns of those who wait for an upstream rest on it. Forwarded (RFC 7239) is not read: proxies
// that write X-Forwarded-For pass a client's own Forwarded on, and two lists of which one may be a client's are worth
// less than one.

import type { IncomingMessage } from 'node:http';
import { BlockList, isIP, isIPv6 } from 'node:net';

/** More proxies than any chain has. */
const MOST_HOPS = 20;
const MOST_REMEMBERED = 1_000;
const MOST_REMEMBERED_CHARACTERS = 200;

export class ClientAddress {
  readonly #trusted: BlockList | undefined;
  readonly #verdicts = new Map<string, boolean>();
  /** What was found behind a chain of proxies. */
  readonly #clients = new Map<string, string>();

  /** `networks` are addresses, or networks as in `10.0.0.0/8`. */
  constructor(networks: readonly string[]) {
    this.#trusted = networks.length === 0 ? undefined : listOf(networks);
  }

  of({ socket, headers }: IncomingMessage): string {
    // A request that was destroyed while its body was read has no socket any more, whatever its type says.
    const peer = socket?.remoteAddress ?? '';
    if (this.#trusted === undefined) return peer;
    const forwarded = headers['x-forwarded-for'];
    if (forwarded === undefined || !this.#isTrusted(peer)) return peer;
    const chain = String(forwarded);
    const hops = `${chain},${peer}`;
    let client = this.#clients.get(hops);
    if (client === undefined) {
      client = this.#behind(peer, chain);
      // A fleet is few clients behind few proxies; longer chains are nobody's.
      if (this.#clients.size >= MOST_REMEMBERED) this.#clients.clear();
      if (hops.length < MOST_REMEMBERED_CHARACTERS) this.#clients.set(hops, client);
    }
    return client;
  }

  /** From right to left, each written by the hop before: the first that is not trusted is the client. */
  #behind(peer: string, forwarded: string): string {
    let client = peer;
    let end = forwarded.length;
    for (let hops = 0; end > 0 && hops < MOST_HOPS; hops++) {
      const comma = forwarded.lastIndexOf(',', end - 1);
      const address = addressIn(forwarded.slice(comma + 1, end));
      // What is no address was not written by a proxy that knows what it does.
      if (address === undefined) return client;
      client = address;
      if (!this.#isTrusted(address)) return client;
      end = comma;
    }
    return client;
  }

  #isTrusted(address: string): boolean {
    const known = this.#verdicts.get(address);
    if (known !== undefined) return known;
    const family = isIP(address);
    const verdict = family !== 0 && this.#trusted!.check(address, family === 6 ? 'ipv6' : 'ipv4');
    if (this.#verdicts.size >= MOST_REMEMBERED) this.#verdicts.clear();
    this.#verdicts.set(address, verdict);
    return verdict;
  }
}

/** Whether this is an address, or a network in CIDR notation. */
export function isNetwork(text: string): boolean {
  const [address = '', prefix] = text.split('/');
  const family = isIP(address);
  if (family === 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 6 ? 128 : 32));
}

function listOf(networks: readonly string[]): BlockList {
  const list = new BlockList();
  for (const network of networks) {
    const [address = '', prefix] = network.split('/');
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    if (prefix === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(prefix), family);
  }
  return list;
}

/** An address as proxies write it: bare, with a port, in brackets. */
function addressIn(part: string): string | undefined {
  const text = part.trim();
  const [, bracketed, withPort] = /^\[([^\]]*)\](?::\d+)?$|^([\d.]+):\d+$/.exec(text) ?? [];
  const address = bracketed ?? withPort ?? text;
  return isIP(address) === 0 ? undefined : address;
}

// Whom limits per client count as one: an IPv4 address, or a whole IPv6 network of 64 bits. A host has as many IPv6
// addresses as it likes within the network that it was given (RFC 4291 2.5.1, RFC 8981), and would be as many clients.

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
