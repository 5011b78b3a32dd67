// Open bodies as they are handed out: from a file, or from memory.

import { createHash } from 'node:crypto';
import type { Blob } from './blob-store.ts';
import type { Digest } from './digest.ts';
import { type OpenFile, readAt } from './open-files.ts';

const HASH_CHUNK_BYTES = 1024 * 1024;
const LOOK_AGAIN_MS = 1_000;

/** The disk did not give what it had taken. Who opens the body again finds it damaged, and it is fetched anew. */
export class UnreadableBlob extends Error {
  override readonly name = 'UnreadableBlob';
}

/** A body on disk. */
export class DiskBlob implements Blob {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly bytes = undefined;
  readonly #file: OpenFile;
  readonly #onBroken: (file: OpenFile) => void;
  #lookedAt = performance.now();

  /** `onBroken` is told when the file cannot be read to its end any more. */
  constructor(file: OpenFile, digest: Digest, sizeBytes: number, onBroken: (file: OpenFile) => void) {
    this.#file = file;
    this.digest = digest;
    this.sizeBytes = sizeBytes;
    this.#onBroken = onBroken;
  }

  async read(target: Buffer, position: number): Promise<number> {
    const left = this.sizeBytes - position;
    if (left <= 0) return 0;
    let count: number;
    try {
      count = await this.#file.read(left < target.length ? target.subarray(0, left) : target, position);
    } catch (cause) {
      throw this.#broken('the disk does not give a stored file', cause);
    }
    if (count === 0) throw this.#broken('a stored file is shorter than it was');
    if (this.#isDue(position + count) && this.#file.isOverwritten())
      throw this.#broken('a stored file was overwritten');
    return count;
  }

  /** Who reads slowly must not get the end of a file that is another one by now, nor much of it. */
  #isDue(end: number): boolean {
    const now = performance.now();
    if (end < this.sizeBytes && now - this.#lookedAt < LOOK_AGAIN_MS) return false;
    this.#lookedAt = now;
    return true;
  }

  #broken(message: string, cause?: unknown): UnreadableBlob {
    this.#onBroken(this.#file);
    return new UnreadableBlob(message, { cause });
  }

  release(): void {
    this.#file.release();
  }
}

/** A small body held in memory. */
export class MemoryBlob implements Blob {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly bytes: Buffer;

  constructor(digest: Digest, bytes: Buffer) {
    this.digest = digest;
    this.sizeBytes = bytes.length;
    this.bytes = bytes;
  }

  read(target: Buffer, position: number): Promise<number> {
    return Promise.resolve(this.bytes.copy(target, 0, position));
  }

  release(): void {}
}

/** The sha256 of the first `sizeBytes` of the file; of fewer when it ends before. Rejects when the disk fails. */
export async function hashOfFile(
  fd: number,
  sizeBytes: number,
  pace: (bytes: number) => Promise<void> | undefined = () => undefined,
): Promise<string> {
  const hash = createHash('sha256');
  const chunk = Buffer.allocUnsafeSlow(Math.min(HASH_CHUNK_BYTES, Math.max(1, sizeBytes)));
  for (let position = 0; position < sizeBytes; ) {
    const want = Math.min(chunk.length, sizeBytes - position);
    const read = await readAt(fd, chunk.subarray(0, want), position);
    if (read === 0) break;
    hash.update(chunk.subarray(0, read));
    position += read;
    await pace(read);
  }
  return hash.digest('hex');
}
