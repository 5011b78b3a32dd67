// What flights work with, and whom they tell.

import type { BlobStore } from '../store/blobs/blob-store.ts';
import type { UnkeptBodies } from '../store/blobs/body-write-retries.ts';
import type { RecentBodies } from '../store/blobs/recent-bodies.ts';
import type { EntryStore } from '../store/entries/entry-store.ts';
import type { KeyChanges } from './key-changes.ts';
import type { FlightObserver } from './profile.ts';

export interface FlightTools {
  readonly blobs: BlobStore;
  readonly entries: EntryStore;
  readonly recent: RecentBodies;
  readonly unkept: UnkeptBodies;
  readonly changes: KeyChanges;
  readonly now: () => number;
  readonly observe: FlightObserver;
}
