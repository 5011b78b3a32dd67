// Counts and hashes a body as it passes: our own sha256, which names the blob, and the expected hash beside it where
// the page knows another algorithm.

import { createHash, type Hash } from 'node:crypto';
import type { Digest } from '../core/digest.ts';
import type { Expectation } from './profile.ts';

const NODE_NAMES: Readonly<Record<Expectation['algorithm'], string>> = {
  sha256: 'sha256',
  sha512: 'sha512',
  sha384: 'sha384',
  sha224: 'sha224',
  sha1: 'sha1',
  md5: 'md5',
};

export class BodyHash {
  readonly #sha256: Hash = createHash('sha256');
  readonly #other: Hash | undefined;
  readonly #expected: Expectation | undefined;
  #bytes = 0;

  constructor(expected: Expectation | undefined) {
    this.#expected = expected;
    this.#other =
      expected === undefined || expected.algorithm === 'sha256'
        ? undefined
        : createHash(NODE_NAMES[expected.algorithm]);
  }

  get bytes(): number {
    return this.#bytes;
  }

  update(chunk: Buffer): void {
    this.#bytes += chunk.length;
    this.#sha256.update(chunk);
    this.#other?.update(chunk);
  }

  /** The blob's name, and whether the bytes are those that were promised (`unknown`: nothing was). Call once. */
  finish(): { readonly digest: Digest; readonly match: 'right' | 'wrong' | 'unknown' } {
    const digest = this.#sha256.digest('hex') as Digest;
    if (this.#expected === undefined) return { digest, match: 'unknown' };
    const found = this.#other?.digest('hex') ?? digest;
    return { digest, match: found === this.#expected.hex.toLowerCase() ? 'right' : 'wrong' };
  }
}
