// The page bodies that arrived last, so that rendering what was just fetched does not read it back from disk, and
// pages are still served when the disk takes nothing.

import { LRUCache } from 'lru-cache';
import type { Digest } from '../../core/digest.ts';
import { exactBytes, KEPT_OVERHEAD_BYTES } from '../../core/exact-bytes.ts';

/** Bodies that were stored a moment ago, in memory, bounded by bytes. */
export class RecentBodies {
  readonly #bodies: LRUCache<Digest, Buffer>;

  constructor(options: { readonly maxBytes: number }) {
    this.#bodies = new LRUCache({
      maxSize: options.maxBytes,
      sizeCalculation: (bytes) => bytes.length + KEPT_OVERHEAD_BYTES,
    });
  }

  /** What it holds of its budget. */
  get bytes(): number {
    return this.#bodies.calculatedSize;
  }

  add(digest: Digest, bytes: Buffer): void {
    this.#bodies.set(digest, exactBytes(bytes));
  }

  get(digest: Digest): Buffer | undefined {
    return this.#bodies.get(digest);
  }
}
