// What is stored under a key changes in one step at a time: body and record together, however many fetches, copies
// taken over from others, and purges want to change it. A purge overtakes what was begun before it.
//
// The orders in which a purge (P) meets a fetch that was begun before it (F) or after it (G), in one process:
//
//   1. F stores, P forgets: body and record of F are gone.
//   2. P overtakes F, F's answer comes: F finds itself overtaken at its turn and touches nothing.
//   3. F has its turn and writes, P overtakes it and waits for the turn, F ends: as 1.
//   4. P overtakes F and has its turn, G begins and its answer comes: G stores when P's turn is over, and stays.
//   5. As 4, and F's answer comes last: as 2, so that what G stored stays as it is.
//
// Without the turn, F (publishes the body, then sees that it is overtaken and removes the body by its name) removed the
// body of G, and P (removes the body, then the record) left a record of G without its body.
// Another process on the same folder hears of a purge before anything is removed (overtake), and once more afterwards.

import { OneByOne } from '../store/blobs/disk-blobs.ts';

/** Something that will be stored under a key when it is here: a fetch, or a copy taken over from others. */
export interface PendingStore {
  readonly key: string;
  /** When it was begun; milliseconds since the epoch. */
  readonly begunAt: number;
  /** Whether the key was purged or changed since: it is not stored any more. */
  readonly overtaken: boolean;
}

interface Pending extends PendingStore {
  overtaken: boolean;
}

/** Changes of what is stored under a key, one after the other; a purge overtakes those that began before it. */
export class KeyChanges {
  readonly #pending = new Set<Pending>();
  readonly #turns = new OneByOne();

  /** To be ended by `end`. */
  begin(key: string, begunAt: number): PendingStore {
    const pending: Pending = { key, begunAt, overtaken: false };
    this.#pending.add(pending);
    return pending;
  }

  end(pending: PendingStore): void {
    this.#pending.delete(pending as Pending);
  }

  /** Marks what was begun until `until` (milliseconds since the epoch) under such keys. */
  overtake(isMeant: (key: string) => boolean, until: number): void {
    for (const pending of this.#pending) {
      if (pending.begunAt <= until && isMeant(pending.key)) pending.overtaken = true;
    }
  }

  /** Calls `store` in the key's turn; resolves with undefined, and nothing is stored, when a purge came before it. */
  store<T>(pending: PendingStore, store: () => Promise<T>): Promise<T | undefined> {
    return this.inTurn(pending.key, async () => (pending.overtaken ? undefined : store()));
  }

  /** Calls `change` when the changes of the key before it are done. Not to be called from within a change of the key. */
  inTurn<T>(key: string, change: () => Promise<T>): Promise<T> {
    return this.#turns.inTurn(key, change);
  }
}
