// Open bodies as they are handed out: from a file, or from memory.

import { createHash } from 'node:crypto';
import type { Digest } from '../../core/digest.ts';
import { ProxyError } from '../../core/errors.ts';
import type { Blob } from './blob-store.ts';
import { type OpenFile, readAt, ShortRead } from './open-files.ts';

const HASH_CHUNK_BYTES = 1024 * 1024;
const LOOK_AGAIN_MS = 1_000;

/**
 * The disk does not give a stored body now (EIO, EMFILE, EACCES, a short read): it is kept, upstream is asked meanwhile,
 * and it is used again when it can be read. Only bytes whose hash is wrong are damage.
 */
export class UnreadableBlob extends ProxyError {
  override readonly name = 'UnreadableBlob';
  override readonly status = 503;
  override readonly code = 'storage-unreadable';
  override readonly retryAfterSeconds: number = 5;

  constructor(cause?: unknown) {
    super('The stored copy cannot be read now, and upstream does not give it either.', { cause });
  }
}

/** A body on disk. */
export class DiskBlob implements Blob {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly bytes = undefined;
  readonly #file: OpenFile;
  readonly #onBroken: (file: OpenFile, cause: unknown) => void;
  #lookedAt = performance.now();

  /** `onBroken` is told when the file cannot be read to its end any more. */
  constructor(file: OpenFile, digest: Digest, sizeBytes: number, onBroken: (file: OpenFile, cause: unknown) => void) {
    this.#file = file;
    this.digest = digest;
    this.sizeBytes = sizeBytes;
    this.#onBroken = onBroken;
  }

  async read(target: Buffer, position: number): Promise<number> {
    const left = this.sizeBytes - position;
    if (left <= 0) return 0;
    try {
      const count = await this.#file.read(left < target.length ? target.subarray(0, left) : target, position);
      if (count === 0) throw new ShortRead('a stored file is shorter than it was');
      if (this.#isDue(position + count) && this.#file.isOverwritten()) throw new Error('a stored file was overwritten');
      return count;
    } catch (cause) {
      this.#onBroken(this.#file, cause);
      throw new UnreadableBlob(cause);
    }
  }

  /** Who reads slowly must not get the end of a file that is another one by now, nor much of it. */
  #isDue(end: number): boolean {
    const now = performance.now();
    if (end < this.sizeBytes && now - this.#lookedAt < LOOK_AGAIN_MS) return false;
    this.#lookedAt = now;
    return true;
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

/** The sha256 of the first `sizeBytes` of the file. Rejects with the system's error, or with ShortRead. */
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
    if (read === 0) throw new ShortRead(`the file ended after ${position} bytes of ${sizeBytes}`);
    hash.update(chunk.subarray(0, read));
    position += read;
    await pace(read);
  }
  return hash.digest('hex');
}
