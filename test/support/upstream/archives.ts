// Zip and tar.gz files made in memory, without a package: what wheels and sdists are packed in.
// The same members always give the same bytes: every time stamp is the one constant that both formats can hold.

import { crc32, deflateRawSync, gzipSync } from 'node:zlib';

export interface ArchiveMember {
  readonly path: string;
  readonly bytes: Buffer;
  /** Zip only: keep the bytes as they are, for padding that would not shrink anyway. */
  readonly stored?: boolean;
}

/** 1980-01-01 00:00, the oldest moment that a zip file can name. */
const DOS_DATE = (1 << 5) | 1;
const UNIX_TIME = 315_532_800;
const UTF8_NAMES = 0x0800;

/** A zip archive (APPNOTE 4.3): the members, the central directory, its end record. */
export function zip(members: readonly ArchiveMember[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const { path, bytes, stored = false } of members) {
    const name = Buffer.from(path);
    const data = stored ? bytes : deflateRawSync(bytes);
    // The fields that the local header and the directory share, from "version needed" to "extra field length".
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(UTF8_NAMES, 2);
    common.writeUInt16LE(stored ? 0 : 8, 4);
    common.writeUInt16LE(DOS_DATE, 8);
    common.writeUInt32LE(crc32(bytes), 10);
    common.writeUInt32LE(data.length, 14);
    common.writeUInt32LE(bytes.length, 18);
    common.writeUInt16LE(name.length, 22);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE((0o100644 << 16) >>> 0, 6);
    tail.writeUInt32LE(offset, 10);
    const local = [Buffer.from('PK\x03\x04'), common, name, data];
    parts.push(...local);
    // "Made by" 3.0 is Unix, so that the permission bits above count.
    directory.push(Buffer.from('PK\x01\x02'), Buffer.from([30, 3]), common, tail, name);
    offset += local.reduce((sum, part) => sum + part.length, 0);
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(members.length, 8);
  end.writeUInt16LE(members.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, central, end]);
}

/** A gzipped tar archive with ustar headers (POSIX 1003.1); paths up to 100 bytes. */
export function tarGz(members: readonly ArchiveMember[]): Buffer {
  const parts = members.flatMap(({ path, bytes }) => {
    const header = Buffer.alloc(512);
    header.write(path, 0, 100);
    header.write('0000644\0', 100);
    header.write('0000000\0', 108);
    header.write('0000000\0', 116);
    header.write(`${bytes.length.toString(8).padStart(11, '0')}\0`, 124);
    header.write(`${UNIX_TIME.toString(8).padStart(11, '0')}\0`, 136);
    header.write('        ', 148);
    header.write('0', 156);
    header.write('ustar\x0000', 257);
    // The checksum is taken with its own field as spaces, then written over them.
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    return [header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)];
  });
  return gzipSync(Buffer.concat([...parts, Buffer.alloc(1024)]));
}
