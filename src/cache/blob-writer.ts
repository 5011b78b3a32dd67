// A body being written: a temporary file that becomes a blob by being renamed to its place, or nothing.

import * as fs from 'node:fs';
import * as path from 'node:path';
import type { BlobKind } from './blob-index.ts';
import type { Blob, BlobWriter } from './blob-store.ts';
import type { Digest } from './digest.ts';
import type { DiskSpace } from './disk-space.ts';
import type { Json } from './entry.ts';
import { encodeTrailer } from './owned-body.ts';

/** Where written bodies go, and who is told. */
export interface BlobPlaces {
  readonly space: DiskSpace;
  readonly blobPath: (digest: Digest) => string;
  readonly bodyPath: (name: string) => string;
  /** Takes the file that was moved to `place` into the store; the descriptor is the store's from now on. */
  readonly adopt: (kind: BlobKind, place: string, fd: number, digest: Digest, sizeBytes: number) => Blob;
}

export class DiskBlobWriter implements BlobWriter {
  readonly #handle: fs.promises.FileHandle;
  readonly #temporary: string;
  readonly #places: BlobPlaces;
  #written = 0;
  #closed = false;

  constructor(handle: fs.promises.FileHandle, temporary: string, places: BlobPlaces) {
    this.#handle = handle;
    this.#temporary = temporary;
    this.#places = places;
  }

  async write(chunks: readonly Buffer[]): Promise<void> {
    let rest = [...chunks];
    await this.#places.space.reserve(chunks.reduce((sum, { length }) => sum + length, 0));
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

  async read(target: Buffer, position: number): Promise<number> {
    const { bytesRead } = await this.#handle.read(target, 0, target.length, position);
    return bytesRead;
  }

  publish(digest: Digest): Promise<Blob> {
    return this.#move('file', this.#places.blobPath(digest), digest, this.#written);
  }

  async publishAs(name: string, digest: Digest, description: Json): Promise<Blob> {
    const sizeBytes = this.#written;
    await this.write([encodeTrailer({ digest, description })]);
    return this.#move('page', this.#places.bodyPath(name), digest, sizeBytes);
  }

  async discard(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#places.space.settle(this.#written);
    await this.#handle.close().catch(() => {});
    await fs.promises.rm(this.#temporary, { force: true }).catch(() => {});
  }

  async #move(kind: BlobKind, place: string, digest: Digest, sizeBytes: number): Promise<Blob> {
    try {
      // The bytes must be on the disk before the name leads to them: after a power cut the name may be missing, and the
      // body is fetched again, but never a name without its bytes. The folder itself is therefore not synced.
      await this.#handle.datasync();
      await fs.promises.mkdir(path.dirname(place), { recursive: true, mode: 0o700 });
      await fs.promises.rename(this.#temporary, place);
    } catch (error) {
      this.#places.space.failed(error as NodeJS.ErrnoException);
      throw error;
    }
    this.#places.space.worked();
    // The store serves from a descriptor of its own, opened for reading only.
    const fd = fs.openSync(place, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW);
    return this.#places.adopt(kind, place, fd, digest, sizeBytes);
  }
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
