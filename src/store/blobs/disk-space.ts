// Keeps the blob store within its bounds: at most the quota, never into the free space that is to be left, and no
// writing to a disk that has just refused it. What has to leave is chosen by blob-index.ts; page bodies leave only
// when no file is left, for nobody else may have the last good copy of a page.

import * as fs from 'node:fs';
import type { BlobIndex, IndexedBlob } from './blob-index.ts';
import type { Arrival } from './blob-store.ts';
import { BLOB_KINDS } from './folders.ts';

/** Quota and floor, in bytes. */
export interface DiskSpaceOptions {
  readonly index: BlobIndex;
  /** The folder whose file system is judged. */
  readonly folder: string;
  readonly quotaBytes: number;
  readonly freeSpaceFloorBytes: number;
  readonly now: () => number;
  /** Writes something small and removes it. Rejects as long as the disk does not take it. */
  readonly probe: () => Promise<void>;
  /** Removes a blob, from the index too; false while somebody reads it. */
  readonly evict: (blob: IndexedBlob) => Promise<boolean>;
  readonly onEvicted: (reason: EvictionReason, sizeBytes: number) => void;
  readonly onPaused: (paused: boolean) => void;
}

/** Why a blob was evicted. */
export type EvictionReason = 'quota' | 'free-space';

/** Above the high watermark blobs leave until the low one is reached. */
const HIGH_WATERMARK = 0.9;
const LOW_WATERMARK = 0.8;
/** Downloads that nothing can leave for get so much of the quota. */
const DOWNLOADS_SHARE = 0.95;
/** A full file system gets at least that part of it free, in bytes and in inodes. */
const FREE_SHARE = 0.02;
/** No floor is a larger part of the file system: on a small volume nothing at all could be kept. */
const LARGEST_FLOOR_SHARE = 0.25;
const STATFS_INTERVAL_MS = 1_000;
/** After a failed write the disk is left alone, and asked this often whether it is well again. */
const PROBE_MS = 2_000;
const BATCH = 64;
/** Failures of the whole disk; others (a file size limit, no descriptor left) concern one body only. */
const PAUSING = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EPERM', 'EIO']);

/** What is being downloaded needs more room than the quota leaves when nothing else can go. */
export class QuotaUsedUp extends Error {
  override readonly name = 'QuotaUsedUp';
  readonly code = 'QUOTA';

  constructor() {
    super('the quota is used up');
  }
}

function isFull(failure: NodeJS.ErrnoException | undefined): boolean {
  return failure?.code === 'ENOSPC' || failure?.code === 'EDQUOT';
}

/** Keeps the quota and the floor: admits writes and evicts. */
export class DiskSpace {
  readonly #options: DiskSpaceOptions;
  /** Bytes of bodies that are being written. */
  #partialBytes = 0;
  #makingRoom: Promise<void> | undefined;
  /** The failure for which nothing is written; undefined while the disk is well. */
  #failure: NodeJS.ErrnoException | undefined;
  #probing: NodeJS.Timeout | undefined;
  #closed = false;
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(options: DiskSpaceOptions) {
    this.#options = options;
  }

  /** Bytes stored and being written. */
  get usedBytes(): number {
    return this.#options.index.totals.bytes + this.#partialBytes;
  }

  /** Whether no new body may be begun: the disk has failed and is not well yet. */
  get paused(): boolean {
    return this.#failure !== undefined;
  }

  /** Takes account of bytes about to be written. Rejects with QuotaUsedUp when they would not fit. */
  async reserve(bytes: number, arrival: Arrival): Promise<void> {
    const { quotaBytes } = this.#options;
    const limit = arrival === 'streamed' ? quotaBytes * DOWNLOADS_SHARE : quotaBytes;
    this.#partialBytes += bytes;
    if (this.usedBytes > quotaBytes * HIGH_WATERMARK) {
      const making = this.makeRoom();
      if (this.usedBytes > limit) await making;
    } else if (this.#options.now() - this.#lookedAt >= STATFS_INTERVAL_MS) {
      void this.makeRoom();
    }
    if (this.usedBytes <= limit) return;
    this.#partialBytes -= bytes;
    throw new QuotaUsedUp();
  }

  /** The bytes reserved are now a blob of the index, or gone. */
  settle(bytes: number): void {
    this.#partialBytes -= bytes;
  }

  /** A write failed: nothing is begun until the disk is well again, and a full one gets room. */
  failed(error: NodeJS.ErrnoException): void {
    if (!PAUSING.has(error.code ?? '') || this.#closed) return;
    if (this.#failure === undefined) this.#options.onPaused(true);
    this.#failure = error;
    if (isFull(error)) void this.makeRoom();
    this.#probing ??= setInterval(() => void this.#probe(), PROBE_MS).unref();
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#probing);
  }

  /** Nobody has to ask for something that would be written, for us to know that the disk is well again. */
  async #probe(): Promise<void> {
    try {
      // A byte more may well fit where no body does.
      if (isFull(this.#failure) && (await this.#isFull())) return;
      await this.#options.probe();
    } catch (error) {
      this.#failure = error as NodeJS.ErrnoException;
      return;
    }
    clearInterval(this.#probing);
    this.#probing = undefined;
    if (this.#closed || this.#failure === undefined) return;
    this.#failure = undefined;
    this.#options.onPaused(false);
  }

  async #isFull(): Promise<boolean> {
    await this.makeRoom();
    const { blocks, bavail, files, ffree } = await fs.promises.statfs(this.#options.folder);
    return bavail < blocks * FREE_SHARE || ffree < files * FREE_SHARE;
  }

  /** Evicts until bytes and inodes are within bounds, or nothing more can leave. One at a time; never rejects. */
  makeRoom(): Promise<void> {
    this.#makingRoom ??= this.#makeRoom()
      .catch(() => {
        // The disk does not even remove files or say how full it is; the next write will ask again.
      })
      .finally(() => {
        this.#makingRoom = undefined;
      });
    return this.#makingRoom;
  }

  async #makeRoom(): Promise<void> {
    this.#lookedAt = this.#options.now();
    const { index, quotaBytes } = this.#options;
    const overQuota = () => this.usedBytes > quotaBytes * LOW_WATERMARK;
    if (this.usedBytes > quotaBytes * HIGH_WATERMARK) await this.#evictWhile(overQuota, 'quota');
    const missing = await this.#missing();
    if (missing.bytes > 0 || missing.inodes > 0) {
      const before = index.totals;
      const stillMissing = () => {
        const { bytes, count } = index.totals;
        return before.bytes - bytes < missing.bytes || before.count - count < missing.inodes;
      };
      await this.#evictWhile(stillMissing, 'free-space');
    }
  }

  async #evictWhile(wanted: () => boolean, reason: EvictionReason): Promise<void> {
    for (const kind of BLOB_KINDS) {
      let last: IndexedBlob | undefined;
      while (wanted()) {
        if (kind === 'page' && !this.#pagesAloneAreTooMany) return;
        const batch = this.#options.index.leastWorth(kind, last, BATCH);
        if (batch.length === 0) break;
        for (const blob of batch) {
          if (!wanted()) return;
          last = blob;
          if (!(await this.#options.evict(blob))) continue;
          this.#options.index.flush();
          this.#options.onEvicted(reason, blob.sizeBytes);
        }
      }
    }
  }

  /** Downloads under way may want more than the quota, but no page leaves for that. */
  get #pagesAloneAreTooMany(): boolean {
    const { index, quotaBytes } = this.#options;
    return index.totals.bytes > quotaBytes * LOW_WATERMARK;
  }

  /** How many bytes and inodes the file system has too few. */
  async #missing(): Promise<{ readonly bytes: number; readonly inodes: number }> {
    const { blocks, bavail, bsize, files, ffree } = await fs.promises.statfs(this.#options.folder);
    const size = blocks * bsize;
    const wanted = Math.min(this.#options.freeSpaceFloorBytes, size * LARGEST_FLOOR_SHARE);
    const floor = Math.max(wanted, isFull(this.#failure) ? size * FREE_SHARE : 0);
    // File systems without a fixed number of inodes say 0.
    return { bytes: floor - bavail * bsize, inodes: Math.ceil(files * FREE_SHARE) - ffree };
  }
}
