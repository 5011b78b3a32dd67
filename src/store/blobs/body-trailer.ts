// The file form of a body that belongs to one entry (an index page, a raw answer): the body, then a description in
// JSON, then a footer. The description makes the body readable without the entry store, so that a damaged database
// costs nothing in an outage; it stands behind the body because digest and size are known only then.
//
//   body … | description (JSON, UTF-8) | magic "WKB1" | description length (4) | first 8 bytes of its sha256

import { createHash } from 'node:crypto';
import { type Digest, parseDigest } from '../../core/digest.ts';
import type { Json } from '../entries/entry.ts';
import { readWholly } from './open-files.ts';

const MAGIC = Buffer.from('WKB1');
/** Bytes at the end of the file that say where the description begins. */
const FOOTER_BYTES = 16;
/** A description larger than this is damage, and none is written. */
const MAX_DESCRIPTION_BYTES = 1024 * 1024;

/** What stands behind a body: its digest and its description. */
export interface Trailer {
  readonly digest: Digest;
  readonly description: Json;
}

/** A description that would not be read back. */
export class DescriptionTooLarge extends Error {
  override readonly name = 'DescriptionTooLarge';
  readonly code = 'EFBIG';
}

/** Whether what is said of a body is read back, in bytes as written. */
export function isReadBack(trailer: Trailer): boolean {
  return Buffer.byteLength(JSON.stringify(trailer)) <= MAX_DESCRIPTION_BYTES;
}

/** What is appended behind the body. Throws DescriptionTooLarge. */
export function encodeTrailer(trailer: Trailer): Buffer {
  const json = Buffer.from(JSON.stringify(trailer));
  if (json.length > MAX_DESCRIPTION_BYTES) throw new DescriptionTooLarge(`a description has ${json.length} bytes`);
  const footer = Buffer.alloc(FOOTER_BYTES);
  MAGIC.copy(footer, 0);
  footer.writeUInt32BE(json.length, 4);
  createHash('sha256').update(json).digest().copy(footer, 8, 0, 8);
  return Buffer.concat([json, footer]);
}

/** How many bytes of description precede the footer; undefined when it is none of ours. */
function descriptionBytes(footer: Buffer): number | undefined {
  if (footer.length !== FOOTER_BYTES || !footer.subarray(0, 4).equals(MAGIC)) return undefined;
  const length = footer.readUInt32BE(4);
  return length <= MAX_DESCRIPTION_BYTES ? length : undefined;
}

/** The trailer, when its check sum agrees. */
function decodeTrailer(json: Buffer, footer: Buffer): Trailer | undefined {
  const check = createHash('sha256').update(json).digest().subarray(0, 8);
  if (!check.equals(footer.subarray(8, 16))) return undefined;
  const value = JSON.parse(json.toString('utf8')) as { readonly digest?: unknown; readonly description?: Json };
  const digest = typeof value.digest === 'string' ? parseDigest(value.digest) : undefined;
  return digest === undefined || value.description === undefined
    ? undefined
    : { digest, description: value.description };
}

/**
 * The trailer of a file of `fileBytes` bytes, and how large the body before it is; undefined when it has none, or a
 * damaged one. Rejects with the system's error, or with ShortRead, when the disk does not give it now.
 */
export async function readTrailer(
  fd: number,
  fileBytes: number,
): Promise<(Trailer & { readonly sizeBytes: number }) | undefined> {
  const footer = Buffer.alloc(FOOTER_BYTES);
  const footerAt = fileBytes - FOOTER_BYTES;
  if (footerAt < 0) return undefined;
  await readWholly(fd, footer, footerAt);
  const length = descriptionBytes(footer);
  if (length === undefined || length > footerAt) return undefined;
  const json = Buffer.alloc(length);
  await readWholly(fd, json, footerAt - length);
  const trailer = decodeTrailer(json, footer);
  return trailer === undefined ? undefined : { ...trailer, sizeBytes: footerAt - length };
}
