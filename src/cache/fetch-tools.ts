// What fetches work with, and whom they tell.

import type { BlobStore } from '../store/blobs/blob-store.ts';
import type { BodyWriteRetries } from '../store/blobs/body-write-retries.ts';
import type { RecentBodies } from '../store/blobs/recent-bodies.ts';
import type { EntryStore } from '../store/entries/entry-store.ts';
import type { KeyChanges } from './key-changes.ts';
import type { FetchObserver } from './profile.ts';

/** The stores and the observer of all fetches. */
export interface FetchTools {
  readonly blobs: BlobStore;
  readonly entries: EntryStore;
  readonly recent: RecentBodies;
  readonly bodyWriteRetries: BodyWriteRetries;
  readonly changes: KeyChanges;
  readonly now: () => number;
  readonly observe: FetchObserver;
}
