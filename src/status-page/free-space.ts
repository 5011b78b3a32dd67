// How much room the disk has, without waiting for the disk: what was seen last, looked at again beside the answer.

import { statfs } from 'node:fs/promises';

export interface FreeSpaceOptions {
  /** A folder of the file system. */
  readonly folder: string;
  readonly now: () => number;
}

const LOOK_AGAIN_MS = 10_000;

export class FreeSpace {
  readonly #options: FreeSpaceOptions;
  #bytes: number | undefined;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #looking = false;

  /** Looks for the first time. */
  constructor(options: FreeSpaceOptions) {
    this.#options = options;
    void this.#look();
  }

  /** What we may still write, at most a few seconds before the last time somebody asked. Undefined when unknown. */
  get bytes(): number | undefined {
    if (this.#options.now() - this.#lookedAt >= LOOK_AGAIN_MS) void this.#look();
    return this.#bytes;
  }

  /** One at a time: a disk that hangs holds one thread, not all of them. */
  async #look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    this.#lookedAt = this.#options.now();
    try {
      const { bavail, bsize } = await statfs(this.#options.folder);
      this.#bytes = bavail * bsize;
    } catch {
      // A disk that does not answer is told of by those who need it; here the figure is missing.
      this.#bytes = undefined;
    } finally {
      this.#looking = false;
    }
  }
}
