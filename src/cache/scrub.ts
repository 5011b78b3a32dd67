// Reads stored bodies back and removes those whose bytes are not what they should be: for `wheelkeep verify`, and
// slowly in the background, because a disk may change bytes beneath a file without touching its times. Safe beside a
// running server: what is removed is only a name whose bytes were just found wrong, and the server fetches it again.

import * as fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { BLOB_KINDS, type BlobFolders, shards } from './blob-folders.ts';
import type { BlobKind } from './blob-index.ts';
import { parseDigest } from './digest.ts';
import { isOutOfDescriptors, READING } from './open-files.ts';
import { readTrailer } from './owned-body.ts';
import { hashOfFile } from './stored-blob.ts';

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
  /** The body that was found wrong and removed, if this one was. */
  readonly removed?: { readonly kind: BlobKind; readonly name: string };
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
  let progress: ScrubProgress = { checked: 0, bytes: 0, damaged: 0 };
  for (const kind of BLOB_KINDS) {
    for (const shard of shards(options.firstShard)) {
      for (const name of await folders.names(kind, shard)) {
        if (signal.aborted) return;
        const found = await check(options, kind, name, afterPiece);
        if (found === undefined) continue;
        const { checked, bytes, damaged } = progress;
        progress = { checked: checked + 1, bytes: bytes + found.bytes, damaged: damaged + (found.right ? 0 : 1) };
        yield found.right ? progress : { ...progress, removed: { kind, name } };
      }
    }
  }
}

/** Undefined when the body was removed or replaced while it was looked at, somebody else's business, or at the signal. */
async function check(
  { folders, remove, signal }: ScrubOptions,
  kind: BlobKind,
  name: string,
  afterPiece: (bytes: number) => Promise<void> | undefined,
): Promise<{ readonly bytes: number; readonly right: boolean } | undefined> {
  const place = folders.path(kind, name);
  const before = await statsAt(place);
  if (before === undefined) return undefined;
  const right = await isRight(kind, name, place, afterPiece);
  if (right === undefined || signal.aborted) return undefined;
  if (!right) {
    const after = await statsAt(place);
    if (after?.ino !== before.ino || after.ctimeNs !== before.ctimeNs) return undefined;
    await remove(kind, name);
  }
  return { bytes: Number(before.size), right };
}

function statsAt(place: string): Promise<fs.BigIntStats | undefined> {
  return fs.promises.lstat(place, { bigint: true }).catch(() => undefined);
}

/** Undefined when nobody can say at this moment. What cannot be opened or read is as good as wrong. */
async function isRight(
  kind: BlobKind,
  name: string,
  place: string,
  afterPiece: (bytes: number) => Promise<void> | undefined,
): Promise<boolean | undefined> {
  let handle: fs.promises.FileHandle | undefined;
  try {
    handle = await fs.promises.open(place, READING);
    const { size } = await handle.stat();
    if (kind === 'file') return (await hashOfFile(handle.fd, size, afterPiece)) === parseDigest(name);
    const trailer = await readTrailer(handle.fd, size);
    return trailer !== undefined && (await hashOfFile(handle.fd, trailer.sizeBytes, afterPiece)) === trailer.digest;
  } catch (error) {
    return isOutOfDescriptors(error) ? undefined : false;
  } finally {
    await handle?.close();
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
