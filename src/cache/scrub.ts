// Reads stored bodies back and removes those whose bytes are not what they should be: for `wheelkeep verify`, and
// slowly in the background, because a disk may change bytes beneath a file without touching its times. Safe beside a
// running server: what is removed is only a name whose bytes were just found wrong, and the server fetches it again.

import * as fs from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { BLOB_KINDS, type BlobFolders, shards } from './blob-folders.ts';
import type { BlobKind } from './blob-index.ts';
import { parseDigest } from './digest.ts';
import { readTrailer } from './owned-body.ts';
import { hashOfFile } from './stored-blob.ts';

export interface ScrubOptions {
  readonly folders: BlobFolders;
  /** Ends the iteration after the body that is being read. */
  readonly signal: AbortSignal;
  /** At most that many bytes are read a second; unlimited when absent. */
  readonly bytesPerSecond?: number;
  /** The folder to begin with, 0 to 255, so that passes that are cut short do not always see the same bodies. */
  readonly firstShard?: number;
  /** How many bodies there are by the last count, where somebody knows. */
  readonly total?: number;
  /** Takes the name away; by default from the disk alone. */
  readonly remove?: (kind: BlobKind, name: string) => Promise<void>;
}

/** The state after one more body. */
export interface ScrubProgress {
  readonly checked: number;
  readonly bytes: number;
  readonly damaged: number;
  readonly total: number | undefined;
  /** The body that was found wrong and removed, if this one was. */
  readonly removed?: { readonly kind: BlobKind; readonly name: string };
}

/** Goes through all bodies, once. Rejects when a folder cannot be read. */
export async function* scrub(options: ScrubOptions): AsyncGenerator<ScrubProgress, void> {
  const { folders, signal, total } = options;
  const pace = new Pace(options.bytesPerSecond ?? Number.POSITIVE_INFINITY, signal);
  let progress: ScrubProgress = { checked: 0, bytes: 0, damaged: 0, total };
  for (const kind of BLOB_KINDS) {
    for (const shard of shards(options.firstShard)) {
      for (const name of await folders.names(kind, shard)) {
        if (signal.aborted) return;
        const found = await check(options, kind, name, (bytes) => pace.after(bytes));
        if (found === undefined) continue;
        const { checked, bytes, damaged } = progress;
        progress = {
          checked: checked + 1,
          bytes: bytes + found.bytes,
          damaged: damaged + (found.right ? 0 : 1),
          total,
        };
        yield found.right ? progress : { ...progress, removed: { kind, name } };
      }
    }
  }
}

/** Undefined when the body was removed or replaced while it was looked at: somebody else's business. */
async function check(
  { folders, remove, signal }: ScrubOptions,
  kind: BlobKind,
  name: string,
  pace: (bytes: number) => Promise<void> | undefined,
): Promise<{ readonly bytes: number; readonly right: boolean } | undefined> {
  const place = folders.path(kind, name);
  const handle = await fs.promises.open(place, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW).catch(() => undefined);
  if (handle === undefined) return undefined;
  try {
    const stats = await handle.stat({ bigint: true });
    const right = await isRight(kind, name, handle.fd, Number(stats.size), pace);
    if (signal.aborted) return undefined;
    if (!right) {
      const now = await fs.promises.lstat(place, { bigint: true }).catch(() => undefined);
      if (now?.ino !== stats.ino || now.ctimeNs !== stats.ctimeNs) return undefined;
      await (remove?.(kind, name) ?? fs.promises.rm(place, { force: true }));
    }
    return { bytes: Number(stats.size), right };
  } finally {
    await handle.close();
  }
}

async function isRight(
  kind: BlobKind,
  name: string,
  fd: number,
  fileBytes: number,
  pace: (bytes: number) => Promise<void> | undefined,
): Promise<boolean> {
  try {
    if (kind === 'file') return (await hashOfFile(fd, fileBytes, pace)) === parseDigest(name);
    const trailer = await readTrailer(fd, fileBytes);
    return trailer !== undefined && (await hashOfFile(fd, trailer.sizeBytes, pace)) === trailer.digest;
  } catch {
    // What the disk cannot read is as good as wrong.
    return false;
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
