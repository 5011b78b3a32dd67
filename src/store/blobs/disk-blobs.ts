// The blob store on a local disk; blob-folders.ts says where things lie.
//
// Bytes are hashed when this process opens them first and again when inode, size or times changed. A file is synced
// before it is renamed into place: the copy must survive a power cut, for in an outage nobody can give it again.

import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { LRUCache } from 'lru-cache';
import type { Digest } from '../../core/digest.ts';
import { KEPT_OVERHEAD_BYTES } from '../../core/exact-bytes.ts';
import { BlobIndex, type BlobKind, type IndexedBlob } from './blob-index.ts';
import type { Arrival, Blob, BlobStore, BlobWriter, OwnedBlob, RemovalReason } from './blob-store.ts';
import { DiskBlobWriter, SyncBehind } from './blob-writer.ts';
import { readTrailer } from './body-trailer.ts';
import { DiskSpace, type EvictionReason } from './disk-space.ts';
import { BlobFolders } from './folders.ts';
import { Maintenance } from './maintenance.ts';
import { isAbsent, type OpenFile, OpenFiles, readWholly } from './open-files.ts';
import { DiskBlob, hashOfFile, MemoryBlob, UnreadableBlob } from './stored-blob.ts';

/** The folder, its limits in bytes, and whom it tells. */
export interface DiskBlobsOptions {
  readonly dataDir: string;
  /** Bytes of memory for small bodies. */
  readonly memoryBytes: number;
  readonly quotaBytes: number;
  /** What has to stay free on the file system; bytes. */
  readonly freeSpaceFloorBytes: number;
  readonly now: () => number;
  /** Told of each body that left, but for damage. */
  readonly onEvicted: (reason: EvictionReason | RemovalReason, sizeBytes: number) => void;
  /** Told when the disk stops taking new bodies, and when it takes them again. */
  readonly onPaused: (paused: boolean) => void;
  /** Told when stored bytes turned out to be wrong and were removed. */
  readonly onDamage: (what: 'blob' | 'body', name: string) => void;
  /** Told when the disk did not give a stored body, which is kept: the system's error. */
  readonly onUnreadable: (error: NodeJS.ErrnoException) => void;
}

/** How full the store is, and whether it takes bytes. */
export interface DiskBlobsStatus {
  readonly bytes: number;
  readonly count: number;
  readonly paused: boolean;
  readonly memoryBytes: number;
}

/** Bodies up to this size are answered from memory. */
const SMALL_BYTES = 64 * 1024;
const OPEN_FILES = 256;
/** Enough that a disk without free blocks notices. */
const PROBE_BYTES = 64 * 1024;

/** The blob store on disk. */
export class DiskBlobs implements BlobStore {
  /** To be run beside serving. */
  readonly maintenance: Maintenance;
  readonly #options: DiskBlobsOptions;
  readonly #folders: BlobFolders;
  readonly #files: OpenFiles;
  readonly #small: LRUCache<string, { readonly digest: Digest; readonly bytes: Buffer }>;
  readonly #verifying = new WeakMap<OpenFile, Promise<boolean>>();
  readonly #changes = new OneByOne();
  readonly #index: BlobIndex;
  readonly #space: DiskSpace;
  readonly #syncs = new SyncBehind({ onFailure: (error) => this.#space.failed(error) });
  readonly #temporaryPrefix = `${process.pid}-${randomBytes(6).toString('hex')}-`;
  #created = 0;

  /** Makes the folders. Throws the system's error when the data folder cannot be used. */
  constructor(options: DiskBlobsOptions) {
    this.#options = options;
    this.#folders = new BlobFolders(options.dataDir);
    this.#folders.make();
    this.#files = new OpenFiles({ limit: OPEN_FILES, now: options.now });
    this.#small = new LRUCache({
      maxSize: options.memoryBytes,
      sizeCalculation: ({ bytes }) => bytes.length + KEPT_OVERHEAD_BYTES,
    });
    this.#index = BlobIndex.open({ path: this.#folders.index, now: options.now });
    this.#space = new DiskSpace({
      ...options,
      index: this.#index,
      folder: this.#folders.temporary,
      probe: () => this.#probe(),
      evict: (blob) => this.#evict(blob),
    });
    this.maintenance = new Maintenance({
      folders: this.#folders,
      index: this.#index,
      space: this.#space,
      temporaryPrefix: this.#temporaryPrefix,
      removeWrong: (kind, name) => this.#removeWrong(kind, name),
      onUnreadable: options.onUnreadable,
    });
  }

  /** Bytes and number of what is stored, bodies that are being written included in the bytes; and bytes in memory. */
  status(): DiskBlobsStatus {
    this.#index.flush();
    return {
      bytes: this.#space.usedBytes,
      count: this.#index.totals.count,
      paused: this.#space.paused,
      memoryBytes: this.#small.calculatedSize,
    };
  }

  /** Whether a body may lie on the disk, under its digest or under the name it belongs to; right or not, readable or not. */
  async has(digest: Digest, name: string): Promise<boolean> {
    const places = [this.#folders.path('file', digest), this.#bodyPath(name)];
    const found = await Promise.all(
      places.map((place) =>
        fs.promises.access(place).then(
          () => true,
          (error: NodeJS.ErrnoException) => !isAbsent(error),
        ),
      ),
    );
    return found.includes(true);
  }

  async open(digest: Digest): Promise<Blob | undefined> {
    const small = this.#small.get(digest);
    if (small !== undefined) {
      this.#index.used('file', digest);
      return new MemoryBlob(small.digest, small.bytes);
    }
    const file = await this.#openFile(this.#folders.path('file', digest));
    if (file === undefined) return undefined;
    if (!(await this.#readable(file, () => this.#verified(file, digest, file.sizeBytes)))) {
      await this.#damaged(file, 'blob', digest);
      return undefined;
    }
    this.#index.used('file', digest);
    return file.sizeBytes > SMALL_BYTES ? this.#blobOf(file, digest, file.sizeBytes) : this.#intoMemory(file, digest);
  }

  async openOwned(name: string, expected?: Digest): Promise<OwnedBlob | undefined> {
    const found = await this.#openOwnedAsKnown(name);
    if (found === undefined || expected === undefined || found.blob.digest === expected) return found;
    found.blob.release();
    this.#files.forget(this.#bodyPath(name));
    return this.#openOwnedAsKnown(name);
  }

  async create(arrival: Arrival): Promise<BlobWriter | undefined> {
    if (this.#space.paused) return undefined;
    const temporary = this.#newTemporary();
    try {
      const handle = await fs.promises.open(temporary, 'wx+', 0o600);
      return new DiskBlobWriter(handle, temporary, arrival, {
        space: this.#space,
        syncs: this.#syncs,
        blobPath: (digest) => this.#folders.path('file', digest),
        bodyPath: (name) => this.#bodyPath(name),
        inTurn: (place, change) => this.#changes.inTurn(place, change),
        adopt: (kind, place, fd) => this.#adopt(kind, place, fd),
      });
    } catch (error) {
      this.#space.failed(error as NodeJS.ErrnoException);
      throw error;
    }
  }

  async remove(digest: Digest, reason: RemovalReason): Promise<void> {
    this.#small.delete(digest);
    await this.#remove('file', digest, reason);
  }

  async removeOwned(name: string, reason: RemovalReason): Promise<void> {
    await this.#remove('page', this.#folders.bodyName(name), reason);
  }

  invalidate(name: string): void {
    this.#files.forget(this.#bodyPath(name));
  }

  async close(): Promise<void> {
    const counted = await this.maintenance.close();
    this.#space.close();
    this.#files.close();
    this.#small.clear();
    this.#index.close(counted);
  }

  #newTemporary(): string {
    return path.join(this.#folders.temporary, `${this.#temporaryPrefix}${this.#created++}`);
  }

  /** Nothing of it is left, whether the disk takes it or not. */
  async #probe(): Promise<void> {
    const temporary = this.#newTemporary();
    try {
      await fs.promises.writeFile(temporary, Buffer.alloc(PROBE_BYTES), { flag: 'wx', mode: 0o600, flush: true });
    } finally {
      await fs.promises.rm(temporary, { force: true });
    }
  }

  #bodyPath(name: string): string {
    return this.#folders.path('page', this.#folders.bodyName(name));
  }

  /** Undefined when there is none. Rejects with UnreadableBlob when the disk does not give it now. */
  async #openFile(place: string): Promise<OpenFile | undefined> {
    try {
      return await this.#files.open(place);
    } catch (error) {
      throw this.#unreadable(error);
    }
  }

  /** What `read` finds in the file. Releases the file and rejects with UnreadableBlob when it cannot be read now. */
  async #readable<T>(file: OpenFile, read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      this.#forget(file);
      file.release();
      throw this.#unreadable(error);
    }
  }

  #unreadable(error: unknown): UnreadableBlob {
    this.#options.onUnreadable(error as NodeJS.ErrnoException);
    return new UnreadableBlob(error);
  }

  /** The next reader opens it anew; one that was opened since is left alone. */
  #forget(file: OpenFile): void {
    if (this.#files.isCurrent(file)) this.#files.forget(file.path);
  }

  async #openOwnedAsKnown(name: string): Promise<OwnedBlob | undefined> {
    const file = await this.#openFile(this.#bodyPath(name));
    if (file === undefined) return undefined;
    const trailer = await this.#readable(file, async () => {
      const found = file.stats.isFile() ? await readTrailer(file.fd, file.sizeBytes) : undefined;
      return found !== undefined && (await this.#verified(file, found.digest, found.sizeBytes)) ? found : undefined;
    });
    if (trailer === undefined) {
      await this.#damaged(file, 'body', name);
      return undefined;
    }
    this.#index.used('page', this.#folders.bodyName(name));
    return { blob: this.#blobOf(file, trailer.digest, trailer.sizeBytes), description: trailer.description };
  }

  /** Whether the bytes have the digest; a folder or a pipe has none. Rejects when they cannot be read now. */
  #verified(file: OpenFile, digest: Digest, sizeBytes: number): Promise<boolean> {
    if (file.verified || !file.stats.isFile()) return Promise.resolve(file.verified);
    // All who open it meanwhile wait for the one that hashes.
    let verifying = this.#verifying.get(file);
    if (verifying === undefined) {
      verifying = hashOfFile(file.fd, sizeBytes).then((found) => {
        file.verified = found === digest;
        return file.verified;
      });
      this.#verifying.set(file, verifying);
    }
    return verifying;
  }

  async #damaged(file: OpenFile, what: 'blob' | 'body', name: string): Promise<void> {
    file.release();
    const removing = this.#changes.inTurn(file.path, async () => {
      // Only the bytes that were looked at are taken away:
      //   1. this process opens a damaged file and hashes it;
      //   2. another writer, here or in another process, renames a right one into its place;
      //   3. this process removes what it found wrong, and would remove the right one.
      if (!this.#files.isCurrent(file)) return;
      const there = await fs.promises.lstat(file.path, { bigint: true }).catch(() => undefined);
      if (there === undefined || !file.sameAs(there)) return this.#files.forget(file.path);
      this.#options.onDamage(what, name);
      await this.#takeAway(what === 'blob' ? 'file' : 'page', path.basename(file.path));
    });
    // Where the disk does not even remove them they stay, and whoever opens them finds them wrong again.
    await removing.catch((error: NodeJS.ErrnoException) => this.#space.failed(error));
  }

  #blobOf(file: OpenFile, digest: Digest, sizeBytes: number): DiskBlob {
    return new DiskBlob(file, digest, sizeBytes, (broken, cause) => {
      this.#forget(broken);
      this.#options.onUnreadable(cause as NodeJS.ErrnoException);
    });
  }

  async #intoMemory(file: OpenFile, digest: Digest): Promise<Blob> {
    const bytes = Buffer.alloc(file.sizeBytes);
    await this.#readable(file, () => readWholly(file.fd, bytes, 0));
    file.release();
    this.#small.set(digest, { digest, bytes });
    return new MemoryBlob(digest, bytes);
  }

  #adopt(kind: BlobKind, place: string, fd: number): OpenFile {
    const stats = fs.fstatSync(fd, { bigint: true });
    this.#index.put(kind, path.basename(place), Number(stats.size));
    // Last: once the descriptor is taken in nothing may fail, or it would be closed twice.
    return this.#files.adopt(place, fd, stats);
  }

  async #removeWrong(kind: BlobKind, name: string): Promise<void> {
    if (kind === 'file') this.#small.delete(name);
    this.#options.onDamage(kind === 'file' ? 'blob' : 'body', name);
    await this.#remove(kind, name).catch((error: NodeJS.ErrnoException) => this.#space.failed(error));
  }

  async #remove(kind: BlobKind, name: string, reason?: RemovalReason): Promise<void> {
    await this.#changes.inTurn(this.#folders.path(kind, name), async () => {
      const sizeBytes = await this.#takeAway(kind, name);
      if (sizeBytes !== undefined && reason !== undefined) this.#options.onEvicted(reason, sizeBytes);
    });
  }

  /**
   * What is being read stays: its room would not be free before the last reader has left. So does what took the place of
   * the blob that was chosen:
   *   1. room is made: the index names what is worth least, among it this page;
   *   2. a purge removes the page;
   *   3. a fetch stores it anew;
   *   4. room is made: what was chosen is gone, and the new page is not what was chosen.
   */
  #evict({ kind, name, rank }: IndexedBlob): Promise<boolean> {
    const place = this.#folders.path(kind, name);
    return this.#changes.inTurn(place, async () => {
      if (this.#files.isRead(place) || !this.#index.isStill(kind, name, rank)) return false;
      await this.#takeAway(kind, name);
      return true;
    });
  }

  /** Resolves with how many bytes were accounted to it; undefined when none were. */
  async #takeAway(kind: BlobKind, name: string): Promise<number | undefined> {
    const place = this.#folders.path(kind, name);
    this.#files.forget(place);
    // What stands there may be a folder.
    await fs.promises.rm(place, { force: true, recursive: true });
    return this.#index.removed(kind, name);
  }
}

// Changes of one thing in turn, of different things at once. A body may be evicted and stored again at the same moment:
// mixed up, the account would miss a file that is there, or count one that is not.

/** Runs work one after the other. */
export class OneByOne {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Calls `change` when those before it with the same key are done, however they ended; resolves or rejects as it does. */
  inTurn<T>(key: string, change: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key);
    const running = before === undefined ? change() : before.then(change, change);
    this.#last.set(key, running);
    const done = () => {
      if (this.#last.get(key) === running) this.#last.delete(key);
    };
    running.then(done, done);
    return running;
  }
}
