// One reader's place in a growing body.

import type { GrowingBody } from './growing-body.ts';

/** A buffer that a reader lends for bytes that have to come from the disk. */
export type Lend = () => Buffer;

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
