// Keeps the blob store within its bounds: at most the quota, never into the free space that is to be left, and no
// writing to a disk that has just refused it. What has to leave is chosen by blob-index.ts; page bodies leave only
// when no file is left, for nobody else may have the last good copy of a page.

import * as fs from 'node:fs';
import { BLOB_KINDS } from './blob-folders.ts';
import type { BlobIndex, IndexedBlob } from './blob-index.ts';

export interface DiskSpaceOptions {
  readonly index: BlobIndex;
  /** The folder whose file system is judged. */
  readonly folder: string;
  readonly quotaBytes: number;
  readonly freeSpaceFloorBytes: number;
  readonly now: () => number;
  /** Removes a blob, from the index too; false while somebody reads it. */
  readonly evict: (blob: IndexedBlob) => Promise<boolean>;
  readonly onEvicted: (reason: EvictionReason, sizeBytes: number) => void;
  readonly onPaused: (paused: boolean) => void;
}

export type EvictionReason = 'quota' | 'free-space';

/** Above the high watermark blobs leave until the low one is reached. */
const HIGH_WATERMARK = 0.9;
const LOW_WATERMARK = 0.8;
/** A full file system gets at least that part of it free, in bytes and in inodes. */
const FREE_SHARE = 0.02;
const STATFS_INTERVAL_MS = 1_000;
/** After a failed write the disk is left alone for so long. */
const PAUSE_MS = 5_000;
const BATCH = 64;
/** Failures of the whole disk; others (a file size limit, no descriptor left) concern one body only. */
const PAUSING = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EPERM', 'EIO']);

export class DiskSpace {
  readonly #options: DiskSpaceOptions;
  /** Bytes of bodies that are being written. */
  #partialBytes = 0;
  #makingRoom: Promise<void> | undefined;
  #pausedUntil: number | undefined;
  #lookedAt = Number.NEGATIVE_INFINITY;

  constructor(options: DiskSpaceOptions) {
    this.#options = options;
  }

  /** Bytes stored and being written. */
  get usedBytes(): number {
    return this.#options.index.totals.bytes + this.#partialBytes;
  }

  /** Whether a new body may be begun: not while the disk fails, but for one try every few seconds. */
  get accepting(): boolean {
    return this.#pausedUntil === undefined || this.#options.now() >= this.#pausedUntil;
  }

  get paused(): boolean {
    return this.#pausedUntil !== undefined;
  }

  /** Takes account of bytes about to be written. Rejects with ENOSPC when they would not fit into the quota. */
  async reserve(bytes: number): Promise<void> {
    this.#partialBytes += bytes;
    if (this.usedBytes > this.#options.quotaBytes * HIGH_WATERMARK) {
      const making = this.makeRoom();
      if (this.usedBytes > this.#options.quotaBytes) await making;
    } else if (this.#options.now() - this.#lookedAt >= STATFS_INTERVAL_MS) {
      void this.makeRoom();
    }
    if (this.usedBytes <= this.#options.quotaBytes) return;
    this.#partialBytes -= bytes;
    throw Object.assign(new Error('the quota is used up'), { code: 'ENOSPC' });
  }

  /** The bytes reserved are now a blob of the index, or gone. */
  settle(bytes: number): void {
    this.#partialBytes -= bytes;
  }

  /** A write failed: the disk is left alone for a while, and a full one gets room. */
  failed(error: NodeJS.ErrnoException): void {
    if (!PAUSING.has(error.code ?? '')) return;
    if (this.#pausedUntil === undefined) this.#options.onPaused(true);
    this.#pausedUntil = this.#options.now() + PAUSE_MS;
    if (error.code === 'ENOSPC' || error.code === 'EDQUOT') void this.makeRoom();
  }

  /** A body was written to its end. */
  worked(): void {
    if (this.#pausedUntil === undefined) return;
    this.#pausedUntil = undefined;
    this.#options.onPaused(false);
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
    let missing = await this.#missing();
    if (missing.bytes > 0 || missing.inodes > 0) {
      const before = index.totals;
      const stillMissing = () => {
        const { bytes, count } = index.totals;
        return before.bytes - bytes < missing.bytes || before.count - count < missing.inodes;
      };
      await this.#evictWhile(stillMissing, 'free-space');
      missing = await this.#missing();
    }
    // Room again on a disk that was full: no need to wait for the next try.
    if (this.#pausedUntil !== undefined && missing.bytes <= 0 && missing.inodes <= 0)
      this.#pausedUntil = this.#options.now();
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
    const full = this.#pausedUntil !== undefined;
    const floor = Math.max(this.#options.freeSpaceFloorBytes, full ? blocks * bsize * FREE_SHARE : 0);
    // File systems without a fixed number of inodes say 0.
    return { bytes: floor - bavail * bsize, inodes: Math.ceil(files * FREE_SHARE) - ffree };
  }
}
