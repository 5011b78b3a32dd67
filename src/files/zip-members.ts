// A small, strict reader of zip files that knows what wheels are made of, reads no more of them than it needs, and
// refuses the rest (APPNOTE 4.3).

import { promisify } from 'node:util';
import { crc32, inflateRaw } from 'node:zlib';

/** What is no wheel that we can read. */
export class UnreadableWheel extends Error {
  override readonly name = 'UnreadableWheel';
}

/** A wheel, here or elsewhere, that can be read in parts. */
export interface WheelBytes {
  readonly sizeBytes: number;
  /** Exactly these bytes of it; it is never asked for others than it has. */
  bytesAt(position: number, length: number): Promise<Buffer>;
}

const END_BYTES = 22;
/** The end record may be followed by a comment of this length. */
const MAX_COMMENT_BYTES = 0xffff;
/** The end of a wheel in which the end record lies. */
export const TAIL_BYTES = END_BYTES + MAX_COMMENT_BYTES;
/** A hundred thousand files and more; the directory is gone through in one go. */
const MAX_DIRECTORY_BYTES = 16 * 1024 * 1024;
const MAX_MEMBER_BYTES = 4 * 1024 * 1024;
const DIRECTORY_ENTRY_BYTES = 46;
const LOCAL_HEADER_BYTES = 30;

const END_MARK = 'PK\x05\x06';
const ENTRY_MARK = 0x02014b50;
const LOCAL_MARK = 0x04034b50;
const STORED = 0;
const DEFLATED = 8;

const inflate = promisify(inflateRaw);

/** One member of a zip archive: its path and where its bytes lie. */
export interface ZipMember {
  readonly path: string;
  readonly method: number;
  readonly crc: number;
  readonly packedBytes: number;
  readonly sizeBytes: number;
  readonly offset: number;
}

/** An archive that was read whole. */
export function inMemory(bytes: Buffer): WheelBytes {
  return { sizeBytes: bytes.length, bytesAt: async (position, length) => bytes.subarray(position, position + length) };
}

/** The members whose path ends in `ending`. Rejects with UnreadableWheel. */
export async function zipMembers(archive: WheelBytes, ending: string): Promise<ZipMember[]> {
  const directory = await centralDirectory(archive);
  const wanted = Buffer.from(ending);
  const found: ZipMember[] = [];
  for (let at = 0; at + DIRECTORY_ENTRY_BYTES <= directory.length; ) {
    if (directory.readUInt32LE(at) !== ENTRY_MARK) throw new UnreadableWheel('its directory is damaged');
    const nameBytes = directory.readUInt16LE(at + 28);
    const name = directory.subarray(at + DIRECTORY_ENTRY_BYTES, at + DIRECTORY_ENTRY_BYTES + nameBytes);
    if (endsWith(name, wanted)) {
      found.push({
        path: name.toString('utf8'),
        method: directory.readUInt16LE(at + 10),
        crc: directory.readUInt32LE(at + 16),
        packedBytes: directory.readUInt32LE(at + 20),
        sizeBytes: directory.readUInt32LE(at + 24),
        offset: directory.readUInt32LE(at + 42),
      });
    }
    at += DIRECTORY_ENTRY_BYTES + nameBytes + directory.readUInt16LE(at + 30) + directory.readUInt16LE(at + 32);
  }
  return found;
}

/** The bytes of a member, proven by its checksum. Rejects with UnreadableWheel. */
export async function zipContent(archive: WheelBytes, member: ZipMember): Promise<Buffer> {
  if (member.packedBytes > MAX_MEMBER_BYTES || member.sizeBytes > MAX_MEMBER_BYTES) {
    throw new UnreadableWheel(`its ${member.path} is too large`);
  }
  const header = await bytesAt(archive, member.offset, LOCAL_HEADER_BYTES);
  if (header.readUInt32LE(0) !== LOCAL_MARK) throw new UnreadableWheel('its directory points nowhere');
  // The local name and extra fields may be longer than those of the directory.
  const start = member.offset + LOCAL_HEADER_BYTES + header.readUInt16LE(26) + header.readUInt16LE(28);
  const content = await unpacked(await bytesAt(archive, start, member.packedBytes), member);
  if (content.length !== member.sizeBytes || crc32(content) !== member.crc) {
    throw new UnreadableWheel(`its ${member.path} is damaged`);
  }
  return content;
}

async function centralDirectory(wheel: WheelBytes): Promise<Buffer> {
  const tailBytes = Math.min(wheel.sizeBytes, TAIL_BYTES);
  const tail = await bytesAt(wheel, wheel.sizeBytes - tailBytes, tailBytes);
  const end = tail.lastIndexOf(END_MARK, tail.length - END_BYTES, 'latin1');
  if (end < 0) throw new UnreadableWheel('it is no zip file');
  const disk = tail.readUInt16LE(end + 4);
  const length = tail.readUInt32LE(end + 12);
  const offset = tail.readUInt32LE(end + 16);
  // Also the mark of zip64, which no wheel below 4 GB needs, and parts of an archive on several disks.
  if (disk !== 0 || length > MAX_DIRECTORY_BYTES || offset + length > wheel.sizeBytes) {
    throw new UnreadableWheel('its directory cannot be read');
  }
  return bytesAt(wheel, offset, length);
}

function endsWith(name: Buffer, ending: Buffer): boolean {
  return name.length >= ending.length && name.subarray(name.length - ending.length).equals(ending);
}

async function unpacked(bytes: Buffer, { path, method, sizeBytes }: ZipMember): Promise<Buffer> {
  if (method === STORED) return bytes;
  if (method !== DEFLATED) throw new UnreadableWheel(`its ${path} is compressed by method ${method}`);
  try {
    return await inflate(bytes, { maxOutputLength: Math.max(1, sizeBytes) });
  } catch (error) {
    throw new UnreadableWheel(`its ${path} cannot be decompressed`, { cause: error });
  }
}

function bytesAt(wheel: WheelBytes, position: number, length: number): Promise<Buffer> {
  if (position < 0 || position + length > wheel.sizeBytes) throw new UnreadableWheel('it ends too early');
  return wheel.bytesAt(position, length);
}
