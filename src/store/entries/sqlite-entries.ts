// The tier that is the truth of this node: one SQLite database, used by several processes at once.
// Every call is one synchronous statement (12 µs to read, 26 µs to write), so a read and what is done with it cannot
// be overtaken by a write. Nothing here throws for a sick disk: the call is counted and the caller goes without.
//
// Not spoken to through Keyv, although it could be: Keyv calls the adapter's `delete` at once but its `set` some turns
// of the microtask queue later, so a removal that follows a write would be overtaken by it and the record come back.

import { randomInt } from 'node:crypto';
import type { StatementSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import type { StoreEvent } from './entry-store.ts';
import { MAX_RECORD_BYTES } from './record-codec.ts';
import { BUSY_TIMEOUT_MS, faultOf, inodeOf, openDatabase, prepareDatabasePath, setAside } from './sqlite.ts';

/** Where the database lies, and whom its faults are told to. */
export interface EmbeddedEntriesOptions {
  readonly dataDir: string;
  readonly now: () => number;
  readonly count: (event: StoreEvent) => void;
  /** The database was damaged and has been replaced by an empty one: the stored page bodies can refill it. */
  readonly onDamaged: () => void;
  /** Another process changed these keys, or, when undefined, more of them than are worth listing. */
  readonly onChanged: (keys: readonly string[] | undefined) => void;
}

/** How often the work of other processes is looked for: half of the second that we may lag behind them. */
const POLL_MS = 500;
/** A database that cannot be opened (full, read-only) is tried again this often. */
const REOPEN_MS = 5000;
/** So many that the loop does not notice. */
const WRITTEN_AGAIN_AT_ONCE = 200;
/** More changes than this at once, and memory is emptied instead. */
const MAX_LISTED_CHANGES = 1000;
/** Counting a million rows takes milliseconds: the status page may see an older number. */
const RECOUNT_MS = 30_000;

interface Session {
  readonly path: string;
  readonly inode: number;
  readonly close: () => void;
  /** Whether statements wait for the locks of other processes, which holds up everything else here. */
  readonly waitForLocks: (wait: boolean) => void;
  readonly read: StatementSync;
  readonly write: StatementSync;
  readonly list: StatementSync;
  readonly countRows: StatementSync;
  readonly dataVersion: StatementSync;
  readonly lastSeq: StatementSync;
  readonly changedByOthers: StatementSync;
}

/** Entries on disk: SQLite in WAL mode, shared by processes. */
export class EmbeddedEntries {
  readonly #options: EmbeddedEntriesOptions;
  /** Marks our own rows, so that our own writes are not taken for another process's. */
  readonly #writer = randomInt(2 ** 47);
  readonly #poll: NodeJS.Timeout;
  readonly #pendingWrites = new PendingWrites();
  #session: Session | undefined;
  #closed = false;
  #answers = true;
  #triedAt = Number.NEGATIVE_INFINITY;
  /** Whether a statement has waited for a lock in vain: nobody waits again before a write has got it. */
  #locked = false;
  #seenVersion = 0;
  #seenSeq = 0;
  #rows = { count: 0, at: Number.NEGATIVE_INFINITY };

  /** Opens the database, or goes without one until it can be opened. */
  constructor(options: EmbeddedEntriesOptions) {
    this.#options = options;
    this.#use(() => undefined, undefined);
    this.#poll = setInterval(() => {
      // In this order: what another process has written meanwhile is newer than what waits here.
      this.#lookForChanges();
      this.#writeAgain();
    }, POLL_MS).unref();
  }

  /** Whether the database answered the last call; otherwise what was not found may be there. */
  get answers(): boolean {
    return this.#answers;
  }

  /** The text stored under `key`. A row whose checksum is wrong is a miss and is removed. */
  read(key: string): string | undefined {
    const pendingWrites = this.#pendingWrites.get(key);
    if (pendingWrites !== undefined) return pendingWrites ?? undefined;
    return this.#use((session) => {
      const row = session.read.get(key) as { text: string | null; checksum: number } | undefined;
      if (row === undefined || row.text === null) return undefined;
      if (row.checksum === checksumOf(key, row.text)) return row.text;
      this.#put(session, key, null);
      this.#options.count('disk-damaged-record');
      return undefined;
    }, undefined);
  }

  /**
   * When this returns the operating system has the row, and the death of this process loses nothing; or the database
   * does not take it, and it is tried again until it does. A text beyond MAX_RECORD_BYTES is counted and not written.
   */
  write(key: string, text: string): void {
    if (Buffer.byteLength(text) > MAX_RECORD_BYTES) this.#options.count('disk-record-too-large');
    else this.#write(key, text);
  }

  remove(key: string): void {
    const isThere = this.#use((session) => {
      const row = session.read.get(key) as { text: string | null } | undefined;
      return row !== undefined && row.text !== null;
    }, true);
    if (isThere) this.#write(key, null);
    else this.#pendingWrites.drop(key);
  }

  /** Keys that start with `prefix`, in the order of their bytes, after `after`; at most `limit`. */
  keys(prefix: string, after: string, limit: number): string[] {
    const written = this.#use((session) => {
      const rows = session.list.all(prefix, after, `${prefix}\u{10ffff}`, limit) as { key: string }[];
      return rows.map((row) => row.key);
    }, []);
    const pendingWrites = this.#pendingWrites.keys(prefix).filter((key) => inBytes(key, after) > 0);
    const here = written.filter((key) => this.#pendingWrites.get(key) !== null);
    return pendingWrites.length === 0 ? here : [...new Set([...here, ...pendingWrites])].sort(inBytes).slice(0, limit);
  }

  /** The number of records, at most 30 s old. */
  size(): number {
    const now = this.#options.now();
    if (now - this.#rows.at >= RECOUNT_MS) {
      const count = this.#use((session) => Number(session.countRows.get()?.count), 0);
      this.#rows = { count, at: now };
    }
    return this.#rows.count;
  }

  /** Writes the log back into the database and closes it; later calls find nothing and keep nothing. */
  close(): void {
    clearInterval(this.#poll);
    this.#writeAgain();
    this.#closed = true;
    this.#endSession();
  }

  #write(key: string, text: string | null): boolean {
    const written = this.#use((session) => {
      this.#put(session, key, text);
      return true;
    }, false);
    if (written) this.#pendingWrites.drop(key);
    else this.#pendingWrites.keep(key, text);
    return written;
  }

  #writeAgain(): void {
    for (const [key, text] of this.#pendingWrites.oldest(WRITTEN_AGAIN_AT_ONCE)) if (!this.#write(key, text)) return;
  }

  #put(session: Session, key: string, text: string | null): void {
    session.write.run(key, text, text === null ? 0 : checksumOf(key, text), this.#writer);
    if (!this.#locked) return;
    this.#locked = false;
    session.waitForLocks(true);
  }

  /** Runs `work` on the open database; whatever the disk's fault, the answer is then `otherwise`. */
  #use<T>(work: (session: Session) => T, otherwise: T): T {
    try {
      const session = this.#openSession();
      this.#answers = session !== undefined;
      return session === undefined ? otherwise : work(session);
    } catch (error) {
      const fault = faultOf(error);
      if (fault === undefined) throw error;
      this.#answers = false;
      this.#options.count(`disk-${fault}`);
      if (fault === 'damaged') this.#replaceDamaged();
      if (fault === 'busy' && this.#session !== undefined) {
        this.#locked = true;
        this.#session.waitForLocks(false);
      }
      // Several processes created the file together, and another was first: the next call will find it made.
      if (fault === 'busy' && this.#session === undefined) this.#triedAt = Number.NEGATIVE_INFINITY;
      return otherwise;
    }
  }

  #openSession(): Session | undefined {
    if (this.#session !== undefined || this.#closed) return this.#session;
    const sinceTry = this.#options.now() - this.#triedAt;
    if (sinceTry >= 0 && sinceTry < REOPEN_MS) return undefined;
    this.#triedAt = this.#options.now();
    const session = prepareSession(prepareDatabasePath(this.#options.dataDir));
    this.#session = session;
    this.#seenVersion = versionOf(session);
    this.#seenSeq = lastSeqOf(session);
    return session;
  }

  #endSession(): void {
    this.#session?.close();
    this.#session = undefined;
    this.#triedAt = Number.NEGATIVE_INFINITY;
  }

  /** Sets the damaged file aside, unless another process has done so since we opened it, and starts anew. */
  #replaceDamaged(): void {
    const damagedInode = this.#session?.inode;
    try {
      this.#endSession();
      const path = prepareDatabasePath(this.#options.dataDir);
      const mustMove = damagedInode === undefined || damagedInode === inodeOf(path);
      if (mustMove) setAside(path, this.#options.now());
      this.#openSession();
    } catch (error) {
      const fault = faultOf(error);
      if (fault === undefined) throw error;
      this.#options.count(`disk-${fault}`);
      return;
    }
    this.#options.onChanged(undefined);
    this.#options.onDamaged();
  }

  #lookForChanges(): void {
    this.#use((session) => {
      if (inodeOf(session.path) !== session.inode) {
        // Another process set the file aside: what we hold open is the damaged one.
        this.#endSession();
        this.#openSession();
        this.#options.onChanged(undefined);
        return;
      }
      // `data_version` moves when another connection commits, and only then (sqlite.org, "PRAGMA data_version").
      const version = versionOf(session);
      if (version === this.#seenVersion) return;
      const lastSeq = lastSeqOf(session);
      const rows = session.changedByOthers.all(this.#seenSeq, this.#writer, MAX_LISTED_CHANGES + 1) as {
        key: string;
      }[];
      this.#seenVersion = version;
      this.#seenSeq = lastSeq;
      for (const { key } of rows) this.#pendingWrites.drop(key);
      if (rows.length > 0) {
        this.#options.onChanged(rows.length > MAX_LISTED_CHANGES ? undefined : rows.map((row) => row.key));
      }
    }, undefined);
  }
}

/** The order of SQLite's keys. */
function inBytes(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other));
}

function prepareSession(path: string): Session {
  const { connection, inode } = openDatabase(path);
  return {
    path,
    inode,
    close: () => connection.close(),
    waitForLocks: (wait) => connection.exec(`PRAGMA busy_timeout = ${wait ? BUSY_TIMEOUT_MS : 0}`),
    read: connection.prepare('SELECT text, checksum FROM entries WHERE key = ?'),
    write: connection.prepare('INSERT OR REPLACE INTO entries (key, text, checksum, writer) VALUES (?, ?, ?, ?)'),
    list: connection.prepare(
      'SELECT key FROM entries WHERE key >= ? AND key > ? AND key < ? AND text IS NOT NULL ORDER BY key LIMIT ?',
    ),
    countRows: connection.prepare(
      'SELECT (SELECT count(*) FROM entries) - (SELECT count(*) FROM entries WHERE text IS NULL) AS count',
    ),
    dataVersion: connection.prepare('PRAGMA data_version'),
    lastSeq: connection.prepare('SELECT coalesce(max(seq), 0) AS seq FROM entries'),
    changedByOthers: connection.prepare('SELECT key FROM entries WHERE seq > ? AND writer <> ? LIMIT ?'),
  };
}

function versionOf(session: Session): number {
  return Number(session.dataVersion.get()?.data_version);
}

function lastSeqOf(session: Session): number {
  return Number(session.lastSeq.get()?.seq);
}

/** Over the key as well, so that a row cannot answer for another. */
function checksumOf(key: string, text: string): number {
  return crc32(text, crc32(key));
}

// Records that the database did not take: somebody else had it locked, the disk was full. Kept, the newest of each key, to
// be written when it takes them again, for until then only memory has them. Bounded: what is dropped is found again by
// the body that it spoke of.

const MAX_BYTES = 16 * 1024 * 1024;
/** What a key costs in memory beside its text. */
const OVERHEAD_BYTES = 200;

/** Entries that are not on disk yet. */
export class PendingWrites {
  /** Null is a removal. */
  readonly #texts = new Map<string, string | null>();
  #bytes = 0;

  /** Undefined when nothing of this key is unwritten. */
  get(key: string): string | null | undefined {
    return this.#texts.get(key);
  }

  keep(key: string, text: string | null): void {
    this.drop(key);
    this.#texts.set(key, text);
    this.#bytes += sizeOf(key, text);
    for (const oldest of this.#texts.keys()) {
      if (this.#bytes <= MAX_BYTES) return;
      this.drop(oldest);
    }
  }

  /** It is written, or somebody else has written since. */
  drop(key: string): void {
    const text = this.#texts.get(key);
    if (text === undefined) return;
    this.#texts.delete(key);
    this.#bytes -= sizeOf(key, text);
  }

  /** Keys that are to be there, those that start with `prefix`. */
  keys(prefix: string): string[] {
    return [...this.#texts].flatMap(([key, text]) => (text !== null && key.startsWith(prefix) ? key : []));
  }

  /** At most `limit` of them, those that have waited longest. */
  oldest(limit: number): [key: string, text: string | null][] {
    return [...this.#texts].slice(0, limit);
  }
}

function sizeOf(key: string, text: string | null): number {
  return key.length + (text?.length ?? 0) + OVERHEAD_BYTES;
}
