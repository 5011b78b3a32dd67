// What a page says about the bytes of a file before they are fetched.

import type { Expectation } from '../cache/profile.ts';
import type { Hashes } from '../pages/page.ts';

/** Strongest first; what is not listed here cannot be checked and counts as no hash. */
const ALGORITHMS = ['sha256', 'sha512', 'sha384', 'sha224', 'sha1', 'md5'] as const;
const HEX_DIGITS: Readonly<Record<Expectation['algorithm'], number>> = {
  sha256: 64,
  sha512: 128,
  sha384: 96,
  sha224: 56,
  sha1: 40,
  md5: 32,
};

/** The strongest hash that can be checked; one with a wrong length or other characters is none. */
export function expectationOf(hashes: Hashes): Expectation | undefined {
  for (const algorithm of ALGORITHMS) {
    const hex = Object.hasOwn(hashes, algorithm) ? hashes[algorithm] : undefined;
    if (hex !== undefined && hex.length === HEX_DIGITS[algorithm] && /^[0-9a-fA-F]+$/.test(hex)) {
      return { algorithm, hex: hex.toLowerCase() };
    }
  }
  return undefined;
}
