// A body being written: a temporary file that becomes a blob by being renamed to its place, or nothing.

import * as fs from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import * as path from 'node:path';
import type { Digest } from '../../core/digest.ts';
import type { Json } from '../entries/entry.ts';
import type { BlobKind } from './blob-index.ts';
import type { Arrival, BlobWriter, SyncTime } from './blob-store.ts';
import { encodeTrailer } from './body-trailer.ts';
import type { DiskSpace } from './disk-space.ts';
import { type OpenFile, openForReading, readAt } from './open-files.ts';

/** Where written bodies go, and who is told. */
export interface BlobPlaces {
  readonly space: DiskSpace;
  readonly syncs: SyncBehind;
  readonly blobPath: (digest: Digest) => string;
  readonly bodyPath: (name: string) => string;
  /** Runs `change` when no other one of the same place is under way. */
  readonly inTurn: <T>(place: string, change: () => Promise<T>) => Promise<T>;
  /** Takes the file that was moved to `place` into the store, in use; the descriptor is the store's from now on. */
  readonly adopt: (kind: BlobKind, place: string, fd: number) => OpenFile;
}

/** Writes one body to a temporary file and moves it to its place. */
export class DiskBlobWriter implements BlobWriter {
  readonly #handle: fs.promises.FileHandle;
  readonly #temporary: string;
  readonly #arrival: Arrival;
  readonly #places: BlobPlaces;
  #written = 0;
  #synced: Promise<void> | undefined;
  /** In its place, and in use: readers still come by way of this writer, so that evicting it would free nothing. */
  #published: OpenFile | undefined;
  #closed = false;

  constructor(handle: fs.promises.FileHandle, temporary: string, arrival: Arrival, places: BlobPlaces) {
    this.#handle = handle;
    this.#temporary = temporary;
    this.#arrival = arrival;
    this.#places = places;
  }

  async write(chunks: readonly Buffer[]): Promise<void> {
    let rest = [...chunks];
    const bytes = chunks.reduce((sum, { length }) => sum + length, 0);
    await this.#places.space.reserve(bytes, this.#arrival);
    try {
      while (rest.length > 0) {
        const { bytesWritten } = await this.#handle.writev(rest, this.#written);
        this.#written += bytesWritten;
        rest = after(rest, bytesWritten);
      }
    } catch (error) {
      this.#places.space.settle(rest.reduce((sum, { length }) => sum + length, 0));
      this.#places.space.failed(error as NodeJS.ErrnoException);
      throw error;
    }
  }

  read(target: Buffer, position: number): Promise<number> {
    return readAt(this.#handle.fd, target, position);
  }

  async publish(digest: Digest, sync: SyncTime = 'before'): Promise<void> {
    const opening = this.#openForReaders();
    await this.#move('file', this.#places.blobPath(digest), sync, opening);
  }

  async publishAs(
    name: string,
    digest: Digest,
    description: Json,
    sync: SyncTime = 'before',
    rest: readonly Buffer[] = [],
  ): Promise<void> {
    // Beside the writing: each is a way to the thread pool and back.
    const opening = this.#openForReaders();
    try {
      await this.write([...rest, encodeTrailer({ digest, description })]);
    } catch (error) {
      closeOpened(opening);
      throw error;
    }
    await this.#move('page', this.#places.bodyPath(name), sync, opening);
  }

  async discard(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#synced;
    await this.#handle.close().catch(() => {});
    if (this.#published !== undefined) return this.#published.release();
    await fs.promises.rm(this.#temporary, { force: true }).catch(() => {});
    this.#places.space.settle(this.#written);
  }

  /** The store serves from a descriptor of its own, for reading only. */
  #openForReaders(): Promise<number> {
    const opening = openForReading(this.#temporary);
    // Whoever awaits it learns of a failure; until then nobody does.
    opening.catch(() => {});
    return opening;
  }

  async #move(kind: BlobKind, place: string, sync: SyncTime, opening: Promise<number>): Promise<void> {
    try {
      // The bytes must be on the disk before the name leads to them, where the name leads to others now: after a power
      // cut it leads to the old ones, if need be, but never to none. The folder itself is therefore not synced.
      if (sync === 'before') await this.#handle.datasync();
      // Before the name is there: a body in its place that could not be opened would be in nobody's account.
      const fd = await opening;
      await this.#places.inTurn(place, async () => {
        await this.#rename(place);
        this.#published = this.#places.adopt(kind, place, fd);
      });
      if (sync === 'behind') {
        const { done, accepted } = this.#places.syncs.sync(this.#handle);
        this.#synced = done;
        await accepted;
      }
    } catch (error) {
      closeOpened(opening);
      this.#places.space.failed(error as NodeJS.ErrnoException);
      throw error;
    }
    this.#places.space.settle(this.#written);
  }

  /** The folder is nearly always there. */
  async #rename(place: string): Promise<void> {
    try {
      await fs.promises.rename(this.#temporary, place);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      await fs.promises.mkdir(path.dirname(place), { recursive: true, mode: 0o700 });
      await fs.promises.rename(this.#temporary, place);
    }
  }
}

function closeOpened(opening: Promise<number>): void {
  opening.then(
    (fd) => fs.close(fd, () => {}),
    () => {},
  );
}

/** What is left of the chunks when the first `count` bytes are gone. */
function after(chunks: readonly Buffer[], count: number): Buffer[] {
  let skip = count;
  const rest: Buffer[] = [];
  for (const chunk of chunks) {
    if (skip >= chunk.length) skip -= chunk.length;
    else {
      rest.push(chunk.subarray(skip));
      skip = 0;
    }
  }
  return rest;
}

// Syncs that nobody waits for. A body that takes no other's place may be renamed before it is on the disk: a process
// that is killed loses nothing of it, for the system has its bytes, and a power cut within these milliseconds loses
// only what was not here a moment ago. A name without its bytes is found out by their hash and is a miss.

/** How much is written between syncs, in bytes. */
export interface SyncBehindOptions {
  readonly onFailure: (error: NodeJS.ErrnoException) => void;
}

/** With more than this under way the disk is slower than what comes in, and who writes waits for it. */
const MOST_UNDER_WAY = 32;

/** Syncs a file while it is written, so that its end need not wait. */
export class SyncBehind {
  readonly #options: SyncBehindOptions;
  #underWay = 0;

  constructor(options: SyncBehindOptions) {
    this.#options = options;
  }

  /** `done` resolves, never rejects, when the handle may be closed; `accepted` when the writer may go on. */
  sync(handle: FileHandle): { readonly done: Promise<void>; readonly accepted: Promise<void> } {
    this.#underWay++;
    const done = handle
      .datasync()
      .catch(this.#options.onFailure)
      .finally(() => {
        this.#underWay--;
      });
    return { done, accepted: this.#underWay > MOST_UNDER_WAY ? done : Promise.resolve() };
  }
}
