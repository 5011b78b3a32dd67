// A body that readers may follow while it is still arriving. The bytes go to a temporary file and every reader reads
// them back at its own pace, so memory does not grow with readers and a paused reader pauses nobody.
//
// Until the whole body is known to be right its last bytes are held back: no client can complete a wrong file.
//
// When the disk takes no more (full, read-only, file limit) what follows is kept in memory only as long as a reader
// still needs it: clients get their file whole, and nothing is published.

import type { BlobWriter } from './blob-store.ts';

export interface GrowingBodyOptions {
  /** The size upstream or the page announces; undefined when nobody knows. */
  readonly sizeBytes: number | undefined;
  /** How many bytes at the end stay hidden until `complete`. */
  readonly holdBackBytes: number;
  /** Undefined when the disk did not even take a new file. */
  readonly writer: BlobWriter | undefined;
  readonly onDiskFailure: (error: NodeJS.ErrnoException) => void;
  /** Told when the last reader leaves a body that is still growing. */
  readonly onDeserted: () => void;
}

/** Unwritten bytes above which the source has to wait for the disk. */
const MAX_QUEUED_BYTES = 4 * 1024 * 1024;
/** Bytes kept in memory for readers once the disk has failed. */
const MAX_TAIL_BYTES = 16 * 1024 * 1024;

type State = 'growing' | 'complete' | 'failed';

export class GrowingBody {
  readonly sizeBytes: number | undefined;
  readonly #holdBackBytes: number;
  readonly #onDiskFailure: (error: NodeJS.ErrnoException) => void;
  readonly #onDeserted: () => void;
  readonly #readers = new Set<GrowingReader>();
  readonly #writer: BlobWriter | undefined;
  #state: State = 'growing';
  #error: Error | undefined;
  #received = 0;
  /** Bytes [0, #onDisk) can be read back from the writer. */
  #onDisk = 0;
  #queue: Buffer[] = [];
  #queuedBytes = 0;
  #writing: Promise<void> | undefined;
  /** After a disk failure: the bytes from #tailStart on. */
  #tail: Buffer[] | undefined;
  #tailStart = 0;
  #tailBytes = 0;
  #changed = Promise.withResolvers<void>();
  #roomy = Promise.withResolvers<void>();
  #idle = Promise.withResolvers<void>();

  constructor(options: GrowingBodyOptions) {
    this.sizeBytes = options.sizeBytes;
    this.#holdBackBytes = options.holdBackBytes;
    this.#onDiskFailure = options.onDiskFailure;
    this.#onDeserted = options.onDeserted;
    this.#writer = options.writer;
    if (options.writer === undefined) this.#tail = [];
  }

  get received(): number {
    return this.#received;
  }

  /** Whether the disk has failed: then nothing can be published and late readers cannot join. */
  get diskFailed(): boolean {
    return this.#tail !== undefined;
  }

  /** Whether a new reader can still get the first byte. */
  get joinable(): boolean {
    return this.#state !== 'failed' && (this.#tail === undefined || this.#tailStart === this.#onDisk);
  }

  get readers(): number {
    return this.#readers.size;
  }

  /**
   * Takes the next bytes. Resolves when more may come: at once, unless the disk or (without disk) a reader lags.
   * Rejects when going on is useless.
   */
  async append(chunk: Buffer): Promise<void> {
    this.#received += chunk.length;
    if (this.#tail !== undefined) this.#appendToTail(chunk);
    else {
      this.#queue.push(chunk);
      this.#queuedBytes += chunk.length;
      this.#writing ??= this.#writeQueue();
    }
    while (this.#state === 'growing' && this.#isFull()) {
      if (this.#tail !== undefined && this.#readers.size === 0)
        throw new Error('no disk to keep it and nobody reads it');
      this.#roomy = Promise.withResolvers<void>();
      await this.#roomy.promise;
    }
  }

  /** Resolves when every byte received so far is on disk, or the disk has failed. */
  async settled(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
  }

  /** The bytes are right: readers get the rest. */
  complete(): void {
    this.#end('complete', undefined);
  }

  /** The bytes are wrong or missing: readers that have not finished are told so. */
  fail(error: Error): void {
    this.#end('failed', error);
  }

  /** Resolves when the body has ended and the last reader left; then the writer may be closed. */
  get finished(): Promise<void> {
    return this.#idle.promise;
  }

  reader(): GrowingReader {
    const reader = new GrowingReader(this);
    this.#readers.add(reader);
    return reader;
  }

  leave(reader: GrowingReader): void {
    this.#readers.delete(reader);
    this.#roomy.resolve();
    if (this.#state === 'growing' && this.#readers.size === 0) this.#onDeserted();
    this.#checkIdle();
  }

  /** For readers: fills `target` from `position`; waits for bytes; 0 at the end of a complete body. */
  async readAt(target: Buffer, position: number): Promise<number> {
    for (;;) {
      if (this.#state === 'failed') throw this.#error!;
      const visible = this.#visible();
      if (position < visible) return this.#copy(target, position, visible);
      if (this.#state === 'complete' && position >= this.#received) return 0;
      await this.#changed.promise;
    }
  }

  #visible(): number {
    const readable = this.#tail === undefined ? this.#onDisk : this.#tailStart + this.#tailBytes;
    if (this.#state === 'complete') return readable;
    const announced = this.sizeBytes ?? this.#received;
    return Math.min(readable, Math.max(0, announced - this.#holdBackBytes));
  }

  async #copy(target: Buffer, position: number, visible: number): Promise<number> {
    const wanted = target.length > visible - position ? target.subarray(0, visible - position) : target;
    if (position < this.#onDisk) {
      const onDisk = this.#onDisk - position;
      return this.#writer!.read(wanted.length > onDisk ? wanted.subarray(0, onDisk) : wanted, position);
    }
    if (this.#tail === undefined || position < this.#tailStart) throw new Error('the bytes are gone');
    let skip = position - this.#tailStart;
    for (const chunk of this.#tail) {
      if (skip < chunk.length) return chunk.copy(wanted, 0, skip);
      skip -= chunk.length;
    }
    return 0;
  }

  async #writeQueue(): Promise<void> {
    while (this.#queue.length > 0 && this.#tail === undefined) {
      // One write at a time: while it runs the next chunks gather, so a fast upstream makes few, large writes.
      const batch = this.#queue;
      const bytes = this.#queuedBytes;
      this.#queue = [];
      this.#queuedBytes = 0;
      try {
        await this.#writer!.write(batch);
        this.#onDisk += bytes;
      } catch (error) {
        this.#moveToTail([...batch, ...this.#queue]);
        this.#onDiskFailure(error as NodeJS.ErrnoException);
      }
      this.#notify();
    }
    this.#writing = undefined;
  }

  #moveToTail(chunks: readonly Buffer[]): void {
    this.#tail = [];
    this.#tailStart = this.#onDisk;
    this.#queue = [];
    this.#queuedBytes = 0;
    for (const chunk of chunks) this.#appendToTail(chunk);
  }

  #appendToTail(chunk: Buffer): void {
    this.#tail!.push(chunk);
    this.#tailBytes += chunk.length;
    this.#notify();
  }

  /** Drops what every reader has passed; without readers everything is kept up to the limit. */
  #trimTail(): void {
    if (this.#tail === undefined || this.#tailBytes <= MAX_TAIL_BYTES / 2 || this.#readers.size === 0) return;
    const slowest = Math.min(...[...this.#readers].map((reader) => reader.position));
    while (this.#tail.length > 0 && this.#tailStart + this.#tail[0]!.length <= slowest) {
      const gone = this.#tail.shift()!;
      this.#tailStart += gone.length;
      this.#tailBytes -= gone.length;
    }
  }

  #isFull(): boolean {
    if (this.#tail === undefined) return this.#queuedBytes > MAX_QUEUED_BYTES;
    this.#trimTail();
    return this.#tailBytes > MAX_TAIL_BYTES;
  }

  moved(): void {
    if (this.#tail !== undefined) this.#roomy.resolve();
  }

  #notify(): void {
    const changed = this.#changed;
    this.#changed = Promise.withResolvers<void>();
    changed.resolve();
    this.#roomy.resolve();
  }

  #end(state: State, error: Error | undefined): void {
    if (this.#state !== 'growing') return;
    this.#state = state;
    this.#error = error;
    this.#notify();
    this.#checkIdle();
  }

  #checkIdle(): void {
    if (this.#state !== 'growing' && this.#readers.size === 0) this.#idle.resolve();
  }
}

/** One reader's place in a growing body. */
export class GrowingReader {
  readonly #body: GrowingBody;
  position = 0;
  #left = false;

  constructor(body: GrowingBody) {
    this.#body = body;
  }

  get sizeBytes(): number | undefined {
    return this.#body.sizeBytes;
  }

  /** The next bytes into `target`; 0 at the end. Rejects when the body turned out wrong or was cut short. */
  async read(target: Buffer): Promise<number> {
    const count = await this.#body.readAt(target, this.position);
    this.position += count;
    this.#body.moved();
    return count;
  }

  leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.#body.leave(this);
  }
}
