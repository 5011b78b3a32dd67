// METADATA out of a stored wheel (PEP 427), for indexes that offer none of their own (PEP 658): a small, strict reader
// of zip files that knows what wheels are made of and refuses the rest (APPNOTE 4.3).

import { crc32, inflateRawSync } from 'node:zlib';
import type { Blob } from '../cache/blob-store.ts';

/** What is no wheel that we can read. */
export class UnreadableWheel extends Error {
  override readonly name = 'UnreadableWheel';
}

const END_BYTES = 22;
/** The end record may be followed by a comment of this length. */
const MAX_COMMENT_BYTES = 0xffff;
const MAX_DIRECTORY_BYTES = 64 * 1024 * 1024;
const MAX_METADATA_BYTES = 16 * 1024 * 1024;
const DIRECTORY_ENTRY_BYTES = 46;
const LOCAL_HEADER_BYTES = 30;

/** The one METADATA of a wheel lies in the one `.dist-info` folder at its top. */
const METADATA = /^[^/]+\.dist-info\/METADATA$/;

interface Member {
  readonly method: number;
  readonly crc: number;
  readonly packedBytes: number;
  readonly sizeBytes: number;
  readonly offset: number;
}

/** The bytes of the wheel's METADATA. Throws UnreadableWheel. */
export async function metadataOfWheel(wheel: Blob): Promise<Buffer> {
  const member = metadataMember(await centralDirectory(wheel));
  if (member.packedBytes > MAX_METADATA_BYTES || member.sizeBytes > MAX_METADATA_BYTES) {
    throw new UnreadableWheel('its METADATA is too large');
  }
  const header = await bytesAt(wheel, member.offset, LOCAL_HEADER_BYTES);
  if (header.toString('latin1', 0, 4) !== 'PK\x03\x04') throw new UnreadableWheel('its directory points nowhere');
  // The local name and extra fields may be longer than those of the directory.
  const start = member.offset + LOCAL_HEADER_BYTES + header.readUInt16LE(26) + header.readUInt16LE(28);
  const metadata = unpacked(await bytesAt(wheel, start, member.packedBytes), member);
  if (metadata.length !== member.sizeBytes || crc32(metadata) !== member.crc) {
    throw new UnreadableWheel('its METADATA is damaged');
  }
  return metadata;
}

async function centralDirectory(wheel: Blob): Promise<Buffer> {
  const tailBytes = Math.min(wheel.sizeBytes, END_BYTES + MAX_COMMENT_BYTES);
  const tail = await bytesAt(wheel, wheel.sizeBytes - tailBytes, tailBytes);
  const end = tail.lastIndexOf('PK\x05\x06', tail.length - END_BYTES, 'latin1');
  if (end < 0) throw new UnreadableWheel('it is no zip file');
  const length = tail.readUInt32LE(end + 12);
  const offset = tail.readUInt32LE(end + 16);
  // Also the mark of zip64, which no wheel below 4 GB needs.
  if (length > MAX_DIRECTORY_BYTES || offset + length > wheel.sizeBytes) {
    throw new UnreadableWheel('its directory cannot be read');
  }
  return bytesAt(wheel, offset, length);
}

function metadataMember(directory: Buffer): Member {
  const found: Member[] = [];
  for (let at = 0; at + DIRECTORY_ENTRY_BYTES <= directory.length; ) {
    if (directory.toString('latin1', at, at + 4) !== 'PK\x01\x02')
      throw new UnreadableWheel('its directory is damaged');
    const nameBytes = directory.readUInt16LE(at + 28);
    const name = directory.toString('utf8', at + DIRECTORY_ENTRY_BYTES, at + DIRECTORY_ENTRY_BYTES + nameBytes);
    if (METADATA.test(name)) {
      found.push({
        method: directory.readUInt16LE(at + 10),
        crc: directory.readUInt32LE(at + 16),
        packedBytes: directory.readUInt32LE(at + 20),
        sizeBytes: directory.readUInt32LE(at + 24),
        offset: directory.readUInt32LE(at + 42),
      });
    }
    at += DIRECTORY_ENTRY_BYTES + nameBytes + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
  }
  const [member] = found;
  if (member === undefined || found.length > 1) throw new UnreadableWheel(`it has ${found.length} METADATA, not one`);
  return member;
}

function unpacked(bytes: Buffer, { method, sizeBytes }: Member): Buffer {
  if (method === 0) return bytes;
  if (method !== 8) throw new UnreadableWheel(`its METADATA is compressed by method ${method}`);
  try {
    return inflateRawSync(bytes, { maxOutputLength: Math.max(1, sizeBytes) });
  } catch (error) {
    throw new UnreadableWheel('its METADATA cannot be decompressed', { cause: error });
  }
}

/** Exactly these bytes, or UnreadableWheel where the file ends before. */
async function bytesAt(wheel: Blob, position: number, length: number): Promise<Buffer> {
  if (position < 0 || position + length > wheel.sizeBytes) throw new UnreadableWheel('it ends too early');
  if (wheel.bytes !== undefined) return wheel.bytes.subarray(position, position + length);
  const bytes = Buffer.alloc(length);
  for (let filled = 0; filled < length; ) {
    const count = await wheel.read(bytes.subarray(filled), position + filled);
    if (count === 0) throw new UnreadableWheel('it ends too early');
    filled += count;
  }
  return bytes;
}
