// A lease on a key is the turn to ask upstream for it, among the processes of one machine or the nodes that share a
// Redis. It only saves requests: nothing is wrong when two have it, or nobody, and nobody is stopped by it for long.

/** After this a lease ends by itself: its holder may be dead or stopped. */
export const LEASE_MS = 5_000;

/** Hands out leases. Neither method's promise ever rejects. */
export interface LeaseDesk {
  /** Answers within 100 ms. */
  request(key: string): Promise<LeaseAnswer>;
}

/** What the desk answers: the lease is granted, held by another, or unknown. */
export type LeaseAnswer =
  /** It is our turn; `release` tells those who wait, and is called once. */
  | { readonly kind: 'granted'; readonly release: () => void }
  /** Another one asks at this moment; `over` resolves when it is done or dead. `leave` ends our interest. */
  | { readonly kind: 'held'; readonly over: Promise<void>; readonly leave: () => void }
  /** Nobody can say: there is no desk, or it does not answer. */
  | { readonly kind: 'unknown' };
