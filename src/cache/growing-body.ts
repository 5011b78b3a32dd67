// A body that readers may follow while it is still arriving. Its bytes go to a temporary file; the latest stay in memory,
// and readers that keep up are sent those. Who falls behind reads back from the file. So memory does not grow with
// readers, and a paused reader pauses nobody.
//
// Until the whole body is known to be right its last bytes are held back: no client can complete a wrong file.
//
// When the disk takes no more (full, read-only, file limit) what follows is kept in memory only as long as a reader
// still needs it: clients get their file whole, and nothing is published.

import type { BlobWriter } from '../store/blobs/blob-store.ts';
import { BLOCK_BYTES, LatestBytes } from './latest-bytes.ts';
import { WaitingReaders } from './waiting-readers.ts';

/** Sizes in bytes, and where the body is kept. */
export interface GrowingBodyOptions {
  /** The size upstream or the page announces; undefined when nobody knows. */
  readonly sizeBytes: number | undefined;
  /** How many bytes at the end stay hidden until `complete`. */
  readonly holdBackBytes: number;
  /** Nobody waits for it before bytes are passed on. Resolves with undefined when the disk did not take a new file. */
  readonly writer: Promise<BlobWriter | undefined>;
  readonly onDiskFailure: (error: NodeJS.ErrnoException) => void;
  /** Told when the last reader leaves a body that is still growing. */
  readonly onDeserted: () => void;
}

/** Beyond so many what comes is gathered into large blocks. */
const FEW_READERS = 2;
/** Bytes kept in memory for readers that keep up: a block a reader, within these bounds. */
const MIN_WINDOW_BYTES = 6 * BLOCK_BYTES;
const MAX_WINDOW_BYTES = 32 * BLOCK_BYTES;
/** What a newcomer gets first while a crowd gathers: the sooner he has something, the sooner the next one has. */
const FIRST_BYTES = 16 * 1024;
/** Unwritten bytes above which the source has to wait for the disk. */
const MAX_UNWRITTEN_BYTES = 4 * 1024 * 1024;
/** Bytes kept in memory for readers once the disk has failed. */
const MAX_TAIL_BYTES = 16 * 1024 * 1024;

type State = 'growing' | 'complete' | 'failed';

/** A body while it arrives: one writer, many readers, none of which holds up the writer. */
export class GrowingBody {
  readonly sizeBytes: number | undefined;
  readonly #options: GrowingBodyOptions;
  readonly #readers = new Set<GrowingReader>();
  readonly #latest = new LatestBytes();
  #state: State = 'growing';
  #error: Error | undefined;
  /** Bytes [0, #onDisk) can be read back from the writer. */
  #onDisk = 0;
  #diskFailed = false;
  #writer: BlobWriter | undefined;
  #writing: Promise<void> | undefined;
  readonly #waiting = new WaitingReaders();
  #roomy = Promise.withResolvers<void>();
  readonly #idle = Promise.withResolvers<void>();
  #arrivedAt = performance.now();

  constructor(options: GrowingBodyOptions) {
    this.sizeBytes = options.sizeBytes;
    this.#options = options;
  }

  /** A body that has arrived already, for readers of what is nowhere but in memory. */
  static whole(bytes: Buffer): GrowingBody {
    const body = new GrowingBody({
      sizeBytes: bytes.length,
      holdBackBytes: 0,
      writer: Promise.resolve(undefined),
      onDiskFailure: () => {},
      onDeserted: () => {},
    });
    body.#latest.append(bytes, false);
    body.complete();
    return body;
  }

  get received(): number {
    return this.#latest.end;
  }

  /** How long nothing has come. */
  get silentMs(): number {
    return performance.now() - this.#arrivedAt;
  }

  /** Then nothing can be published, and late readers may not find the beginning any more. */
  get diskFailed(): boolean {
    return this.#diskFailed;
  }

  /** Whether a new reader can still get the first byte. */
  get joinable(): boolean {
    return this.#state !== 'failed' && this.#latest.start <= this.#onDisk;
  }

  /** Whether every byte is here and right. */
  get isComplete(): boolean {
    return this.#state === 'complete';
  }

  get readers(): number {
    return this.#readers.size;
  }

  /**
   * Takes the next bytes. Resolves when more may come: at once, unless the disk or (without disk) a reader lags.
   * Rejects when going on is useless.
   */
  async append(chunk: Buffer): Promise<void> {
    this.#arrivedAt = performance.now();
    this.#latest.append(chunk, this.#readers.size > FEW_READERS);
    if (!this.#diskFailed) this.#writing ??= this.#writeBehind();
    this.#trim();
    this.#waiting.wakeSoon();
    while (this.#state === 'growing' && this.#isFull()) {
      if (this.#diskFailed && this.#readers.size === 0) throw new Error('no disk to keep it and nobody reads it');
      this.#roomy = Promise.withResolvers<void>();
      await this.#roomy.promise;
      this.#trim();
    }
  }

  /** Resolves when every byte received so far is on disk, or the disk or the body has failed: nothing is written now. */
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

  /** Resolves when the body has ended and the last reader left: nobody reads through the writer any more. */
  get finished(): Promise<void> {
    return this.#idle.promise;
  }

  reader(): GrowingReader {
    const reader = new GrowingReader(this);
    this.#readers.add(reader);
    this.#waiting.joined();
    return reader;
  }

  /** For readers. */
  leave(reader: GrowingReader): void {
    this.#readers.delete(reader);
    this.#waiting.left();
    this.#roomy.resolve();
    if (this.#state === 'growing' && this.#readers.size === 0) this.#options.onDeserted();
    this.#checkIdle();
  }

  /** For readers: the next bytes from `position` on, waited for; undefined at the end of a complete body. */
  async bytesAt(position: number, lend: Lend): Promise<Buffer | undefined> {
    for (;;) {
      if (this.#state === 'failed') throw this.#error!;
      const visible = this.#visible();
      const isHere = position < visible;
      const gathering = this.#state === 'growing' && this.#waiting.gathering;
      if (isHere && !(gathering && position > 0)) {
        const end = gathering ? Math.min(visible, FIRST_BYTES) : visible;
        return this.#latest.view(position, end) ?? (await this.#readBack(position, end, lend));
      }
      if (this.#state === 'complete') return undefined;
      const woken = this.#waiting.wait();
      if (isHere) this.#waiting.wakeSoon();
      await woken;
    }
  }

  /** For readers: resolves when there is something to be had from `position` on, or the body has ended. */
  async moreAt(position: number): Promise<void> {
    while (this.#state === 'growing' && position >= this.#visible()) await this.#waiting.wait();
  }

  /** For readers: one has moved on. */
  moved(): void {
    if (this.#diskFailed) this.#roomy.resolve();
  }

  #visible(): number {
    if (this.#state === 'complete') return this.received;
    const announced = this.sizeBytes ?? this.received;
    return Math.min(this.received, Math.max(0, announced - this.#options.holdBackBytes));
  }

  async #readBack(position: number, limit: number, lend: Lend): Promise<Buffer> {
    const end = Math.min(limit, this.#onDisk);
    if (position >= end) throw new Error('these bytes of an arriving body are gone: the disk failed');
    const target = lend();
    const wanted = target.subarray(0, Math.min(target.length, end - position));
    const count = await this.#writer!.read(wanted, position);
    if (count === 0) throw new Error('the temporary file is shorter than what was written to it');
    return wanted.subarray(0, count);
  }

  /** One write at a time: while it runs the next chunks gather, so a fast upstream makes few, large writes. */
  async #writeBehind(): Promise<void> {
    this.#writer ??= await this.#options.writer;
    if (this.#writer === undefined) this.#diskFailed = true;
    while (this.#onDisk < this.received && !this.#diskFailed && this.#state !== 'failed') {
      const pieces = this.#latest.piecesFrom(this.#onDisk);
      const end = this.received;
      try {
        await this.#writer!.write(pieces);
        this.#onDisk = end;
      } catch (error) {
        this.#diskFailed = true;
        this.#options.onDiskFailure(error as NodeJS.ErrnoException);
      }
      this.#trim();
      this.#roomy.resolve();
    }
    this.#writing = undefined;
    this.#roomy.resolve();
  }

  /** Gives up blocks that nobody needs in memory: they are on disk, or (without disk) every reader has passed them. */
  #trim(): void {
    const dispensable = this.#diskFailed ? this.#passedByAll() : this.#onDisk;
    const window = Math.min(Math.max(this.#readers.size * BLOCK_BYTES, MIN_WINDOW_BYTES), MAX_WINDOW_BYTES);
    this.#latest.giveUp(dispensable, window);
  }

  /** Without readers nothing has been passed: the one who started the fetch is about to come. */
  #passedByAll(): number {
    let slowest = Number.POSITIVE_INFINITY;
    for (const { position } of this.#readers) slowest = Math.min(slowest, position);
    return this.#readers.size === 0 ? this.#onDisk : Math.max(slowest, this.#onDisk);
  }

  #isFull(): boolean {
    if (this.#diskFailed) return this.received - Math.max(this.#onDisk, this.#latest.start) > MAX_TAIL_BYTES;
    return this.received - this.#onDisk > MAX_UNWRITTEN_BYTES;
  }

  #end(state: State, error: Error | undefined): void {
    if (this.#state !== 'growing') return;
    this.#state = state;
    this.#error = error;
    this.#roomy.resolve();
    this.#waiting.wake();
    this.#checkIdle();
  }

  #checkIdle(): void {
    if (this.#state !== 'growing' && this.#readers.size === 0) this.#idle.resolve();
  }
}

// One reader's place in a growing body.

/** A buffer that a reader lends for bytes that have to come from the disk. */
export type Lend = () => Buffer;

/** One reader of a growing body, as a stream of bytes. */
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

  /** Bytes that are here; more may be on their way. */
  get arrivedBytes(): number {
    return this.#body.received;
  }

  /**
   * The next bytes, to be read only: other readers are sent the same ones. Undefined at the end. Rejects when the body
   * turned out wrong or was cut short.
   */
  async next(lend: Lend): Promise<Buffer | undefined> {
    const bytes = await this.#body.bytesAt(this.position, lend);
    this.position += bytes?.length ?? 0;
    this.#body.moved();
    return bytes;
  }

  /** Resolves when `next` need not wait: for bytes, the end or the failure. */
  ready(): Promise<void> {
    return this.#body.moreAt(this.position);
  }

  /** To be called once nothing more is wanted. */
  leave(): void {
    if (this.#left) return;
    this.#left = true;
    this.#body.leave(this);
  }
}
