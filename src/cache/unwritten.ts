// Records that the database did not take: somebody else had it locked, the disk was full. Kept, the newest of each key, to
// be written when it takes them again, for until then only memory has them. Bounded: what is dropped is found again by
// the body that it spoke of.

const MAX_BYTES = 16 * 1024 * 1024;
/** What a key costs in memory beside its text. */
const OVERHEAD_BYTES = 200;

export class Unwritten {
  /** Null is a removal. */
  readonly #texts = new Map<string, string | null>();
  #bytes = 0;

  /** Undefined when nothing of this key is unwritten. */
  get(key: string): string | null | undefined {
    return this.#texts.get(key);
  }

  keep(key: string, text: string | null): void {
    this.drop(key);
    this.#texts.set(key, text);
    this.#bytes += sizeOf(key, text);
    for (const oldest of this.#texts.keys()) {
      if (this.#bytes <= MAX_BYTES) return;
      this.drop(oldest);
    }
  }

  /** It is written, or somebody else has written since. */
  drop(key: string): void {
    const text = this.#texts.get(key);
    if (text === undefined) return;
    this.#texts.delete(key);
    this.#bytes -= sizeOf(key, text);
  }

  /** Keys that are to be there, those that start with `prefix`. */
  keys(prefix: string): string[] {
    return [...this.#texts].flatMap(([key, text]) => (text !== null && key.startsWith(prefix) ? key : []));
  }

  /** At most `limit` of them, those that have waited longest. */
  oldest(limit: number): [key: string, text: string | null][] {
    return [...this.#texts].slice(0, limit);
  }
}

function sizeOf(key: string, text: string | null): number {
  return key.length + (text?.length ?? 0) + OVERHEAD_BYTES;
}
