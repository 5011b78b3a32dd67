// What lies in the blob store and when it was last used, so that room can be made without looking at a million files.
// A small database of its own, written in batches: a copy of what the folders say, and rebuilt from them when it is
// missing, damaged or was left by a process that was killed. It is never asked whether a body exists: the disk is.

import * as fs from 'node:fs';
import * as path from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { evictionRank } from './eviction-rank.ts';

/** A distribution file (by digest), or the body of one entry (by the hash of its name). */
export type BlobKind = 'file' | 'page';

export interface IndexedBlob {
  readonly kind: BlobKind;
  /** 64 hexadecimal digits. */
  readonly name: string;
  readonly sizeBytes: number;
  readonly rank: number;
}

export interface BlobIndexOptions {
  readonly path: string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

interface Change {
  readonly kind: BlobKind;
  readonly name: string;
  /** Undefined: only used. */
  sizeBytes: number | undefined;
  usedAt: number;
  uses: number;
  removed: boolean;
}

const FORMAT = 1;
const FLUSH_MS = 1_000;
const MAX_PENDING = 2_000;

/** It holds nothing that the folders do not hold: no waiting for the disk. */
const SETUP = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = OFF;
  PRAGMA journal_size_limit = 4194304;
  CREATE TABLE IF NOT EXISTS blobs (
    kind TEXT NOT NULL, name TEXT NOT NULL, size INTEGER NOT NULL, uses INTEGER NOT NULL, rank INTEGER NOT NULL,
    PRIMARY KEY (kind, name)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS blobs_by_rank ON blobs (kind, rank, name);
  CREATE TABLE IF NOT EXISTS state (
    id INTEGER PRIMARY KEY CHECK (id = 1), format INTEGER NOT NULL, clean INTEGER NOT NULL,
    bytes INTEGER NOT NULL, count INTEGER NOT NULL
  ) STRICT;
  INSERT OR IGNORE INTO state VALUES (1, ${FORMAT}, 0, 0, 0);
`;

export class BlobIndex {
  readonly #database: DatabaseSync;
  readonly #now: () => number;
  readonly #statements: Statements;
  readonly #pending = new Map<string, Change>();
  /** False when the folders have to be looked at before the numbers can be trusted. */
  readonly complete: boolean;
  #bytes: number;
  #count: number;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor(database: DatabaseSync, now: () => number) {
    this.#database = database;
    this.#now = now;
    this.#statements = prepare(database);
    const state = this.#statements.state.get() as { clean: number; bytes: number; count: number };
    this.complete = state.clean === 1;
    this.#bytes = state.bytes;
    this.#count = state.count;
    database.exec('UPDATE state SET clean = 0');
  }

  /** A database that cannot be used is replaced; where the disk takes none at all, memory has to do. */
  static open({ path: place, now }: BlobIndexOptions): BlobIndex {
    for (const candidate of [place, place, ':memory:']) {
      try {
        if (candidate !== ':memory:') fs.mkdirSync(path.dirname(candidate), { recursive: true, mode: 0o700 });
        return new BlobIndex(openDatabase(candidate), now);
      } catch {
        // Damaged, of a newer format, or a disk that takes nothing: all of it can be had again from the folders.
        removeDatabase(place);
      }
    }
    throw new Error('not even a database in memory can be opened');
  }

  /** Bytes and number of all that is stored, by the last count. */
  get totals(): { readonly bytes: number; readonly count: number } {
    return { bytes: this.#bytes, count: this.#count };
  }

  /** It was stored, with this size. */
  put(kind: BlobKind, name: string, sizeBytes: number): void {
    this.#put(kind, name, sizeBytes, this.#now());
  }

  /** It lies in the folders, last used at `usedAt`. Unless it is known by now: then it was stored while we looked. */
  found(kind: BlobKind, name: string, sizeBytes: number, usedAt: number): void {
    const known = this.#pending.has(kind + name) || this.#statements.find.get(kind, name) !== undefined;
    if (!known) this.#put(kind, name, sizeBytes, usedAt);
  }

  #put(kind: BlobKind, name: string, sizeBytes: number, usedAt: number): void {
    const known = this.#pending.get(kind + name);
    this.#bytes += sizeBytes - (known?.removed === false ? (known.sizeBytes ?? 0) : 0);
    this.#note({ kind, name, sizeBytes, usedAt, uses: (known?.uses ?? 0) + 1, removed: false });
  }

  used(kind: BlobKind, name: string): void {
    const known = this.#pending.get(kind + name);
    if (known?.removed === true) return;
    if (known === undefined) {
      this.#note({ kind, name, sizeBytes: undefined, usedAt: this.#now(), uses: 1, removed: false });
      return;
    }
    known.usedAt = this.#now();
    known.uses++;
  }

  removed(kind: BlobKind, name: string): void {
    this.#note({ kind, name, sizeBytes: undefined, usedAt: 0, uses: 0, removed: true });
  }

  /** What should leave first, from after `last` on; at most `limit`. */
  leastWorth(kind: BlobKind, last: IndexedBlob | undefined, limit: number): IndexedBlob[] {
    this.flush();
    const rows = this.#statements.leastWorth.all(kind, last?.rank ?? Number.MIN_SAFE_INTEGER, last?.name ?? '', limit);
    return rows.map((row) => ({ kind, name: String(row.name), sizeBytes: Number(row.size), rank: Number(row.rank) }));
  }

  /** The names that begin with `prefix`. */
  names(kind: BlobKind, prefix: string): Set<string> {
    this.flush();
    return new Set(this.#statements.names.all(kind, prefix, `${prefix}~`).map((row) => String(row.name)));
  }

  /** Writes what has gathered, in one transaction, and takes over what other processes counted. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#pending.size === 0 || this.#closed) return;
    const changes = [...this.#pending.values()];
    this.#pending.clear();
    let bytes = 0;
    let count = 0;
    try {
      this.#database.exec('BEGIN IMMEDIATE');
      for (const change of changes) {
        const [moreBytes, moreBlobs] = this.#apply(change);
        bytes += moreBytes;
        count += moreBlobs;
      }
      const state = this.#statements.count.get(bytes, count) as { bytes: number; count: number };
      this.#database.exec('COMMIT');
      this.#bytes = state.bytes;
      this.#count = state.count;
    } catch {
      // Full, busy or broken: the counts in memory go on, the next scan of the folders sets the rest right.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
    }
  }

  /** `counted`: the folders and the index agreed, so that the next process need not look. */
  close(counted: boolean): void {
    if (this.#closed) return;
    this.flush();
    this.#closed = true;
    try {
      if (counted) this.#database.exec('UPDATE state SET clean = 1');
    } catch {
      // Then the next process counts.
    }
    this.#database.close();
  }

  #note(change: Change): void {
    this.#pending.set(change.kind + change.name, change);
    if (this.#pending.size >= MAX_PENDING) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), FLUSH_MS).unref();
  }

  /** By how many bytes and blobs the store grew. */
  #apply({ kind, name, sizeBytes, usedAt, uses, removed }: Change): [bytes: number, blobs: number] {
    const known = this.#statements.find.get(kind, name) as { size: number; uses: number } | undefined;
    if (removed) {
      if (known === undefined) return [0, 0];
      this.#statements.remove.run(kind, name);
      return [-known.size, -1];
    }
    const size = sizeBytes ?? known?.size;
    if (size === undefined) return [0, 0];
    const total = (known?.uses ?? 0) + uses;
    this.#statements.put.run(kind, name, size, total, evictionRank(usedAt, size, total));
    return [size - (known?.size ?? 0), known === undefined ? 1 : 0];
  }
}

interface Statements {
  readonly state: StatementSync;
  readonly find: StatementSync;
  readonly put: StatementSync;
  readonly remove: StatementSync;
  readonly leastWorth: StatementSync;
  readonly names: StatementSync;
  readonly count: StatementSync;
}

function prepare(database: DatabaseSync): Statements {
  return {
    state: database.prepare('SELECT clean, bytes, count FROM state'),
    find: database.prepare('SELECT size, uses FROM blobs WHERE kind = ? AND name = ?'),
    put: database.prepare('INSERT OR REPLACE INTO blobs (kind, name, size, uses, rank) VALUES (?, ?, ?, ?, ?)'),
    remove: database.prepare('DELETE FROM blobs WHERE kind = ? AND name = ?'),
    leastWorth: database.prepare(
      'SELECT name, size, rank FROM blobs WHERE kind = ? AND (rank, name) > (?, ?) ORDER BY rank, name LIMIT ?',
    ),
    names: database.prepare('SELECT name FROM blobs WHERE kind = ? AND name >= ? AND name < ?'),
    count: database.prepare('UPDATE state SET bytes = bytes + ?, count = count + ? RETURNING bytes, count'),
  };
}

function openDatabase(place: string): DatabaseSync {
  if (place !== ':memory:') fs.closeSync(fs.openSync(place, 'a', 0o600));
  const database = new DatabaseSync(place, { timeout: 250 });
  try {
    database.exec(SETUP);
    const { format } = database.prepare('SELECT format FROM state').get() as { format: number };
    if (format !== FORMAT) throw new Error(`the index has format ${format}`);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function removeDatabase(place: string): void {
  for (const part of ['', '-wal', '-shm']) {
    try {
      fs.rmSync(place + part, { force: true });
    } catch {
      // A folder that cannot be written to: the database in memory follows.
    }
  }
}
