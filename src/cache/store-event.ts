// What the entry store counts, one word an event: these are metric labels, so the list is closed.

import type { DatabaseFault } from '../store/entries/sqlite.ts';

/** An operation on Redis ends as exactly one of these; `skipped` cost no time because Redis was known to be away. */
export type RedisResult = 'hit' | 'miss' | 'stored' | 'error' | 'timeout' | 'skipped' | 'tampered';

export type StoreEvent =
  | `disk-${DatabaseFault}`
  /** A row or record that did not pass its checks: removed, and fetched again. */
  | 'disk-damaged-record'
  /** Above 256 KB: kept in memory only. */
  | 'disk-record-too-large'
  /** Written by a later release: left alone. */
  | 'disk-newer-record'
  | `redis-${RedisResult}`
  /** Sealed by one of us, and yet no record: the writer was wrong. */
  | 'redis-damaged-record'
  /** Redis answered a write with an error (full, replica, no permission): nobody waited for it. */
  | 'redis-write-refused'
  /** More writes waited for Redis than we keep. */
  | 'redis-write-dropped'
  /** Above 8 MB compressed: not shared. */
  | 'redis-write-too-large';
