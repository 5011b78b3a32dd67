// What flights work with, and whom they tell.

import type { BlobStore } from '../store/blobs/blob-store.ts';
import type { UnkeptBodies } from '../store/blobs/body-write-retries.ts';
import type { RecentBodies } from '../store/blobs/recent-bodies.ts';
import type { EntryStore } from '../store/entries/entry-store.ts';
import type { KeyChanges } from './key-changes.ts';
import type { Resource } from './profile.ts';

export interface FlightTools {
  readonly blobs: BlobStore;
  readonly entries: EntryStore;
  readonly recent: RecentBodies;
  readonly unkept: UnkeptBodies;
  readonly changes: KeyChanges;
  readonly now: () => number;
  readonly observe: FlightObserver;
}

/** What a flight tells: counted and logged elsewhere. */
export interface FlightObserver {
  integrityFailure(resource: Resource, kind: 'wrong-digest' | 'damaged-body'): void;
  diskFailure(error: NodeJS.ErrnoException): void;
  /** A fetch ended by a fault of our own: a bug, a thread that ended, memory that ran out. */
  ownFault(resource: Resource, error: unknown): void;
  /** Bytes of a body that came from upstream, whole or not. */
  received(resource: Resource, bytes: number): void;
}
