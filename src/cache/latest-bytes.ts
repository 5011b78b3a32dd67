// The latest bytes of a growing body, in memory: consecutive blocks, of which all readers that keep up are sent the very
// same ones. For a reader or two a large chunk is a block as it came; for more of them larger blocks are worth a copy.

/** Large enough for few system calls, small enough that a hundred bodies at once do not matter. */
export const BLOCK_BYTES = 256 * 1024;
/** A smaller chunk is copied into a block in any case. */
const LARGE_CHUNK_BYTES = 32 * 1024;

interface Block {
  readonly start: number;
  readonly bytes: Buffer;
  filled: number;
}

/** The last bytes of a body in memory, bounded, for readers that are nearly there. */
export class LatestBytes {
  /** The last one may have room for more. */
  readonly #blocks: Block[] = [];
  #end = 0;

  /** Position of the first byte that is still here. */
  get start(): number {
    return this.#blocks[0]?.start ?? this.#end;
  }

  /** Position behind the last byte: how many have come. */
  get end(): number {
    return this.#end;
  }

  /** `gather`: into large blocks, whatever the size of the chunk. */
  append(chunk: Buffer, gather: boolean): void {
    for (let rest = chunk; rest.length > 0; ) {
      const last = this.#blocks.at(-1);
      if (last === undefined || last.filled === last.bytes.length) {
        const asItCame = !gather && rest.length >= LARGE_CHUNK_BYTES;
        this.#blocks.push({
          start: this.#end,
          bytes: asItCame ? rest : Buffer.allocUnsafeSlow(BLOCK_BYTES),
          filled: asItCame ? rest.length : 0,
        });
        if (!asItCame) continue;
        this.#end += rest.length;
        return;
      }
      const count = rest.copy(last.bytes, last.filled);
      last.filled += count;
      this.#end += count;
      rest = rest.subarray(count);
    }
  }

  /** Bytes from `position` on, before `limit`: as many as lie in one block. Undefined when they are not here any more. */
  view(position: number, limit: number): Buffer | undefined {
    // Who keeps up is near the end.
    const block = this.#blocks.findLast(({ start }) => start <= position);
    return block?.bytes.subarray(position - block.start, Math.min(block.filled, limit - block.start));
  }

  /** Everything from `position` on. */
  piecesFrom(position: number): Buffer[] {
    return this.#blocks
      .filter(({ start, filled }) => start + filled > position)
      .map(({ start, bytes, filled }) => bytes.subarray(Math.max(0, position - start), filled));
  }

  /** Gives up the blocks that end before `position`, but keeps the last `keptBytes`. */
  giveUp(position: number, keptBytes: number): void {
    for (;;) {
      const next = this.#blocks[1];
      if (next === undefined || next.start > position || this.#end - next.start < keptBytes) return;
      this.#blocks.shift();
    }
  }
}
