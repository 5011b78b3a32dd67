// Reads stored bodies back and removes those whose bytes are not what they should be: for `wheelkeep verify`, and
// slowly in the background, because a disk may change bytes beneath a file without touching its times. Safe beside a
// running server: what is removed is only a name whose bytes were just found wrong, and the server fetches it again. What
// cannot be read (EIO, EACCES, EMFILE, a short read) is told of and kept: the disk may give it the next time.

import * as fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseDigest } from '../../core/digest.ts';
import type { BlobKind } from './blob-index.ts';
import { readTrailer } from './body-trailer.ts';
import { BLOB_KINDS, type BlobFolders, shards } from './folders.ts';
import { isAbsent, READING } from './open-files.ts';
import { hashOfFile } from './stored-blob.ts';

/** What is scrubbed, and how fast. */
export interface ScrubOptions {
  readonly folders: BlobFolders;
  /** Ends the iteration, in the middle of a body too. */
  readonly signal: AbortSignal;
  /** Takes the body away. */
  readonly remove: (kind: BlobKind, name: string) => Promise<void>;
  /** Told of every piece that was read. */
  readonly onRead?: (bytes: number) => void;
  /** At most that many bytes are read a second; unlimited when absent. */
  readonly bytesPerSecond?: number;
  /** The folder to begin with, 0 to 255, so that passes that are cut short do not always see the same bodies. */
  readonly firstShard?: number;
}

/** The state after one more body. */
export interface ScrubProgress {
  readonly checked: number;
  readonly bytes: number;
  readonly damaged: number;
  /** Bodies that could not be read. */
  readonly unreadable: number;
  /** The body that was found wrong and removed, if this one was. */
  readonly removed?: { readonly kind: BlobKind; readonly name: string };
  /** The body that could not be read and is kept, if this one was. */
  readonly kept?: { readonly kind: BlobKind; readonly name: string; readonly error: NodeJS.ErrnoException };
}

/** Goes through all bodies, once. Rejects when a folder cannot be read, or a wrong body not removed. */
export async function* scrub(options: ScrubOptions): AsyncGenerator<ScrubProgress, void> {
  const { folders, signal, onRead } = options;
  const pace = new Pace(options.bytesPerSecond ?? Number.POSITIVE_INFINITY, signal);
  const afterPiece = (bytes: number) => {
    signal.throwIfAborted();
    onRead?.(bytes);
    return pace.after(bytes);
  };
  let progress: ScrubProgress = { checked: 0, bytes: 0, damaged: 0, unreadable: 0 };
  for (const kind of BLOB_KINDS) {
    for (const shard of shards(options.firstShard)) {
      for (const name of await folders.names(kind, shard)) {
        if (signal.aborted) return;
        const found = await check(options, kind, name, afterPiece);
        if (found === undefined) continue;
        const { checked, bytes, damaged, unreadable } = progress;
        progress = {
          checked: checked + 1,
          bytes: bytes + found.bytes,
          damaged: damaged + (found.is === 'wrong' ? 1 : 0),
          unreadable: unreadable + (found.is === 'unreadable' ? 1 : 0),
        };
        if (found.is === 'unreadable') yield { ...progress, kept: { kind, name, error: found.error } };
        else yield found.is === 'right' ? progress : { ...progress, removed: { kind, name } };
      }
    }
  }
}

type Found = { readonly bytes: number } & (
  | { readonly is: 'right' | 'wrong' }
  | { readonly is: 'unreadable'; readonly error: NodeJS.ErrnoException }
);

/** Undefined when the body was removed or replaced while it was looked at, somebody else's business, or at the signal. */
async function check(
  { folders, remove, signal }: ScrubOptions,
  kind: BlobKind,
  name: string,
  afterPiece: (bytes: number) => Promise<void> | undefined,
): Promise<Found | undefined> {
  const place = folders.path(kind, name);
  let bytes = 0;
  try {
    const before = await fs.promises.lstat(place, { bigint: true });
    bytes = Number(before.size);
    // A folder, a link or a pipe has no bytes of ours.
    const right = before.isFile() && (await isRight(kind, name, place, afterPiece));
    if (signal.aborted) return undefined;
    if (right) return { is: 'right', bytes };
    const after = await fs.promises.lstat(place, { bigint: true });
    if (after.ino !== before.ino || after.ctimeNs !== before.ctimeNs) return undefined;
  } catch (error) {
    if (signal.aborted || isAbsent(error as NodeJS.ErrnoException)) return undefined;
    return { is: 'unreadable', bytes, error: error as NodeJS.ErrnoException };
  }
  await remove(kind, name);
  return { is: 'wrong', bytes };
}

/** Rejects with the system's error, or with ShortRead, when the bytes cannot be read now. */
async function isRight(
  kind: BlobKind,
  name: string,
  place: string,
  afterPiece: (bytes: number) => Promise<void> | undefined,
): Promise<boolean> {
  const handle = await fs.promises.open(place, READING);
  try {
    const { size } = await handle.stat();
    if (kind === 'file') return (await hashOfFile(handle.fd, size, afterPiece)) === parseDigest(name);
    const trailer = await readTrailer(handle.fd, size);
    return trailer !== undefined && (await hashOfFile(handle.fd, trailer.sizeBytes, afterPiece)) === trailer.digest;
  } finally {
    await handle.close();
  }
}

/** Sleeps as long as needed to stay at the rate. */
class Pace {
  readonly #bytesPerMs: number;
  readonly #signal: AbortSignal;
  #dueAt = performance.now();

  constructor(bytesPerSecond: number, signal: AbortSignal) {
    this.#bytesPerMs = bytesPerSecond / 1000;
    this.#signal = signal;
  }

  after(bytes: number): Promise<void> | undefined {
    const now = performance.now();
    this.#dueAt = Math.max(this.#dueAt, now) + bytes / this.#bytesPerMs;
    const waitMs = this.#dueAt - now;
    if (waitMs < 1 || this.#signal.aborted) return undefined;
    return sleep(waitMs, undefined, { ref: false, signal: this.#signal }).catch(() => {});
  }
}
