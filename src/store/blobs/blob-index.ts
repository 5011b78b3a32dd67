// What lies in the blob store and when it was last used, so that room can be made without looking at a million files.
// A small database of its own, written in batches: a copy of what the folders say, and rebuilt from them when it is
// missing, damaged or was left by a process that was killed. It is never asked whether a body exists: the disk is.

import * as fs from 'node:fs';
import * as path from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { CACHE_KIBIBYTES, faultOf } from '../entries/sqlite.ts';
import { isAlive } from './temp-files.ts';

/** A distribution file (by digest), or the body of one entry (by the hash of its name). */
export type BlobKind = 'file' | 'page';

/** One blob as the index knows it; bytes, and milliseconds since the epoch. */
export interface IndexedBlob {
  readonly kind: BlobKind;
  /** 64 hexadecimal digits. */
  readonly name: string;
  readonly sizeBytes: number;
  readonly rank: number;
}

/** Where the index lies, and whom its faults are told to. */
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

const FLUSH_MS = 1_000;
/** So many are written at once: with a million blobs 2,000 of them hold up everything else for 0.1 s. */
const MAX_PENDING = 250;
/** While the database takes nothing; then what came first is let go, and the folders are looked at one day. */
const MAX_KEPT = 100_000;

/** Which blobs there are, how large, and when each was used last; SQLite. */
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
  #failing = false;
  /** Whether changes were let go that the database never took. */
  #drifted = false;
  #closed = false;

  private constructor(database: DatabaseSync, now: () => number) {
    this.#database = database;
    this.#now = now;
    this.#statements = prepareStatements(database);
    database.exec('BEGIN IMMEDIATE');
    if (this.#forgetDead()) database.exec('UPDATE state SET clean = 0');
    this.#statements.enter.run(process.pid);
    const state = this.#statements.state.get() as { clean: number; bytes: number; count: number };
    database.exec('COMMIT');
    this.complete = state.clean === 1;
    this.#bytes = state.bytes;
    this.#count = state.count;
  }

  /** Who was killed has not written down its last changes. */
  #forgetDead(): boolean {
    const pids = this.#statements.writers.all().map((row) => Number(row.pid));
    // A predecessor with the same pid is dead: containers hand out the same one again and again.
    const dead = pids.filter((pid) => pid === process.pid || !isAlive(pid));
    for (const pid of dead) this.#statements.leave.run(pid);
    return dead.length > 0;
  }

  /** A database that cannot be used is replaced; where the disk takes none at all, memory has to do. */
  static open({ path: place, now }: BlobIndexOptions): BlobIndex {
    for (const candidate of [place, place, ':memory:']) {
      try {
        return new BlobIndex(openDatabase(candidate), now);
      } catch (error) {
        // Damaged or of a newer format: all of it can be had again from the folders. One that is merely locked, or on a
        // disk that takes nothing, may be in use by other processes.
        const fault = faultOf(error);
        if (fault === undefined || fault === 'damaged') removeDatabase(place);
      }
    }
    throw new Error('not even a database in memory can be opened');
  }

  /** Bytes and number of all that is stored: what this process did at once, what others did at the next flush. */
  get totals(): { readonly bytes: number; readonly count: number } {
    return { bytes: this.#bytes, count: this.#count };
  }

  /** It was stored, with this size. */
  put(kind: BlobKind, name: string, sizeBytes: number): void {
    this.#put(kind, name, sizeBytes, this.#now());
  }

  /** It lies in the folders, last used at `usedAt`. Unless a change of it waits: then it was stored while we looked. */
  found(kind: BlobKind, name: string, sizeBytes: number, usedAt: number): void {
    if (this.#pending.has(kind + name) || this.#sizeOf(kind, name) === sizeBytes) return;
    this.#put(kind, name, sizeBytes, usedAt);
  }

  #put(kind: BlobKind, name: string, sizeBytes: number, usedAt: number): void {
    const known = this.#pending.get(kind + name);
    const before = this.#sizeOf(kind, name);
    this.#bytes += sizeBytes - (before ?? 0);
    this.#count += before === undefined ? 1 : 0;
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

  /** Returns how many bytes were accounted to it; undefined when it was not known. */
  removed(kind: BlobKind, name: string): number | undefined {
    const before = this.#sizeOf(kind, name);
    this.#bytes -= before ?? 0;
    this.#count -= before === undefined ? 0 : 1;
    this.#note({ kind, name, sizeBytes: undefined, usedAt: 0, uses: 0, removed: true });
    return before;
  }

  /** Whether it was neither stored anew nor removed since `leastWorth` named it with this rank. */
  isStill(kind: BlobKind, name: string, rank: number): boolean {
    const pending = this.#pending.get(kind + name);
    if (pending !== undefined) return !pending.removed && pending.sizeBytes === undefined;
    try {
      return (this.#statements.find.get(kind, name) as { rank: number } | undefined)?.rank === rank;
    } catch {
      // Locked or broken: room is made all the same.
      return true;
    }
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
    if (this.#closed) return;
    if (this.#pending.size > 0) this.#writePending();
    else this.#takeOver();
  }

  #writePending(): void {
    let bytes = 0;
    let count = 0;
    try {
      this.#database.exec('BEGIN IMMEDIATE');
      for (const change of this.#pending.values()) {
        const [moreBytes, moreBlobs] = this.#apply(change);
        bytes += moreBytes;
        count += moreBlobs;
      }
      const state = this.#statements.count.get(bytes, count) as { bytes: number; count: number };
      this.#database.exec('COMMIT');
      this.#bytes = state.bytes;
      this.#count = state.count;
      this.#pending.clear();
      this.#waitForLocks(true);
    } catch {
      // Full, busy or broken: the counts in memory go on, and what has gathered is tried again.
      this.#rollBack();
      this.#waitForLocks(false);
      this.#timer = setTimeout(() => this.flush(), FLUSH_MS).unref();
    }
  }

  /** What other processes counted, when nothing of ours is to be added. */
  #takeOver(): void {
    try {
      const state = this.#statements.state.get() as { bytes: number; count: number };
      this.#bytes = state.bytes;
      this.#count = state.count;
    } catch {
      // Locked or broken: ours are the numbers until it can be asked again.
    }
  }

  /** Waiting holds up everything else here: who has waited in vain once does not wait again before it has worked. */
  #waitForLocks(wait: boolean): void {
    if (this.#failing === !wait) return;
    this.#failing = !wait;
    waitForLocks(this.#database, wait);
  }

  #rollBack(): void {
    try {
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
    } catch {
      // SQLite has done so by itself (sqlite.org, "Response To Errors Within A Transaction").
    }
  }

  /** How many bytes are accounted to it; undefined when it is not stored. */
  #sizeOf(kind: BlobKind, name: string): number | undefined {
    const pending = this.#pending.get(kind + name);
    if (pending?.removed === true) return undefined;
    if (pending?.sizeBytes !== undefined) return pending.sizeBytes;
    try {
      return (this.#statements.find.get(kind, name) as { size: number } | undefined)?.size;
    } catch {
      return undefined;
    }
  }

  /** `counted`: the folders and the index agreed, so that the next process need not look. */
  close(counted: boolean): void {
    if (this.#closed) return;
    this.flush();
    clearTimeout(this.#timer);
    this.#closed = true;
    try {
      const lost = this.#drifted || this.#pending.size > 0;
      if (counted || lost) this.#database.exec(`UPDATE state SET clean = ${lost ? 0 : 1}`);
      this.#statements.leave.run(process.pid);
    } catch {
      // Then we count as killed, and the next process looks at the folders.
    }
    this.#database.close();
  }

  #note(change: Change): void {
    this.#pending.set(change.kind + change.name, change);
    if (this.#pending.size > MAX_KEPT) {
      this.#pending.delete(this.#pending.keys().next().value!);
      this.#drifted = true;
    }
    if (this.#pending.size >= MAX_PENDING && !this.#failing) this.flush();
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

// The file behind the index of blobs: its schema, its statements, and how one that cannot be used is taken away.

const FORMAT = 1;
/** How long a transaction may wait for another process's. */
const BUSY_TIMEOUT_MS = 250;

/** It holds nothing that the folders do not hold: no waiting for the disk. */
const SETUP = `
  PRAGMA journal_mode = WAL;
  PRAGMA cache_size = -${CACHE_KIBIBYTES};
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
  CREATE TABLE IF NOT EXISTS writers (pid INTEGER PRIMARY KEY) STRICT;
`;

/** The prepared statements. */
export interface Statements {
  readonly state: StatementSync;
  readonly find: StatementSync;
  readonly put: StatementSync;
  readonly remove: StatementSync;
  readonly leastWorth: StatementSync;
  readonly names: StatementSync;
  readonly count: StatementSync;
  readonly writers: StatementSync;
  readonly enter: StatementSync;
  readonly leave: StatementSync;
}

/** Prepares them. */
export function prepareStatements(database: DatabaseSync): Statements {
  return {
    state: database.prepare('SELECT clean, bytes, count FROM state'),
    find: database.prepare('SELECT size, uses, rank FROM blobs WHERE kind = ? AND name = ?'),
    put: database.prepare('INSERT OR REPLACE INTO blobs (kind, name, size, uses, rank) VALUES (?, ?, ?, ?, ?)'),
    remove: database.prepare('DELETE FROM blobs WHERE kind = ? AND name = ?'),
    leastWorth: database.prepare(
      'SELECT name, size, rank FROM blobs WHERE kind = ? AND (rank, name) > (?, ?) ORDER BY rank, name LIMIT ?',
    ),
    names: database.prepare('SELECT name FROM blobs WHERE kind = ? AND name >= ? AND name < ?'),
    count: database.prepare('UPDATE state SET bytes = bytes + ?, count = count + ? RETURNING bytes, count'),
    writers: database.prepare('SELECT pid FROM writers'),
    enter: database.prepare('INSERT OR IGNORE INTO writers VALUES (?)'),
    leave: database.prepare('DELETE FROM writers WHERE pid = ?'),
  };
}

/** Opens, and creates when absent, with mode 0600. Throws what SQLite or the system throws, and for another format. */
export function openDatabase(place: string): DatabaseSync {
  if (place !== ':memory:') {
    fs.mkdirSync(path.dirname(place), { recursive: true, mode: 0o700 });
    fs.closeSync(fs.openSync(place, 'a', 0o600));
  }
  const database = new DatabaseSync(place, { timeout: BUSY_TIMEOUT_MS });
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

/** Takes the file away, and its log. */
export function removeDatabase(place: string): void {
  for (const part of ['', '-wal', '-shm']) {
    try {
      fs.rmSync(place + part, { force: true });
    } catch {
      // A folder that cannot be written to: the database in memory follows.
    }
  }
}

/** Whether transactions wait for those of other processes. */
export function waitForLocks(database: DatabaseSync, wait: boolean): void {
  database.exec(`PRAGMA busy_timeout = ${wait ? BUSY_TIMEOUT_MS : 0}`);
}

/** The bytes of all that is stored, as the file at `place` has them; undefined when it cannot be asked. */
export function accountedBytes(place: string): number | undefined {
  try {
    const database = new DatabaseSync(place, { readOnly: true, timeout: BUSY_TIMEOUT_MS });
    try {
      return Number(database.prepare('SELECT bytes FROM state').get()?.bytes);
    } finally {
      database.close();
    }
  } catch {
    return undefined;
  }
}

// Which stored file should leave first: what has not been used for long and is cheap to fetch again for the room it
// takes (GreedyDual-Size, with time as the clock that inflates). Pure.

const DAY_MS = 86_400_000;
/** What fetching costs whatever the size, and for each megabyte; milliseconds. */
const REQUEST_MS = 200;
const MEGABYTE_MS = 100;
/** A file that is used for the thousandth time has proved enough. */
const MAX_USES = 1024;

/**
 * The moment (ms since the epoch) until which a file is worth its place, as a number to be compared: the smallest
 * leaves first. It is the last use, put off by a day for every doubling of what a megabyte of it costs to fetch again
 * (so small files outlive large ones) and of how often it was used.
 */
export function evictionRank(usedAt: number, sizeBytes: number, uses: number): number {
  const megabytes = Math.max(sizeBytes, 1_000) / 1_000_000;
  const costPerMegabyte = (REQUEST_MS + megabytes * MEGABYTE_MS) / megabytes;
  const worth = Math.log2(costPerMegabyte / MEGABYTE_MS) + Math.log2(Math.min(uses, MAX_USES));
  return Math.round(usedAt + worth * DAY_MS);
}
