// What keeps the blob store in order beside serving: at the start what the dead left behind is cleared and counted; once a
// day everything is compared and read back, so slowly that nobody notices.

import * as fs from 'node:fs';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import type { BlobIndex, BlobKind } from './blob-index.ts';
import type { DiskSpace } from './disk-space.ts';
import { BLOB_KINDS, type BlobFolders, shards } from './folders.ts';
import { type ScrubOptions, scrub } from './scrub.ts';
import { LEFTOVER_AGE_MS, sweepTempFiles } from './temp-files.ts';

/** What is maintained. */
export interface MaintenanceOptions {
  readonly folders: BlobFolders;
  readonly index: BlobIndex;
  readonly space: DiskSpace;
  /** How the names of this process's own temporary files begin. */
  readonly temporaryPrefix: string;
  /** Takes away, and tells of, a body that was found wrong. */
  readonly removeWrong: ScrubOptions['remove'];
  /** Told of a body that could not be read and is kept. */
  readonly onUnreadable: (error: NodeJS.ErrnoException) => void;
}

/** The clock and the spread of daily work. */
export interface DailyOptions {
  /** In [0, 1): where reading begins, so that restarts do not favour some bodies. */
  readonly random: () => number;
  /** Forgets entries that lead to nothing; until the signal. */
  readonly sweepEntries: (signal: AbortSignal) => Promise<unknown>;
  /** Told why a day's work ended early: a folder cannot be read. */
  readonly onFailure: (error: unknown) => void;
}

const BYTES_PER_SECOND = 4 * 1024 * 1024;
/** A start has other things to do than to read everything. */
const FIRST_WAIT_MS = 10 * 60_000;
const REST_MS = 24 * 60 * 60_000;

/** Scrubs, prunes and reconciles, once a day and at the start. */
export class Maintenance {
  readonly #options: MaintenanceOptions;
  readonly #closing = new AbortController();
  #counting: Promise<boolean> = Promise.resolve(true);

  constructor(options: MaintenanceOptions) {
    this.#options = options;
  }

  /**
   * Removes what dead processes left unfinished, counts what a killed one did not write down, and makes room when the
   * quota is smaller than it was. Resolves a minute later, when what was too young to be told from a neighbour's has been
   * looked at too. Rejects when the folders cannot be read.
   */
  async atStart(): Promise<void> {
    const { index, folders, space } = this.#options;
    await this.#sweepTempFiles();
    if (!index.complete) this.#counting = reconcile(index, folders, this.#closing.signal);
    await this.#counting;
    await space.makeRoom();
    await this.#rest(LEFTOVER_AGE_MS);
    if (!this.#closing.signal.aborted) await this.#sweepTempFiles();
  }

  /** Runs until `close`; never rejects. */
  async daily(options: DailyOptions): Promise<void> {
    const { signal } = this.#closing;
    for (let waitMs = FIRST_WAIT_MS; ; waitMs = REST_MS) {
      await this.#rest(waitMs);
      if (signal.aborted) return;
      await this.#today(options).catch(options.onFailure);
    }
  }

  /** Ends all of it; resolves with whether the folders and the index are known to agree. */
  close(): Promise<boolean> {
    this.#closing.abort();
    return this.#counting.catch(() => false);
  }

  async #today({ random, sweepEntries }: DailyOptions): Promise<void> {
    const { index, folders, removeWrong, onUnreadable } = this.#options;
    const { signal } = this.#closing;
    await this.#sweepTempFiles();
    // Other processes may have removed bodies, or died before they wrote down what they did.
    await reconcile(index, folders, signal);
    await sweepEntries(signal);
    const pace = { firstShard: Math.floor(random() * 256), bytesPerSecond: BYTES_PER_SECOND };
    for await (const { kept } of scrub({ folders, signal, remove: removeWrong, ...pace })) {
      if (kept !== undefined) onUnreadable(kept.error);
    }
  }

  async #sweepTempFiles(): Promise<void> {
    await sweepTempFiles(this.#options.folders.temporary, this.#options.temporaryPrefix, Date.now());
  }

  async #rest(ms: number): Promise<void> {
    await sleep(ms, undefined, { ref: false, signal: this.#closing.signal }).catch(() => {});
  }
}

// Compares the index of blobs with the folders, beside serving: after a process was killed a few blobs are missing in
// it, and a new index knows none. One folder of 256 at a time. Of files only those that are not known are looked at; the
// body of a page may have another size than its predecessor.

const AT_ONCE = 16;

/** Resolves when the index holds what the folders hold; false when the signal ended it before. */
export async function reconcile(index: BlobIndex, folders: BlobFolders, signal: AbortSignal): Promise<boolean> {
  for (const kind of BLOB_KINDS) {
    for (const shard of shards()) {
      const found = await folders.names(kind, shard);
      if (signal.aborted) return false;
      const known = index.names(kind, shard);
      for (let i = 0; i < found.length; i += AT_ONCE) {
        const doubtful = found.slice(i, i + AT_ONCE).filter((name) => !known.delete(name) || kind === 'page');
        await Promise.all(doubtful.map((name) => look(index, folders, kind, name)));
        if (signal.aborted) return false;
      }
      for (const name of known) await drop(index, folders, kind, name);
      if (signal.aborted) return false;
      await turn();
    }
  }
  return true;
}

async function look(index: BlobIndex, folders: BlobFolders, kind: BlobKind, name: string): Promise<void> {
  const stats = await fs.promises.lstat(folders.path(kind, name)).catch(() => undefined);
  if (stats?.isFile() === true) index.found(kind, name, stats.size, stats.mtimeMs);
}

/** It may have been stored while we looked. */
async function drop(index: BlobIndex, folders: BlobFolders, kind: BlobKind, name: string): Promise<void> {
  const gone = await fs.promises.lstat(folders.path(kind, name)).then(
    () => false,
    (error: NodeJS.ErrnoException) => error.code === 'ENOENT',
  );
  if (gone) index.removed(kind, name);
}
