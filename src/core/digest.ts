// The name of a blob: the sha256 of its bytes.

import { createHash } from 'node:crypto';
import { inPieces } from './large-bytes.ts';

/** Sixty-four lower-case hexadecimal digits. The brand keeps unchecked text from travelling as a digest. */
export type Digest = string & { readonly brand: 'Digest' };

/** The digest in `text`, in either case; undefined when it is not the hexadecimal form of a sha256. */
export function parseDigest(text: string): Digest | undefined {
  return /^[0-9a-fA-F]{64}$/.test(text) ? (text.toLowerCase() as Digest) : undefined;
}

/** The digest of bytes of any size. Another thread would be handed a copy, and copying takes as long as hashing. */
export async function digestInPieces(bytes: Uint8Array): Promise<Digest> {
  const hash = createHash('sha256');
  await inPieces([bytes], (part) => hash.update(part));
  return hash.digest('hex') as Digest;
}

/** The digest of bytes held in memory. */
export function digestOf(bytes: Uint8Array | string): Digest {
  return createHash('sha256').update(bytes).digest('hex') as Digest;
}
