// Whose turn it is to ask upstream for a key, beyond this process: first among the workers of this machine, who share
// the data folder, then among the nodes, who share Redis. Who comes second waits for what the first one stores, but not
// for long: then it asks for itself. With one worker and no Redis nothing of this costs anything.

import * as fs from 'node:fs';
import { hostname } from 'node:os';
import { LEASE_MS, type LeaseAnswer, type LeaseDesk } from '../core/lease.ts';
import type { Resource } from './profile.ts';

/** Where locks are taken: among workers, nodes and processes of a folder. */
export interface FetchLocksOptions {
  readonly workers?: LeaseDesk | undefined;
  readonly nodes?: LeaseDesk | undefined;
  /** Processes of this data folder that have nothing but Redis in common. */
  readonly folder?: LeaseDesk | undefined;
}

/** Where to look for what others have stored; undefined when nothing newer is there. */
export interface Lookouts<Found> {
  readonly onDisk: () => Promise<Found | undefined>;
  readonly amongNodes: () => Promise<Found | undefined>;
}

/** What a lock comes to: the caller asks upstream, or found what another process stored. */
export type FetchLock<Found> =
  /** Somebody else has asked meanwhile. `waited`: we were about to ask at the same time. */
  | { readonly kind: 'found'; readonly found: Found; readonly waited: boolean }
  /** Ask; `end` has to be called when the answer is stored, or there is none. */
  | { readonly kind: 'ask'; readonly end: () => void };

const UNKNOWN: LeaseAnswer = { kind: 'unknown' };
/** A file that is sent while it arrives may take minutes: rather fetched twice on one machine than waited for. */
const STREAMED_WAIT_MS = 1_000;
/** A file above this will not be here within that second: its clients had better see their first byte. */
const WORTH_WAITING_BYTES = 16 * 1024 * 1024;
/** How often a waiting reader looks for itself, in case nobody tells it. */
const LOOK_MS = 100;

/** One process at a time asks upstream for a key; the others wait for what it stores, for a limited time. */
export class FetchLocks {
  readonly #options: FetchLocksOptions;
  readonly #closed = Promise.withResolvers<void>();

  constructor(options: FetchLocksOptions) {
    this.#options = options;
  }

  /** Resolves when it is known who asks. Rejects only when a lookout does; then nothing is held. */
  async take<Found>(resource: Resource, lookouts: Lookouts<Found>): Promise<FetchLock<Found>> {
    const { body } = resource.profile;
    const deadline = performance.now() + longestWaitMs(resource);
    const interests: (() => void)[] = [];
    const note = (answer: LeaseAnswer) => {
      if (answer.kind === 'granted') interests.push(answer.release);
      if (answer.kind === 'held') interests.push(answer.leave);
    };
    const end = () => {
      for (const giveUp of interests.splice(0)) giveUp();
    };
    let found: Found | undefined;
    let waited = false;
    try {
      const { workers } = this.#options;
      if (workers !== undefined && isWorthWaiting(resource)) {
        const answer = await workers.request(resource.key);
        note(answer);
        waited = answer.kind === 'held';
        // Looked for after the lease was asked for: who had it before us has stored what he got.
        found = (await lookouts.onDisk()) ?? (await this.#await(answer, lookouts.onDisk, deadline));
      }
      if (found === undefined) {
        // Files are not shared through Redis: only on this folder is there something to wait for.
        const { nodes, folder } = this.#options;
        const isWhole = body.kind === 'whole';
        const desk = isWhole ? nodes : isWorthWaiting(resource) ? folder : undefined;
        const look = isWhole ? lookouts.amongNodes : lookouts.onDisk;
        // At once, so that a Redis that is silent costs its 100 ms once; Redis runs them in this order.
        const [answer = UNKNOWN, seen] = await Promise.all([desk?.request(resource.key), lookouts.amongNodes()]);
        note(answer);
        waited ||= answer.kind === 'held' && seen === undefined;
        const stored = seen ?? (!isWhole && desk !== undefined ? await lookouts.onDisk() : undefined);
        found = stored ?? (await this.#await(answer, look, deadline));
      }
    } catch (error) {
      end();
      throw error;
    }
    if (found === undefined) return { kind: 'ask', end };
    end();
    return { kind: 'found', found, waited };
  }

  /** Nobody waits any more. */
  close(): void {
    this.#closed.resolve();
  }

  async #await<Found>(
    answer: LeaseAnswer,
    look: () => Promise<Found | undefined>,
    deadline: number,
  ): Promise<Found | undefined> {
    if (answer.kind !== 'held') return undefined;
    let isOver = false;
    const over = Promise.race([answer.over, this.#closed.promise]).then(() => {
      isOver = true;
    });
    try {
      for (;;) {
        await settledWithin(over, Math.min(LOOK_MS, deadline - performance.now()));
        // Read before looking: what is stored between the two is then seen.
        const last = isOver || performance.now() >= deadline;
        const found = await look();
        if (found !== undefined || last) return found;
      }
    } finally {
      answer.leave();
    }
  }
}

function isWorthWaiting({ expectedSizeBytes = 0 }: Resource): boolean {
  return expectedSizeBytes <= WORTH_WAITING_BYTES;
}

/** Who gets the file only when it is whole and right loses nothing by waiting for another's, as with a page. */
function longestWaitMs({ profile: { body }, expectedSizeBytes = Number.POSITIVE_INFINITY }: Resource): number {
  return body.kind === 'whole' || expectedSizeBytes <= body.wholeUpToBytes ? LEASE_MS : STREAMED_WAIT_MS;
}

/** Resolves when the promise does, or after `ms`. */
async function settledWithin(settled: Promise<void>, ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, Math.max(0, ms));
  await Promise.race([settled, promise]);
  clearTimeout(timer);
}

// Leases among processes that have a data folder and a Redis in common, but no parent: replicas on one volume, or a
// second server by mistake. A file that one of them stores is there for all of them; other nodes have nothing of it.

/** The same in all containers of one running kernel. */
const BOOT_ID = '/proc/sys/kernel/random/boot_id';

/** The desk, for the processes of this folder alone. Throws the system's error when there is no such folder. */
export function leasesOfFolder(desk: LeaseDesk, dataDir: string): LeaseDesk {
  const { dev, ino } = fs.statSync(dataDir, { bigint: true });
  const folder = `${machineId()}:${dev}:${ino}`;
  return { request: (key) => desk.request(`${folder}:${key}`) };
}

function machineId(): string {
  try {
    return fs.readFileSync(BOOT_ID, 'latin1').trim();
  } catch {
    return hostname();
  }
}
