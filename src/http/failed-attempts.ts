// How often an address has failed to prove who it is: after a few times it has to wait, because each attempt at a
// password costs us much and an attacker nothing (S47). Pure, with the time as an argument.

import { isIPv6 } from 'node:net';

/** Enough for slips of the fingers and a CI matrix with last week's secret. */
const MOST = 20;
const WINDOW_MS = 60_000;
/** Addresses that are remembered; the longest known goes first. */
const MOST_ADDRESSES = 10_000;

interface Failures {
  count: number;
  readonly since: number;
}

export class FailedAttempts {
  readonly #failures = new Map<string, Failures>();

  /** Milliseconds that the address has to wait; 0 when it may try. */
  waitMs(address: string, now: number): number {
    const known = this.#failures.get(networkOf(address));
    if (known === undefined || known.count < MOST) return 0;
    return Math.max(0, known.since + WINDOW_MS - now);
  }

  note(address: string, now: number): void {
    const network = networkOf(address);
    const known = this.#failures.get(network);
    if (known !== undefined && now - known.since < WINDOW_MS) {
      known.count++;
      return;
    }
    this.#failures.delete(network);
    if (this.#failures.size >= MOST_ADDRESSES) this.#failures.delete(this.#failures.keys().next().value!);
    this.#failures.set(network, { count: 1, since: now });
  }
}

/** Of IPv6 the /64: whoever has one address of it has all of them. */
function networkOf(address: string): string {
  if (!isIPv6(address) || address.startsWith('::ffff:')) return address;
  const [head = '', tail] = address.split('::');
  const groups = head.split(':');
  const missing = tail === undefined ? 0 : 8 - groups.length - tail.split(':').length;
  return [...groups, ...Array<string>(Math.max(0, missing)).fill('0'), ...(tail?.split(':') ?? [])]
    .slice(0, 4)
    .join(':');
}
