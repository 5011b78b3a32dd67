// The name of a blob: the sha256 of its bytes.

import { createHash } from 'node:crypto';

/** Sixty-four lower-case hexadecimal digits. The brand keeps unchecked text from travelling as a digest. */
export type Digest = string & { readonly brand: 'Digest' };

/** The digest in `text`, in either case; undefined when it is not the hexadecimal form of a sha256. */
export function parseDigest(text: string): Digest | undefined {
  return /^[0-9a-fA-F]{64}$/.test(text) ? (text.toLowerCase() as Digest) : undefined;
}

/** Up to this size hashing takes less time here than its way to another thread and back. */
const SMALL_BYTES = 512 * 1024;

/** The digest of bytes of any size: hashing tens of megabytes here would hold everybody up. */
export async function digestOffThread(bytes: Uint8Array): Promise<Digest> {
  if (bytes.length <= SMALL_BYTES) return digestOf(bytes);
  const hash = await crypto.subtle.digest('SHA-256', bytes as Uint8Array<ArrayBuffer>);
  return Buffer.from(hash).toString('hex') as Digest;
}

/** The digest of bytes held in memory. */
export function digestOf(bytes: Uint8Array | string): Digest {
  return createHash('sha256').update(bytes).digest('hex') as Digest;
}
