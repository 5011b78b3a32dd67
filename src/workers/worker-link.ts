// A worker's side of the talk with its primary: leases on keys, what all workers count and know, and purges.

import type { PurgePart } from '../admin/cache-keys.ts';
import type { LeaseAnswer, LeaseDesk } from '../core/lease.ts';
import { renderWorkers } from '../observe/metrics.ts';
import type { StatusFacts } from '../status-page/facts.ts';
import { mergeFacts } from '../status-page/merge-facts.ts';
import type { ToPrimary, ToWorker, WorkerSnapshot } from './messages.ts';

/** A primary that says nothing for so long is stopped or overwhelmed: one goes on without a lease. */
const LEASE_ANSWER_MS = 100;
/** Twice what the primary takes when a worker is silent. */
const ROUND_MS = 2_000;

interface PendingLease {
  readonly answer: (state: 'granted' | 'held') => void;
  readonly over: () => void;
}

/** A worker's connection to its primary. */
export class WorkerLink {
  readonly leases: LeaseDesk = { request: (key) => this.#requestLease(key) };
  readonly #send: (message: ToPrimary) => void;
  readonly #leases = new Map<number, PendingLease>();
  /** By what is asked of the primary, those who wait for its answer. */
  readonly #collecting = new Map<number, (snapshots: readonly WorkerSnapshot[]) => void>();
  readonly #purging = new Map<number, () => void>();
  #ids = 0;

  constructor(send: (message: ToPrimary) => void) {
    this.#send = send;
  }

  /** Takes a message of these kinds. */
  receive(message: Extract<ToWorker, { kind: 'lease' | 'collected' | 'forgotten' }>): void {
    if (message.kind === 'collected') {
      this.#collecting.get(message.id)?.(message.snapshots);
      return;
    }
    if (message.kind === 'forgotten') {
      this.#purging.get(message.id)?.();
      return;
    }
    const lease = this.#leases.get(message.id);
    if (message.state === 'over') lease?.over();
    else lease?.answer(message.state);
  }

  /** The metrics of all workers in Prometheus' text format. Rejects when the primary does not answer. */
  async renderMetrics(): Promise<string> {
    return renderWorkers((await this.#collect()).map(({ metrics }) => metrics));
  }

  async allFacts(own: StatusFacts): Promise<StatusFacts> {
    const snapshots = await this.#collect().catch(() => []);
    const others = snapshots.map(({ facts }) => facts).filter(({ processes }) => processes[0]?.pid !== process.pid);
    return mergeFacts([own, ...others]);
  }

  async purged(part: PurgePart): Promise<void> {
    const id = this.#ids++;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ROUND_MS);
    this.#purging.set(id, resolve);
    this.#send({ kind: 'purged', id, part });
    await promise;
    clearTimeout(timer);
    this.#purging.delete(id);
  }

  async #collect(): Promise<readonly WorkerSnapshot[]> {
    const id = this.#ids++;
    const { promise, resolve, reject } = Promise.withResolvers<readonly WorkerSnapshot[]>();
    const timer = setTimeout(() => reject(new Error('the primary process does not answer')), ROUND_MS);
    this.#collecting.set(id, resolve);
    this.#send({ kind: 'collect', id });
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#collecting.delete(id);
    }
  }

  #requestLease(key: string): Promise<LeaseAnswer> {
    const id = this.#ids++;
    const { promise: over, resolve: isOver } = Promise.withResolvers<void>();
    const release = () => {
      this.#leases.delete(id);
      this.#send({ kind: 'release', id, key });
    };
    return new Promise((resolve) => {
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        resolve({ kind: 'unknown' });
      }, LEASE_ANSWER_MS);
      this.#leases.set(id, {
        answer: (state) => {
          clearTimeout(timer);
          if (state === 'granted') {
            if (late) release();
            else resolve({ kind: 'granted', release });
          } else {
            if (late) this.#leases.delete(id);
            else resolve({ kind: 'held', over, leave: () => void this.#leases.delete(id) });
          }
        },
        over: isOver,
      });
      this.#send({ kind: 'lease', id, key });
    });
  }
}
