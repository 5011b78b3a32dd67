// How many clients may be connected, and how many of those connections may be one address's: who takes all he can get
// leaves a quarter to the others.

import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { clientNetwork } from './client-address.ts';

const MOST_CONNECTIONS = 20_000;
/** Of the file descriptors that the system grants; the rest is for files and upstreams. */
const SHARE_OF_DESCRIPTORS = 0.75;
const SHARE_OF_ONE_ADDRESS = 0.75;
/** From there on connections on which nothing happens have to go. */
const CROWDED = 0.7;

export class ConnectionShares {
  readonly limit: number;
  readonly #open = new Map<string, number>();
  #count = 0;

  constructor(limit = grantedByTheSystem()) {
    this.limit = limit;
  }

  get isCrowded(): boolean {
    return this.#count >= this.limit * CROWDED;
  }

  /** Whether the connection may stay; then it counts until it closes. */
  admit(socket: Socket): boolean {
    const address = clientNetwork(socket.remoteAddress ?? '');
    const held = this.#open.get(address) ?? 0;
    if (held >= this.limit * SHARE_OF_ONE_ADDRESS) return false;
    this.#open.set(address, held + 1);
    this.#count += 1;
    socket.once('close', () => this.#closed(address));
    return true;
  }

  #closed(address: string): void {
    const left = this.#open.get(address)! - 1;
    if (left === 0) this.#open.delete(address);
    else this.#open.set(address, left);
    this.#count -= 1;
  }
}

function grantedByTheSystem(): number {
  const descriptors = Number(/^Max open files +(\d+)/m.exec(limits())?.[1] ?? Number.POSITIVE_INFINITY);
  return Math.min(MOST_CONNECTIONS, Math.floor(descriptors * SHARE_OF_DESCRIPTORS));
}

function limits(): string {
  try {
    return readFileSync('/proc/self/limits', 'latin1');
  } catch {
    // Only Linux has it; elsewhere the number of connections alone counts.
    return '';
  }
}
