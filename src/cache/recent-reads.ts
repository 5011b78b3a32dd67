// Which parts of an open file this process has read a moment ago: they still lie in the system's page cache, and to
// read them again is a copy in memory, for which the hand-over to a thread and back would cost more than the copy.

/** Reads are noted by blocks of this size. */
const BLOCK_BYTES = 256 * 1024;
/** So long after a read its bytes are taken to be in the page cache. */
const RECENT_MS = 10_000;
/** A copy takes a tenth of this: what took longer came from the disk. */
const COPY_MS = 2;

/** Times are milliseconds on the monotonic clock, positions and lengths bytes. */
export class RecentReads {
  /** When each block was read last; made at the first read, for most files that are open are not read in blocks. */
  #readAt: Float64Array | undefined;
  readonly #sizeBytes: number;

  constructor(sizeBytes: number) {
    this.#sizeBytes = sizeBytes;
  }

  /** Whether all of it was read a moment ago. */
  cover(position: number, length: number, now: number): boolean {
    const readAt = this.#readAt;
    if (readAt === undefined) return false;
    const end = Math.min(position + length, this.#sizeBytes);
    for (let block = blockOf(position); block * BLOCK_BYTES < end; block++) {
      if (now - readAt[block]! > RECENT_MS) return false;
    }
    return true;
  }

  /** A read has given `length` bytes. A block counts when its end is reached, for readers come from its beginning. */
  note(position: number, length: number, now: number): void {
    const blocks = Math.ceil(this.#sizeBytes / BLOCK_BYTES);
    this.#readAt ??= new Float64Array(blocks).fill(Number.NEGATIVE_INFINITY);
    const end = position + length;
    this.#readAt.fill(now, blockOf(position), end >= this.#sizeBytes ? blocks : blockOf(end));
  }

  /** A read of what should have been in the page cache took this long; memory is short when it was not there. */
  took(ms: number): void {
    if (ms > COPY_MS) this.#readAt = undefined;
  }
}

function blockOf(position: number): number {
  return Math.floor(position / BLOCK_BYTES);
}
