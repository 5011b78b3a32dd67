// Which worker's turn it is to ask upstream for which key: the primary's side of the leases among workers. Pure.

import { LEASE_MS } from '../core/lease.ts';

/** One worker's request for a lease. */
export interface LeaseRequest {
  readonly worker: number;
  readonly id: number;
}

interface Held {
  holder: LeaseRequest;
  /** Milliseconds on the caller's clock: who holds it longer is taken for dead or stopped. */
  endsAt: number;
  waiting: LeaseRequest[];
}

/** Leases among the workers of one node. */
export class LeaseTable {
  readonly #held = new Map<string, Held>();

  /** Leases that are out. */
  get size(): number {
    return this.#held.size;
  }

  /** `held`: the request is remembered, and returned by the `release` or `leave` of whoever holds the lease then. */
  request(key: string, request: LeaseRequest, now: number): 'granted' | 'held' {
    const held = this.#held.get(key);
    if (held === undefined) {
      this.#held.set(key, { holder: request, endsAt: now + LEASE_MS, waiting: [] });
      return 'granted';
    }
    if (held.endsAt <= now) {
      held.holder = request;
      held.endsAt = now + LEASE_MS;
      return 'granted';
    }
    held.waiting.push(request);
    return 'held';
  }

  /** The holder is done; who is to be told. Nobody when the lease was another's by now. */
  release(key: string, request: LeaseRequest): readonly LeaseRequest[] {
    const held = this.#held.get(key);
    if (held?.holder.worker !== request.worker || held.holder.id !== request.id) return [];
    this.#held.delete(key);
    return held.waiting;
  }

  /** The worker is dead; who waited for it. */
  leave(worker: number): readonly LeaseRequest[] {
    const told: LeaseRequest[] = [];
    for (const [key, held] of this.#held) {
      held.waiting = held.waiting.filter((request) => request.worker !== worker);
      if (held.holder.worker !== worker) continue;
      this.#held.delete(key);
      told.push(...held.waiting);
    }
    return told;
  }
}
