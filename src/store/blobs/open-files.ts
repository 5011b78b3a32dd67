// Open file descriptors, shared by all readers of a file and kept for a while after the last one left.
// A descriptor carries whether this process has hashed its bytes: the answer is lost with the descriptor, and when
// the path leads to another inode, size or time than before, so a change on disk is noticed within a second.

import * as fs from 'node:fs';

/** A file, open for reading, counted. `verified` is set by the store when the bytes were hashed. */
export class OpenFile {
  readonly path: string;
  readonly fd: number;
  readonly stats: fs.BigIntStats;
  verified = false;
  checkedAt: number;
  readonly #recent: RecentReads;
  #readers = 0;
  #retired = false;

  constructor(path: string, fd: number, stats: fs.BigIntStats, now: number) {
    this.path = path;
    this.fd = fd;
    this.stats = stats;
    this.checkedAt = now;
    this.#recent = new RecentReads(this.sizeBytes);
  }

  get sizeBytes(): number {
    return Number(this.stats.size);
  }

  get idle(): boolean {
    return this.#readers === 0;
  }

  acquire(): this {
    this.#readers++;
    return this;
  }

  release(): void {
    this.#readers--;
    this.#closeWhenDone();
  }

  /** Fills `target` from `position`; 0 at the end. Rejects with the system's error. */
  async read(target: Buffer, position: number): Promise<number> {
    const startedAt = performance.now();
    if (this.#recent.cover(position, target.length, startedAt)) {
      const count = fs.readSync(this.fd, target, 0, target.length, position);
      this.#recent.took(performance.now() - startedAt);
      return count;
    }
    const count = await readAt(this.fd, target, position);
    this.#recent.note(position, count, performance.now());
    return count;
  }

  /** Whether somebody has written into it since it was opened; that its name has gone elsewhere does not count. */
  isOverwritten(): boolean {
    const { size, mtimeNs } = fs.fstatSync(this.fd, { bigint: true });
    return size !== this.stats.size || mtimeNs !== this.stats.mtimeNs;
  }

  /** No new readers; the descriptor closes with the last one. */
  retire(): void {
    if (this.#retired) return;
    this.#retired = true;
    this.#closeWhenDone();
  }

  #closeWhenDone(): void {
    if (this.#retired && this.#readers === 0) fs.close(this.fd, () => {});
  }

  sameAs(stats: fs.BigIntStats): boolean {
    const mine = this.stats;
    return (
      mine.ino === stats.ino &&
      mine.size === stats.size &&
      mine.mtimeNs === stats.mtimeNs &&
      mine.ctimeNs === stats.ctimeNs
    );
  }
}

/** Fills `target` from `position` of the descriptor; 0 at the end. */
export function readAt(fd: number, target: Buffer, position: number): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.read(fd, target, 0, target.length, position, (error, bytesRead) => (error ? reject(error) : resolve(bytesRead)));
  });
}

/** The file gave fewer bytes than its size says: a read that failed, not a wrong byte. */
export class ShortRead extends Error {
  override readonly name = 'ShortRead';
  readonly code = 'SHORT_READ';
}

/** Fills all of `target` from `position` of the descriptor. Rejects with the system's error, or with ShortRead. */
export async function readWholly(fd: number, target: Buffer, position: number): Promise<void> {
  for (let filled = 0; filled < target.length; ) {
    const count = await readAt(fd, target.subarray(filled), position + filled);
    if (count === 0) throw new ShortRead(`the file ended after ${position + filled} bytes`);
    filled += count;
  }
}

/** How long a path is trusted before its inode is looked at again. */
const RECHECK_MS = 1000;

/** Open files of stored bodies, checked once, shared by all readers. */
export class OpenFiles {
  readonly #files = new Map<string, OpenFile>();
  readonly #opening = new Map<string, Promise<OpenFile | undefined>>();
  readonly #limit: number;
  readonly #now: () => number;

  /** `limit`: descriptors kept open; `now`: milliseconds. */
  constructor(options: { readonly limit: number; readonly now: () => number }) {
    this.#limit = options.limit;
    this.#now = options.now;
  }

  /** The file at `path`, acquired; undefined when there is none. Rejects on any other error (EMFILE, EIO). */
  async open(path: string): Promise<OpenFile | undefined> {
    const known = this.#files.get(path);
    if (known !== undefined) {
      if (this.#now() - known.checkedAt < RECHECK_MS) return this.#use(known);
      const stats = await fs.promises.stat(path, { bigint: true }).catch(absent);
      // While we looked, another reader may have replaced or retired it: only what still stands in the map counts.
      if (stats !== undefined && known.sameAs(stats) && this.#files.get(path) === known) {
        known.checkedAt = this.#now();
        return this.#use(known);
      }
      if (this.#files.get(path) === known) this.forget(path);
      if (stats === undefined) return undefined;
    }
    return this.#openAnew(path);
  }

  /** Takes in a file that a writer has just finished: its bytes were hashed on the way. */
  adopt(path: string, fd: number, stats: fs.BigIntStats): OpenFile {
    this.forget(path);
    const file = new OpenFile(path, fd, stats, this.#now());
    file.verified = true;
    this.#keep(file);
    return file.acquire();
  }

  /** Whether somebody reads the file now. */
  isRead(path: string): boolean {
    return this.#files.get(path)?.idle === false;
  }

  /** Whether the path still leads to this file, as far as is known. */
  isCurrent(file: OpenFile): boolean {
    return this.#files.get(file.path) === file;
  }

  forget(path: string): void {
    const file = this.#files.get(path);
    this.#files.delete(path);
    file?.retire();
  }

  close(): void {
    for (const path of [...this.#files.keys()]) this.forget(path);
  }

  async #openAnew(path: string): Promise<OpenFile | undefined> {
    const running = this.#opening.get(path);
    const opening = running ?? this.#openFile(path).finally(() => this.#opening.delete(path));
    if (running === undefined) this.#opening.set(path, opening);
    const file = await opening;
    if (file === undefined) return undefined;
    // Between the opening and our turn the limit may have pushed it out again.
    return this.#files.get(path) === file ? this.#use(file) : this.open(path);
  }

  async #openFile(path: string): Promise<OpenFile | undefined> {
    try {
      return await this.#openNow(path);
    } catch (error) {
      if (!isOutOfDescriptors(error)) throw error;
      // Descriptors that are kept for later are given up before anybody is refused.
      for (const file of [...this.#files.values()]) if (file.idle) this.forget(file.path);
      return this.#openNow(path);
    }
  }

  async #openNow(path: string): Promise<OpenFile | undefined> {
    const fd = await openForReading(path).catch(absent);
    if (fd === undefined) return undefined;
    let stats: fs.BigIntStats;
    try {
      stats = fs.fstatSync(fd, { bigint: true });
    } catch (error) {
      fs.close(fd, () => {});
      throw error;
    }
    const file = new OpenFile(path, fd, stats, this.#now());
    this.#keep(file);
    return file;
  }

  #use(file: OpenFile): OpenFile {
    // Moves it to the young end of the map, which is our order of use.
    this.#files.delete(file.path);
    this.#files.set(file.path, file);
    return file.acquire();
  }

  #keep(file: OpenFile): void {
    this.#files.set(file.path, file);
    if (this.#files.size <= this.#limit) return;
    for (const [path, oldest] of this.#files) {
      if (oldest === file || !oldest.idle) continue;
      this.forget(path);
      return;
    }
  }
}

/**
 * Whoever can write into the folder must not be able to point us at another file (O_NOFOLLOW), nor to let us wait for
 * the other end of a named pipe (O_NONBLOCK means nothing to a file).
 */
export const READING = fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK;

/** A descriptor of the file. Rejects with the system's error. */
export function openForReading(path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    fs.open(path, READING, (error, fd) => (error === null ? resolve(fd) : reject(error)));
  });
}

/** Whether the process or the system has no file descriptor left: a shortage that passes. */
export function isOutOfDescriptors(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return code === 'EMFILE' || code === 'ENFILE';
}

/** Whether nothing of ours lies at the path: an error that says so of the path, and does not pass by itself. */
export function isAbsent(error: NodeJS.ErrnoException): boolean {
  return error.code === 'ENOENT' || error.code === 'ELOOP' || error.code === 'ENOTDIR';
}

function absent(error: NodeJS.ErrnoException): undefined {
  if (isAbsent(error)) return undefined;
  throw error;
}

// Which parts of an open file this process has read a moment ago: they still lie in the system's page cache, and to
// read them again is a copy in memory, for which the hand-over to a thread and back would cost more than the copy.

/** Reads are noted by blocks of this size. */
const BLOCK_BYTES = 256 * 1024;
/** So long after a read its bytes are taken to be in the page cache. */
const RECENT_MS = 10_000;
/** A copy takes a tenth of this: what took longer came from the disk. */
const COPY_MS = 2;

/** Times are milliseconds on the monotonic clock, positions and lengths bytes. */
export class RecentReads {
  /** When each block was read last; made at the first read, for most files that are open are not read in blocks. */
  #readAt: Float64Array | undefined;
  readonly #sizeBytes: number;

  constructor(sizeBytes: number) {
    this.#sizeBytes = sizeBytes;
  }

  /** Whether all of it was read a moment ago. */
  cover(position: number, length: number, now: number): boolean {
    const readAt = this.#readAt;
    if (readAt === undefined) return false;
    const end = Math.min(position + length, this.#sizeBytes);
    for (let block = blockOf(position); block * BLOCK_BYTES < end; block++) {
      if (now - readAt[block]! > RECENT_MS) return false;
    }
    return true;
  }

  /** A read has given `length` bytes. A block counts when its end is reached, for readers come from its beginning. */
  note(position: number, length: number, now: number): void {
    const blocks = Math.ceil(this.#sizeBytes / BLOCK_BYTES);
    this.#readAt ??= new Float64Array(blocks).fill(Number.NEGATIVE_INFINITY);
    const end = position + length;
    this.#readAt.fill(now, blockOf(position), end >= this.#sizeBytes ? blocks : blockOf(end));
  }

  /** A read of what should have been in the page cache took this long; memory is short when it was not there. */
  took(ms: number): void {
    if (ms > COPY_MS) this.#readAt = undefined;
  }
}

function blockOf(position: number): number {
  return Math.floor(position / BLOCK_BYTES);
}
