// What a store of bodies offers. A blob is complete and was hashed by this process before it is handed out:
// nothing else in Wheelkeep needs to ask whether bytes are right.

import type { Digest } from '../../core/digest.ts';
import type { Json } from '../entries/entry.ts';

/** An open body. Whoever opened it releases it, once. */
export interface Blob {
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** The whole body where memory holds it. */
  readonly bytes: Buffer | undefined;
  /** Fills `target` from `position` on; resolves with the count of bytes, 0 at the end. Rejects when the disk fails. */
  read(target: Buffer, position: number): Promise<number>;
  release(): void;
}

/** Why a body is taken away on purpose: by an operator's order, or because upstream does not have it any more. */
export type RemovalReason = 'purge' | 'removed';

/** When the bytes go through to the disk: before their name leads to them, or behind the answer (sync-behind.ts). */
export type SyncTime = 'before' | 'behind';

/** A body being written under a temporary name; it becomes visible only by `publish`. */
export interface BlobWriter {
  /** Appends. Rejects with the disk's error (ENOSPC, EROFS, EFBIG, EIO, …); nothing of it is then published. */
  write(chunks: readonly Buffer[]): Promise<void>;
  read(target: Buffer, position: number): Promise<number>;
  /** Moves the file to its digest's place, where it stays at least until `discard`; the caller has checked the digest. */
  publish(digest: Digest, sync?: SyncTime): Promise<void>;
  /**
   * Moves the file to the place of `name`, with `description` in its trailer (see owned-body.ts). `rest` is what was not
   * written yet: it goes to the disk in one piece with the trailer.
   */
  publishAs(name: string, digest: Digest, description: Json, sync?: SyncTime, rest?: readonly Buffer[]): Promise<void>;
  /** Ends reading through the writer, removes what was not published, and leaves to eviction what was. */
  discard(): Promise<void>;
}

/** A body that belongs to one entry, with the description stored beside its bytes. */
export interface OwnedBlob {
  readonly blob: Blob;
  readonly description: Json;
}

/**
 * Whether a body is read whole before it counts, as pages are, or sent on while it arrives: downloads leave the last of
 * the room to what is read whole, for without its page no file is found in an outage.
 */
export type Arrival = 'whole' | 'streamed';

/** Stores bodies by digest or by the name of their owner. */
export interface BlobStore {
  /**
   * A file by the digest of its bytes; undefined when it is absent or damaged, and damage is removed. Rejects with
   * UnreadableBlob when the disk does not give it now: it is kept.
   */
  open(digest: Digest): Promise<Blob | undefined>;
  /**
   * The body that belongs to `name`, whatever its digest. Where one is expected and another is found, the disk is looked
   * at anew: another process may have replaced the body a moment ago. Rejects as `open` does.
   */
  openOwned(name: string, expected?: Digest): Promise<OwnedBlob | undefined>;
  /** Begins a new body; undefined while the disk is left alone after it failed. Rejects when it does not take it. */
  create(arrival: Arrival): Promise<BlobWriter | undefined>;
  remove(digest: Digest, reason: RemovalReason): Promise<void>;
  removeOwned(name: string, reason: RemovalReason): Promise<void>;
  /** Another process removed or replaced the body of this name: what is held open of it is given up. */
  invalidate(name: string): void;
  close(): Promise<void>;
}
