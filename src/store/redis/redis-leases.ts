// Leases among nodes, as values in Redis that end by themselves. A lease carries our MAC and its own end, so that
// nobody who can merely write into Redis makes us wait; who can do more makes us wait for LEASE_MS at most.
// The clocks of nodes may differ: who thinks that a lease has ended asks upstream too, and that is all.

import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { LEASE_MS, type LeaseAnswer, type LeaseDesk } from '../../core/lease.ts';
import type { SharedEnvelope } from './envelope.ts';
import type { RedisLink } from './redis-link.ts';

export interface SharedLeasesOptions {
  readonly link: Pick<RedisLink, 'read' | 'putIfAbsent' | 'removeIfSame'>;
  readonly envelope: SharedEnvelope;
  readonly now: () => number;
  /** Runs one command within the deadline and the breaker; undefined when Redis is away, fails or says no. */
  readonly attempt: <T>(command: () => Promise<T>) => Promise<T | undefined>;
  /** Resolves when what was stored until now has reached Redis; bounded. */
  readonly stored: () => Promise<void>;
  /** False: a lease could not be given back, and is not taken. */
  readonly mayRelease: () => boolean;
}

const PREFIX = 'wheelkeep:1:lease:';
const POLL_MS = 100;
const MAX_FRAME_BYTES = 256;

export class SharedLeases implements LeaseDesk {
  readonly #options: SharedLeasesOptions;

  constructor(options: SharedLeasesOptions) {
    this.#options = options;
  }

  async request(key: string): Promise<LeaseAnswer> {
    const { link, envelope, now, attempt } = this.#options;
    if (!this.#options.mayRelease()) return { kind: 'unknown' };
    const name = PREFIX + key;
    const frame = await envelope.seal(name, Buffer.from(`${now() + LEASE_MS} ${randomUUID()}`));
    const granted = await attempt(() => link.putIfAbsent(name, frame, LEASE_MS));
    if (granted === undefined) return { kind: 'unknown' };
    if (granted) return { kind: 'granted', release: () => void this.#release(name, frame) };
    const left = new AbortController();
    return { kind: 'held', over: this.#over(name, left.signal), leave: () => left.abort() };
  }

  async #over(name: string, left: AbortSignal): Promise<void> {
    while (!left.aborted && (await this.#isHeld(name))) await sleep(POLL_MS, undefined, { ref: false });
  }

  /** False also when Redis is away: nobody waits for a lease that cannot be seen. */
  async #isHeld(name: string): Promise<boolean> {
    const { link, envelope, now, attempt } = this.#options;
    const frame = await attempt(() => link.read(name, MAX_FRAME_BYTES));
    const value = frame && (await envelope.open(name, frame, MAX_FRAME_BYTES));
    return value !== undefined && Number.parseInt(value.toString('latin1'), 10) > now();
  }

  /** Only once the others can see what was stored; and only if it is still ours (it may have ended meanwhile). */
  async #release(name: string, frame: Buffer): Promise<void> {
    await this.#options.stored();
    await this.#options.attempt(() => this.#options.link.removeIfSame(name, frame));
  }
}
