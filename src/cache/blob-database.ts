// The file behind the index of blobs: its schema, its statements, and how one that cannot be used is taken away.

import * as fs from 'node:fs';
import * as path from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { CACHE_KIBIBYTES } from '../store/entries/sqlite.ts';

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
