// Where memory is little (the limit of a container), buffers that nobody needs any more are collected before they add up. V8
// waits for 64 MB of them, because they lie outside of its heap: with a wheel of 1 GB streaming through, a container of
// 128 MB was ended by the kernel.

import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** With more, V8's own measure is better: collecting takes time. */
const LITTLE_MEMORY_BYTES = 256 * 1024 * 1024;
const LOOK_MS = 20;
/** So much more than after the last collection is worth a small one: of what came lately, a millisecond or two. */
const GROWN_BYTES = 12_000_000;
/** So much left by a small one is worth a whole one. */
const LEFT_BYTES = 40_000_000;

/** Collects garbage now. */
export interface Collector {
  /** Bytes of buffers, needed or not. */
  readonly bufferBytes: () => number;
  readonly collect: (what: 'minor' | 'major') => void;
}

/** Collects garbage before buffers fill the limit of a container. */
export class EarlyCollection {
  readonly #collector: Collector;
  #after = 0;

  constructor(collector: Collector) {
    this.#collector = collector;
  }

  look(): void {
    const { bufferBytes, collect } = this.#collector;
    const before = bufferBytes();
    this.#after = Math.min(this.#after, before);
    if (before < this.#after + GROWN_BYTES) return;
    collect('minor');
    if (bufferBytes() > LEFT_BYTES) collect('major');
    this.#after = bufferBytes();
  }
}

/** Looks again and again until the returned function is called; never where there is memory enough. */
export function collectEarly(memoryBytes: number = process.constrainedMemory()): () => void {
  if (memoryBytes === 0 || memoryBytes > LITTLE_MEMORY_BYTES) return () => {};
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as (options: { readonly type: 'minor' | 'major' }) => void;
  const collection = new EarlyCollection({
    bufferBytes: () => getHeapStatistics().external_memory,
    collect: (type) => gc({ type }),
  });
  const timer = setInterval(() => collection.look(), LOOK_MS).unref();
  return () => clearInterval(timer);
}
