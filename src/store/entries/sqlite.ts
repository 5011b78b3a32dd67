// The file behind the embedded store: where it lies, its schema, and how a damaged one is set aside.
// One table; a row is never updated in place: every change gets a new, higher `seq`, so that another process finds
// what changed since it last looked, and a removed key stays as a row without text for the same reason. SQLite gives a
// new row the highest `seq` plus one; the highest row is never deleted, so no number is given twice.

import { closeSync, existsSync, mkdirSync, openSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** Removed keys are remembered until this many changes came after them; other processes look twice a second. */
const REMEMBERED_REMOVALS = 10_000;
/** How long a statement may wait for another process's statement (20 µs) or checkpoint (milliseconds). */
export const BUSY_TIMEOUT_MS = 250;
/**
 * Pages that SQLite keeps itself, a connection: the system has them too, and with SQLite's own 2 MB neither reading nor
 * writing takes less processor time.
 */
export const CACHE_KIBIBYTES = 256;
/** Above this the log is cut back at a checkpoint. */
const LOG_LIMIT_BYTES = 16 * 1024 * 1024;

/**
 * WAL with synchronous=NORMAL: a killed process loses nothing; a power cut may lose the last moments, never more.
 * Off until then: only a new, empty file is switched to WAL, and that is not worth waiting for the disk.
 */
const SETUP = `
  PRAGMA cache_size = -${CACHE_KIBIBYTES};
  PRAGMA synchronous = OFF;
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = NORMAL;
  PRAGMA journal_size_limit = ${LOG_LIMIT_BYTES};
  CREATE TABLE IF NOT EXISTS entries (
    seq INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    text TEXT,
    checksum INTEGER NOT NULL,
    writer INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS removals ON entries (seq) WHERE text IS NULL;
  DELETE FROM entries WHERE text IS NULL AND seq < (SELECT max(seq) FROM entries) - ${REMEMBERED_REMOVALS};
`;

/** An open database file; `inode` tells whether the file at the path is still this one. */
export interface EntryDatabase {
  readonly connection: DatabaseSync;
  readonly inode: number;
}

/** The database's path below the data folder; the folder is made, for this user only. */
export function prepareDatabasePath(dataDir: string): string {
  const folder = join(dataDir, 'entries', 'v1');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return join(folder, 'entries.sqlite');
}

/** Opens, and creates when absent, with mode 0600 (SQLite gives its log the same). Throws what SQLite throws. */
export function openDatabase(path: string): EntryDatabase {
  closeSync(openSync(path, 'a', 0o600));
  const connection = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
  try {
    connection.exec(SETUP);
    return { connection, inode: inodeOf(path) ?? 0 };
  } catch (error) {
    connection.close();
    throw error;
  }
}

/** The inode at `path`; undefined when nothing is there. */
export function inodeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino;
}

/** Renames a damaged database and its log, to be looked at by a person: `entries.sqlite.damaged-<time>`. */
export function setAside(path: string, now: number): void {
  const suffix = `.damaged-${new Date(now).toISOString().replaceAll(':', '-')}`;
  for (const part of ['', '-wal', '-shm']) {
    if (existsSync(path + part)) renameSync(path + part, `${path}${suffix}${part}`);
  }
}

/** What a failure of the database means to us. */
export type DatabaseFault = 'damaged' | 'full' | 'read-only' | 'busy' | 'io';

/** SQLite's primary result codes (low byte of `errcode`): sqlite.org, "Result and Error Codes". */
const SQLITE_FAULTS: ReadonlyMap<number, DatabaseFault> = new Map([
  [5, 'busy'], // SQLITE_BUSY
  [6, 'busy'], // SQLITE_LOCKED
  [8, 'read-only'], // SQLITE_READONLY
  [10, 'io'], // SQLITE_IOERR
  [11, 'damaged'], // SQLITE_CORRUPT
  [13, 'full'], // SQLITE_FULL
  [14, 'io'], // SQLITE_CANTOPEN
  [15, 'busy'], // SQLITE_PROTOCOL: many processes raced for the log's locks
  [26, 'damaged'], // SQLITE_NOTADB
]);

/** Failures of the folder and the file themselves. */
const FILE_FAULTS: ReadonlyMap<string, DatabaseFault> = new Map([
  ['ENOSPC', 'full'],
  ['EDQUOT', 'full'],
  ['EROFS', 'read-only'],
  ['EACCES', 'read-only'],
  ['EPERM', 'read-only'],
  ['ENOTDIR', 'io'],
  ['EISDIR', 'io'],
  ['EEXIST', 'io'],
  ['ENOENT', 'io'],
  ['EIO', 'io'],
  ['EMFILE', 'io'],
  ['ENFILE', 'io'],
]);

/** The fault behind an error; undefined for an error that is a mistake of ours and must be seen. */
export function faultOf(error: unknown): DatabaseFault | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  if (code === 'ERR_SQLITE_ERROR') return SQLITE_FAULTS.get(Number(errcode) & 0xff);
  return typeof code === 'string' ? FILE_FAULTS.get(code) : undefined;
}
