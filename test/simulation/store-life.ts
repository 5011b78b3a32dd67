// An hour of a blob store's life, in virtual time, in a process of its own, so that it can be killed: bodies are stored,
// read, replaced, damaged, removed and evicted, several at once, and after every step the account is compared with the
// disk. Writes one line of JSON at its end; ends by SIGKILL in the middle of a step where it is told so.
//
//   node store-life.ts <data folder> <seed> <hour> <steps> <kill after steps, or 0>

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { stat, truncate } from 'node:fs/promises';
import type { Digest } from '../../src/core/digest.ts';
import type { Blob } from '../../src/store/blobs/blob-store.ts';
import { DiskBlobs } from '../../src/store/blobs/disk-blobs.ts';
import { BlobFolders } from '../../src/store/blobs/folders.ts';
import { Random } from '../fuzz/random.ts';
import { until } from '../support/clock/until.ts';
import { filesBelow } from '../support/disk/stored-files.ts';

export const QUOTA_BYTES = 4_000_000;
const FILES = 300;
const PAGES = 20;
const HOUR_MS = 3_600_000;
/** Readers that stay for a while, so that what they read is in the way of those who want room. */
const MAX_READERS = 6;

interface Reader {
  readonly blob: Blob;
  readonly bytes: Buffer;
}

/** What this life came to. */
export interface LifeFigures {
  readonly stored: number;
  readonly read: number;
  readonly missed: number;
  readonly damaged: number;
  readonly evicted: number;
}

class StoreLife {
  readonly #random: Random;
  readonly #folders: BlobFolders;
  readonly #blobs: DiskBlobs;
  readonly #readers: Reader[] = [];
  readonly figures = { stored: 0, read: 0, missed: 0, damaged: 0, evicted: 0 };
  readonly #dataDir: string;
  #now: number;

  constructor(dataDir: string, random: Random, startsAt: number) {
    this.#dataDir = dataDir;
    this.#random = random;
    this.#now = startsAt;
    this.#folders = new BlobFolders(dataDir);
    this.#blobs = new DiskBlobs({
      dataDir,
      memoryBytes: 200_000,
      quotaBytes: QUOTA_BYTES,
      freeSpaceFloorBytes: 0,
      now: () => this.#now,
      onEvicted: (reason) => {
        if (reason === 'quota') this.figures.evicted++;
      },
      onPaused: () => assert.fail('the disk is well'),
      onDamage: () => this.figures.damaged++,
      onUnreadable: () => assert.fail('the disk gives everything'),
    });
  }

  /** After a kill the account is found again beside the work; here nothing is begun before that. */
  async start(): Promise<void> {
    void this.#blobs.maintenance.atStart();
    await until(async () => (await this.#onDisk()) === this.#blobs.status().bytes);
  }

  async step(stepMs: number): Promise<void> {
    this.#now += stepMs;
    if (this.#random.chance(0.2)) await this.#damage(this.#random.below(FILES));
    const works = Array.from({ length: 1 + this.#random.below(5) }, () => this.#work());
    await Promise.all(works);
  }

  /** What the account says is what lies on the disk, to the byte, once nobody is being evicted; within the quota always. */
  async compare(): Promise<void> {
    await until(async () => {
      const { bytes, count } = this.#blobs.status();
      const places = await this.#places();
      const onDisk = await this.#onDisk();
      assert.ok(onDisk <= QUOTA_BYTES, `${onDisk} bytes are stored`);
      return bytes === onDisk && count === places.length;
    });
  }

  async end(): Promise<void> {
    for (const reader of this.#readers.splice(0)) reader.blob.release();
    await this.#blobs.close();
  }

  #work(): Promise<void> {
    const chance = this.#random.below(100);
    if (chance < 35) return this.#store(this.#random.below(FILES));
    if (chance < 45) return this.#storePage(this.#random.below(PAGES));
    if (chance < 75) return this.#read(this.#random.below(FILES));
    if (chance < 85) return this.#readPage(this.#random.below(PAGES));
    if (chance < 94) return this.#abandon();
    return chance < 98
      ? this.#blobs.remove(fileOf(this.#random.below(FILES)).digest, 'purge')
      : this.#blobs.removeOwned(`page ${this.#random.below(PAGES)}`, 'purge');
  }

  async #store(n: number): Promise<void> {
    const { bytes, digest } = fileOf(n);
    const writer = await this.#blobs.create('streamed');
    try {
      for (let at = 0; at < bytes.length; at += 16_384) await writer!.write([bytes.subarray(at, at + 16_384)]);
      await writer!.publish(digest, this.#random.below(2) === 0 ? 'before' : 'behind');
      this.figures.stored++;
    } catch (error) {
      assert.equal((error as { code?: unknown }).code, 'QUOTA');
    } finally {
      await writer!.discard();
    }
  }

  async #storePage(n: number): Promise<void> {
    const bytes = Buffer.alloc(1_000 + this.#random.below(20_000), n);
    const digest = createHash('sha256').update(bytes).digest('hex') as Digest;
    const writer = await this.#blobs.create('whole');
    try {
      await writer!.write([bytes]);
      await writer!.publishAs(`page ${n}`, digest, { n });
      this.figures.stored++;
    } catch (error) {
      assert.equal((error as { code?: unknown }).code, 'QUOTA');
    } finally {
      await writer!.discard();
    }
  }

  /** Some read at once, some stay: what they have open is right to the end, whatever becomes of its name. */
  async #read(n: number): Promise<void> {
    const { bytes, digest } = fileOf(n);
    const blob = await this.#blobs.open(digest);
    if (blob === undefined) {
      this.figures.missed++;
      return;
    }
    this.#readers.push({ blob, bytes });
    while (this.#readers.length > MAX_READERS) await this.#finish(this.#readers.shift()!);
  }

  async #finish({ blob, bytes }: Reader): Promise<void> {
    const read = Buffer.alloc(blob.sizeBytes);
    for (let at = 0; at < read.length; ) at += await blob.read(read.subarray(at), at);
    assert.ok(read.equals(bytes));
    this.figures.read++;
    blob.release();
  }

  async #readPage(n: number): Promise<void> {
    const owned = await this.#blobs.openOwned(`page ${n}`);
    if (owned === undefined) this.figures.missed++;
    else assert.deepEqual(owned.description, { n });
    owned?.blob.release();
  }

  async #abandon(): Promise<void> {
    const writer = await this.#blobs.create('streamed');
    await writer!.write([Buffer.alloc(this.#random.below(50_000))]).catch((error: { code?: unknown }) => {
      assert.equal(error.code, 'QUOTA');
    });
    await writer!.discard();
  }

  /** A file that is cut short is as good as gone, and its room is had back by whoever finds out. */
  async #damage(n: number): Promise<void> {
    // Whoever reads it now would be told, which is another promise than this one.
    if (this.#readers.length > 0) return;
    const { digest } = fileOf(n);
    const place = this.#folders.path('file', digest);
    const size = await sizeAt(place);
    if (size === 0) return;
    await truncate(place, size - 1).catch(() => {});
    this.#now += 1_001;
    const blob = await this.#blobs.open(digest);
    // Small ones are still in memory: then the name alone is taken away.
    blob?.release();
    await this.#blobs.remove(digest, 'purge');
  }

  async #places(): Promise<string[]> {
    const files = [...(await filesBelow(`${this.#dataDir}/blobs`)), ...(await filesBelow(`${this.#dataDir}/bodies`))];
    return files.filter((place) => /\/[0-9a-f]{64}$/.test(place));
  }

  async #onDisk(): Promise<number> {
    const sizes = await Promise.all((await this.#places()).map(sizeAt));
    return sizes.reduce((sum, size) => sum + size, 0);
  }
}

/** 0 when nothing is there (any more). */
async function sizeAt(place: string): Promise<number> {
  return (await stat(place).catch(() => undefined))?.size ?? 0;
}

/** The same bytes for the same number, a few hundred to some hundred thousand of them. */
function fileOf(n: number): { readonly bytes: Buffer; readonly digest: Digest } {
  const bytes = Buffer.alloc(300 + ((n * 7_919) % 17) ** 4 * 3, `file ${n}`);
  return { bytes, digest: createHash('sha256').update(bytes).digest('hex') as Digest };
}

if (import.meta.main) {
  const [dataDir = '', ...numbers] = process.argv.slice(2);
  const [seed = 0, hour = 0, steps = 0, killAfter = 0] = numbers.map(Number);
  const random = new Random(seed);
  const life = new StoreLife(dataDir, random, Date.UTC(2026, 0, 1) + hour * HOUR_MS);
  await life.start();
  for (let step = 1; step <= steps; step++) {
    const done = life.step(HOUR_MS / steps);
    if (step === killAfter) {
      await new Promise((resolve) => setTimeout(resolve, random.below(4)));
      process.kill(process.pid, 'SIGKILL');
    }
    await done;
    await life.compare();
  }
  await life.end();
  process.stdout.write(`${JSON.stringify(life.figures)}\n`);
}
