// The blob store on a local disk; blob-folders.ts says where things lie.
//
// Bytes are hashed when this process opens them first and again when inode, size or times changed. A file is synced
// before it is renamed into place: the copy must survive a power cut, for in an outage nobody can give it again.

import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { LRUCache } from 'lru-cache';
import { BlobFolders } from './blob-folders.ts';
import { BlobIndex, type BlobKind } from './blob-index.ts';
import type { Arrival, Blob, BlobStore, BlobWriter, OwnedBlob } from './blob-store.ts';
import { DiskBlobWriter } from './blob-writer.ts';
import type { Digest } from './digest.ts';
import { DiskSpace, type EvictionReason } from './disk-space.ts';
import { KEPT_OVERHEAD_BYTES } from './exact-bytes.ts';
import { OneByOne } from './one-by-one.ts';
import { isOutOfDescriptors, type OpenFile, OpenFiles, readAt } from './open-files.ts';
import { readTrailer } from './owned-body.ts';
import { DiskBlob, hashOfFile, MemoryBlob } from './stored-blob.ts';
import { SyncBehind } from './sync-behind.ts';
import { Upkeep } from './upkeep.ts';

export interface DiskBlobsOptions {
  readonly dataDir: string;
  /** Bytes of memory for small bodies. */
  readonly memoryBytes: number;
  readonly quotaBytes: number;
  /** What has to stay free on the file system; bytes. */
  readonly freeSpaceFloorBytes: number;
  readonly now: () => number;
  readonly onEvicted: (reason: EvictionReason, sizeBytes: number) => void;
  /** Told when the disk stops taking new bodies, and when it takes them again. */
  readonly onPaused: (paused: boolean) => void;
  /** Told when stored bytes turned out to be wrong and were removed. */
  readonly onDamage: (what: 'blob' | 'body', name: string) => void;
}

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

export class DiskBlobs implements BlobStore {
  /** To be run beside serving. */
  readonly upkeep: Upkeep;
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
      evict: ({ kind, name }) => this.#evict(kind, name),
    });
    this.upkeep = new Upkeep({
      folders: this.#folders,
      index: this.#index,
      space: this.#space,
      temporaryPrefix: this.#temporaryPrefix,
      removeWrong: (kind, name) => this.#removeWrong(kind, name),
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

  /** Whether a body lies on the disk, under its digest or under the name it belongs to; right or not. */
  async has(digest: Digest, name: string): Promise<boolean> {
    const places = [this.#folders.path('file', digest), this.#bodyPath(name)];
    const found = await Promise.all(
      places.map((place) =>
        fs.promises.access(place).then(
          () => true,
          () => false,
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
    if (!(await this.#verified(file, digest, file.sizeBytes))) {
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

  async remove(digest: Digest): Promise<void> {
    this.#small.delete(digest);
    await this.#remove('file', digest);
  }

  async removeOwned(name: string): Promise<void> {
    await this.#remove('page', this.#folders.bodyName(name));
  }

  changedElsewhere(name: string): void {
    this.#files.forget(this.#bodyPath(name));
  }

  async close(): Promise<void> {
    const counted = await this.upkeep.close();
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

  /** Undefined when there is none, or the disk cannot give it. Rejects when no descriptor is left: that passes. */
  async #openFile(place: string): Promise<OpenFile | undefined> {
    try {
      return await this.#files.open(place);
    } catch (error) {
      if (isOutOfDescriptors(error)) throw error;
      return undefined;
    }
  }

  async #openOwnedAsKnown(name: string): Promise<OwnedBlob | undefined> {
    const file = await this.#openFile(this.#bodyPath(name));
    if (file === undefined) return undefined;
    const trailer = await readTrailer(file.fd, file.sizeBytes).catch(() => undefined);
    if (trailer === undefined || !(await this.#verified(file, trailer.digest, trailer.sizeBytes))) {
      await this.#damaged(file, 'body', name);
      return undefined;
    }
    this.#index.used('page', this.#folders.bodyName(name));
    return { blob: this.#blobOf(file, trailer.digest, trailer.sizeBytes), description: trailer.description };
  }

  #verified(file: OpenFile, digest: Digest, sizeBytes: number): Promise<boolean> {
    if (file.verified) return Promise.resolve(true);
    // All who open it meanwhile wait for the one that hashes.
    let verifying = this.#verifying.get(file);
    if (verifying === undefined) {
      verifying = hashOfFile(file.fd, sizeBytes).then(
        (found) => {
          file.verified = found === digest;
          return file.verified;
        },
        // A body that the disk cannot read is as good as none: it is removed and fetched again.
        () => false,
      );
      this.#verifying.set(file, verifying);
    }
    return verifying;
  }

  async #damaged(file: OpenFile, what: 'blob' | 'body', name: string): Promise<void> {
    file.release();
    const removing = this.#changes.inTurn(file.path, async () => {
      // Only the bytes that were looked at: somebody may have put right ones in their place.
      if (!this.#files.isCurrent(file)) return;
      this.#options.onDamage(what, name);
      await this.#takeAway(what === 'blob' ? 'file' : 'page', path.basename(file.path));
    });
    // Where the disk does not even remove them they stay, and whoever opens them finds them wrong again.
    await removing.catch((error: NodeJS.ErrnoException) => this.#space.failed(error));
  }

  #blobOf(file: OpenFile, digest: Digest, sizeBytes: number): DiskBlob {
    return new DiskBlob(file, digest, sizeBytes, (broken) => this.#files.forget(broken.path));
  }

  async #intoMemory(file: OpenFile, digest: Digest): Promise<Blob> {
    const bytes = Buffer.alloc(file.sizeBytes);
    const read = await readAt(file.fd, bytes, 0).catch(() => -1);
    if (read !== bytes.length) return this.#blobOf(file, digest, file.sizeBytes);
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

  async #remove(kind: BlobKind, name: string): Promise<void> {
    await this.#changes.inTurn(this.#folders.path(kind, name), () => this.#takeAway(kind, name));
  }

  /** What is being read stays: its room would not be free before the last reader has left. */
  #evict(kind: BlobKind, name: string): Promise<boolean> {
    const place = this.#folders.path(kind, name);
    return this.#changes.inTurn(place, async () => {
      if (this.#files.isRead(place)) return false;
      await this.#takeAway(kind, name);
      return true;
    });
  }

  async #takeAway(kind: BlobKind, name: string): Promise<void> {
    const place = this.#folders.path(kind, name);
    this.#files.forget(place);
    // What stands there may be a folder.
    await fs.promises.rm(place, { force: true, recursive: true });
    this.#index.removed(kind, name);
  }
}
