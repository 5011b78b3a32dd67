// The blob store on a local disk.
//
//   blobs/v1/<2 hex>/<sha256>        a distribution file or its metadata, by digest
//   bodies/v1/<2 hex>/<sha256(name)> the body of one entry, with its description (owned-body.ts)
//   blobs/v1/tmp/<pid>-<start>-<n>   being written; a dead process's leftovers are removed by sweepLeftovers()
//
// Bytes are hashed when this process opens them first and again when inode, size or times changed. A file is synced
// before it is renamed into place: the copy must survive a power cut, for in an outage nobody can give it again.

import { createHash, randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { LRUCache } from 'lru-cache';
import type { Blob, BlobStore, BlobWriter, OwnedBlob } from './blob-store.ts';
import type { Digest } from './digest.ts';
import { digestOf } from './digest.ts';
import type { Json } from './entry.ts';
import type { OpenFile } from './open-files.ts';
import { OpenFiles, readAt } from './open-files.ts';
import { decodeTrailer, descriptionBytes, encodeTrailer, FOOTER_BYTES } from './owned-body.ts';

export interface DiskBlobsOptions {
  readonly dataDir: string;
  /** Bytes of memory for small bodies. */
  readonly memoryBytes: number;
  readonly now: () => number;
  /** Told when stored bytes turned out to be wrong and were removed. */
  readonly onDamage: (what: 'blob' | 'body', name: string) => void;
}

/** Bodies up to this size are answered from memory. */
const SMALL_BYTES = 64 * 1024;
const OPEN_FILES = 256;
const HASH_CHUNK_BYTES = 1024 * 1024;
/** A leftover younger than this may belong to a process that has only just started. */
const LEFTOVER_AGE_MS = 60_000;

export class DiskBlobs implements BlobStore {
  readonly #blobs: string;
  readonly #bodies: string;
  readonly #temporary: string;
  readonly #files: OpenFiles;
  readonly #small: LRUCache<string, { readonly digest: Digest; readonly bytes: Buffer }>;
  readonly #verifying = new WeakMap<OpenFile, Promise<boolean>>();
  readonly #onDamage: DiskBlobsOptions['onDamage'];
  readonly #temporaryPrefix = `${process.pid}-${randomBytes(6).toString('hex')}`;
  #created = 0;

  /** Makes the folders. Throws the system's error when the data folder cannot be used. */
  constructor(options: DiskBlobsOptions) {
    this.#blobs = path.join(options.dataDir, 'blobs', 'v1');
    this.#bodies = path.join(options.dataDir, 'bodies', 'v1');
    this.#temporary = path.join(this.#blobs, 'tmp');
    this.#files = new OpenFiles({ limit: OPEN_FILES, now: options.now });
    this.#small = new LRUCache({ maxSize: options.memoryBytes, sizeCalculation: (small) => small.bytes.length + 200 });
    this.#onDamage = options.onDamage;
    fs.mkdirSync(this.#temporary, { recursive: true, mode: 0o700 });
    fs.mkdirSync(this.#bodies, { recursive: true, mode: 0o700 });
  }

  async open(digest: Digest): Promise<Blob | undefined> {
    const small = this.#small.get(digest);
    if (small !== undefined) return new MemoryBlob(small.digest, small.bytes);
    const file = await this.#files.open(this.#blobPath(digest));
    if (file === undefined) return undefined;
    const sizeBytes = file.sizeBytes;
    if (!(await this.#verified(file, digest, sizeBytes))) {
      file.release();
      this.#files.forget(file.path);
      await fs.promises.rm(file.path, { force: true });
      this.#onDamage('blob', digest);
      return undefined;
    }
    return this.#blobOf(file, digest, sizeBytes, digest);
  }

  async openOwned(name: string): Promise<OwnedBlob | undefined> {
    const file = await this.#files.open(this.#bodyPath(name));
    if (file === undefined) return undefined;
    const trailer = await this.#readTrailer(file);
    if (trailer === undefined || !(await this.#verified(file, trailer.digest, trailer.sizeBytes))) {
      file.release();
      this.#files.forget(file.path);
      await fs.promises.rm(file.path, { force: true });
      this.#onDamage('body', name);
      return undefined;
    }
    const blob = await this.#blobOf(file, trailer.digest, trailer.sizeBytes, name);
    return { blob, description: trailer.description };
  }

  async create(): Promise<BlobWriter> {
    const temporary = path.join(this.#temporary, `${this.#temporaryPrefix}-${this.#created++}`);
    const handle = await fs.promises.open(temporary, 'wx+', 0o600);
    return new DiskBlobWriter(handle, temporary, {
      blobPath: (digest) => this.#blobPath(digest),
      bodyPath: (name) => this.#bodyPath(name),
      adopt: (place, file, digest, sizeBytes) => this.#adopt(place, file, digest, sizeBytes),
    });
  }

  async remove(digest: Digest): Promise<void> {
    this.#small.delete(digest);
    await this.#removePath(this.#blobPath(digest));
  }

  async removeOwned(name: string): Promise<void> {
    this.#small.delete(name);
    await this.#removePath(this.#bodyPath(name));
  }

  async close(): Promise<void> {
    this.#files.close();
    this.#small.clear();
  }

  /** Removes what dead processes left unfinished; resolves with the count. Runs beside serving. */
  async sweepLeftovers(now: number): Promise<number> {
    let removed = 0;
    for (const name of await fs.promises.readdir(this.#temporary)) {
      if (name.startsWith(`${this.#temporaryPrefix}-`)) continue;
      const place = path.join(this.#temporary, name);
      const stats = await fs.promises.stat(place).catch(() => undefined);
      if (stats === undefined || now - stats.mtimeMs < LEFTOVER_AGE_MS) continue;
      // The same pid with another start is a dead predecessor: containers hand out the same pid again and again.
      const pid = Number.parseInt(name, 10);
      if (pid !== process.pid && isAlive(pid)) continue;
      await fs.promises.rm(place, { force: true });
      removed++;
    }
    return removed;
  }

  #blobPath(digest: Digest): string {
    return path.join(this.#blobs, digest.slice(0, 2), digest);
  }

  #bodyPath(name: string): string {
    const hashed = digestOf(name);
    return path.join(this.#bodies, hashed.slice(0, 2), hashed);
  }

  async #removePath(place: string): Promise<void> {
    this.#files.forget(place);
    await fs.promises.rm(place, { force: true });
  }

  #verified(file: OpenFile, digest: Digest, sizeBytes: number): Promise<boolean> {
    if (file.verified) return Promise.resolve(true);
    // All who open it meanwhile wait for the one that hashes.
    let verifying = this.#verifying.get(file);
    if (verifying === undefined) {
      verifying = hashOfFile(file.fd, sizeBytes).then(
        (found) => {
          file.verified = found === digest;
          return file.verified;
        },
        // A body that the disk cannot read is as good as none: it is removed and fetched again.
        () => false,
      );
      this.#verifying.set(file, verifying);
    }
    return verifying;
  }

  async #readTrailer(file: OpenFile) {
    const footer = Buffer.alloc(FOOTER_BYTES);
    const footerAt = file.sizeBytes - FOOTER_BYTES;
    if (footerAt < 0 || (await readAt(file.fd, footer, footerAt)) !== FOOTER_BYTES) return undefined;
    const length = descriptionBytes(footer);
    if (length === undefined || length > footerAt) return undefined;
    const json = Buffer.alloc(length);
    if ((await readAt(file.fd, json, footerAt - length)) !== length) return undefined;
    const trailer = decodeTrailer(json, footer);
    return trailer === undefined ? undefined : { ...trailer, sizeBytes: footerAt - length };
  }

  async #blobOf(file: OpenFile, digest: Digest, sizeBytes: number, memoryKey: string): Promise<Blob> {
    if (sizeBytes > SMALL_BYTES || memoryKey !== digest) return new DiskBlob(file, digest, sizeBytes);
    const bytes = Buffer.alloc(sizeBytes);
    const read = await readAt(file.fd, bytes, 0);
    if (read !== sizeBytes) return new DiskBlob(file, digest, sizeBytes);
    file.release();
    this.#small.set(memoryKey, { digest, bytes });
    return new MemoryBlob(digest, bytes);
  }

  #adopt(place: string, fd: number, digest: Digest, sizeBytes: number): Blob {
    const file = this.#files.adopt(place, fd, fs.fstatSync(fd, { bigint: true }));
    return new DiskBlob(file, digest, sizeBytes);
  }
}

interface Places {
  readonly blobPath: (digest: Digest) => string;
  readonly bodyPath: (name: string) => string;
  readonly adopt: (place: string, fd: number, digest: Digest, sizeBytes: number) => Blob;
}

class DiskBlobWriter implements BlobWriter {
  readonly #handle: fs.promises.FileHandle;
  readonly #temporary: string;
  readonly #places: Places;
  #written = 0;

  constructor(handle: fs.promises.FileHandle, temporary: string, places: Places) {
    this.#handle = handle;
    this.#temporary = temporary;
    this.#places = places;
  }

  async write(chunks: readonly Buffer[]): Promise<void> {
    let rest = [...chunks];
    while (rest.length > 0) {
      const { bytesWritten } = await this.#handle.writev(rest, this.#written);
      this.#written += bytesWritten;
      rest = after(rest, bytesWritten);
    }
  }

  async read(target: Buffer, position: number): Promise<number> {
    const { bytesRead } = await this.#handle.read(target, 0, target.length, position);
    return bytesRead;
  }

  publish(digest: Digest): Promise<Blob> {
    return this.#move(this.#places.blobPath(digest), digest, this.#written);
  }

  async publishAs(name: string, digest: Digest, description: Json): Promise<Blob> {
    const sizeBytes = this.#written;
    await this.write([encodeTrailer({ digest, description })]);
    return this.#move(this.#places.bodyPath(name), digest, sizeBytes);
  }

  async close(): Promise<void> {
    await this.#handle.close().catch(() => {});
  }

  async discard(): Promise<void> {
    await this.close();
    await fs.promises.rm(this.#temporary, { force: true }).catch(() => {});
  }

  async #move(place: string, digest: Digest, sizeBytes: number): Promise<Blob> {
    await this.#handle.datasync();
    await fs.promises.mkdir(path.dirname(place), { recursive: true, mode: 0o700 });
    await fs.promises.rename(this.#temporary, place);
    // The store serves from a descriptor of its own, opened for reading only.
    const fd = fs.openSync(place, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW);
    return this.#places.adopt(place, fd, digest, sizeBytes);
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

class DiskBlob implements Blob {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly bytes = undefined;
  readonly #file: OpenFile;
  constructor(file: OpenFile, digest: Digest, sizeBytes: number) {
    this.#file = file;
    this.digest = digest;
    this.sizeBytes = sizeBytes;
  }
  read(target: Buffer, position: number): Promise<number> {
    const left = this.sizeBytes - position;
    if (left <= 0) return Promise.resolve(0);
    return readAt(this.#file.fd, left < target.length ? target.subarray(0, left) : target, position);
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

async function hashOfFile(fd: number, sizeBytes: number): Promise<string> {
  const hash = createHash('sha256');
  const chunk = Buffer.allocUnsafe(Math.min(HASH_CHUNK_BYTES, Math.max(1, sizeBytes)));
  for (let position = 0; position < sizeBytes; ) {
    const want = Math.min(chunk.length, sizeBytes - position);
    const read = await readAt(fd, chunk.subarray(0, want), position);
    if (read === 0) break;
    hash.update(chunk.subarray(0, read));
    position += read;
  }
  return hash.digest('hex');
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
