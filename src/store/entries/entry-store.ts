// Where entries live. Memory answers at once, the embedded store on disk is the truth of this node, Redis is what
// nodes share and may vanish at any moment. Implementations: see tiered-entry-store.ts.

import type { Digest } from '../../core/digest.ts';
import type { EntryRecord } from './entry.ts';
import type { DatabaseFault } from './sqlite.ts';

/** Stores entries by key, in tiers. */
export interface EntryStore {
  /** Counts every change of what this node has stored: while it stands still, so does every answer made from it. */
  readonly changes: number;
  /** The record if memory holds it: no I/O, for the hot path. */
  peek(key: string): EntryRecord | undefined;
  /** Memory, then disk, then Redis. A damaged or foreign record is a miss and is overwritten later. */
  get(key: string): Promise<EntryRecord | undefined>;
  /** Whether this node's disk answered when it was last asked; otherwise what it did not find may be there. */
  readonly diskAnswers: boolean;
  /** What the disk holds now, past memory: another process may have written it a moment ago. */
  reread(key: string): EntryRecord | undefined;
  /** What the other nodes last stored; undefined at once without Redis, and within 100 ms when it does not answer. */
  getShared(key: string): Promise<EntryRecord | undefined>;
  /**
   * Resolves when this node's disk has it, or does not take it now (full, locked) or at all (beyond MAX_RECORD_BYTES):
   * then memory has it, and it is counted, never thrown. Redis follows in the background.
   */
  set(key: string, record: EntryRecord): Promise<void>;
  delete(key: string): Promise<void>;
  /** Another process on this data folder changed these keys: what memory holds of them is forgotten. */
  invalidate(keys: readonly string[]): void;
  /** The keys on this node's disk that start with `prefix`, in order, after `after`; at most `limit`. */
  keys(prefix: string, after: string, limit: number): string[];
  /** A page body another node stored (at most 8 MB compressed); its digest has been checked. */
  getSharedBody(digest: Digest): Promise<Buffer | undefined>;
  /** Offers a page body to the other nodes, in the background. */
  setSharedBody(digest: Digest, bytes: Buffer): void;
  /** For the status page and readiness. */
  status(): { readonly memoryBytes: number; readonly records: number; readonly redis: 'off' | 'up' | 'down' };
  close(): Promise<void>;
}

// What the entry store counts, one word an event: these are metric labels, so the list is closed.

/** An operation on Redis ends as exactly one of these; `skipped` cost no time because Redis was known to be away. */
export type RedisResult = 'hit' | 'miss' | 'stored' | 'error' | 'timeout' | 'skipped' | 'tampered';

/** What a tier tells: hits, misses, faults. */
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
