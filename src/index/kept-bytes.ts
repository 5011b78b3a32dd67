// How the bytes of a representation are kept in memory: as they are sent; or, where the uncoded form is very large,
// packed, for a list of all projects has 40 MB, and nobody who is sent coded bytes needs it.

import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import {
  createGzip,
  createZstdDecompress,
  gzip,
  gzipSync,
  constants as zlib,
  zstdCompress,
  zstdCompressSync,
} from 'node:zlib';
import { digestInPieces } from '../core/digest.ts';
import { exactBytes } from '../core/exact-bytes.ts';
import type { PageCoding } from '../pages/negotiate.ts';

/** The bytes of a representation as they are kept in memory, whole or packed. */
export interface KeptBytes {
  /** The representation; where it is packed its zstd form, to be unpacked while it is sent. */
  readonly bytes: Buffer;
  readonly packed: boolean;
  /** Of the uncoded bytes, sha256 in hexadecimal. */
  readonly digest: string;
  /** Of the representation. */
  readonly sizeBytes: number;
}

/** Up to this size compressing takes less time here (0.5 ms) than their way to another thread and back. */
const SMALL_BYTES = 32 * 1024;
/** From this size on speed of compression counts for more than the last per cent of size. */
const LARGE_BYTES = 1024 * 1024;
const LARGE_LEVEL = 1;
/** Few large pieces: each costs a way to another thread and back. */
const PIECE_BYTES = 256 * 1024;
/** From this size on the uncoded form is packed: lists of all projects, pages of more than ten thousand files. */
const PACKED_FROM_BYTES = 8 * 1024 * 1024;

const gzipBytes = promisify(gzip);
const zstdBytes = promisify(zstdCompress);

/** The uncoded bytes. */
export async function keptAsRendered(rendered: Buffer): Promise<KeptBytes> {
  const digest = await digestInPieces(rendered);
  const sizeBytes = rendered.length;
  const packed = sizeBytes >= PACKED_FROM_BYTES;
  return { bytes: exactBytes(packed ? await encoded(rendered, 'zstd') : rendered), packed, digest, sizeBytes };
}

/** Coded bytes, made from the uncoded ones. */
export async function keptCoded({ bytes, packed, digest }: KeptBytes, coding: PageCoding): Promise<KeptBytes> {
  const result = packed ? await recoded(bytes, coding) : exactBytes(await encoded(bytes, coding));
  return { bytes: result, packed: false, digest, sizeBytes: result.length };
}

/** From packed bytes, which are never whole in memory. */
async function recoded(packed: Buffer, coding: PageCoding): Promise<Buffer> {
  if (coding === 'zstd') return packed;
  const pieces: Buffer[] = [];
  const unpacking = createZstdDecompress({ chunkSize: PIECE_BYTES });
  unpacking.end(packed);
  await pipeline(
    unpacking,
    createGzip({ level: LARGE_LEVEL, chunkSize: PIECE_BYTES }),
    async (source: AsyncIterable<Buffer>) => {
      for await (const piece of source) pieces.push(piece);
    },
  );
  return Buffer.concat(pieces);
}

function encoded(bytes: Buffer, coding: PageCoding): Promise<Buffer> | Buffer {
  const small = bytes.length <= SMALL_BYTES;
  const large = bytes.length > LARGE_BYTES;
  switch (coding) {
    case 'identity':
      return bytes;
    case 'gzip': {
      const options = { level: large ? 1 : 6 };
      return small ? gzipSync(bytes, options) : (gzipBytes(bytes, options) as Promise<Buffer>);
    }
    case 'zstd': {
      const options = { params: { [zlib.ZSTD_c_compressionLevel]: large ? 1 : 3 } };
      return small ? zstdCompressSync(bytes, options) : (zstdBytes(bytes, options) as Promise<Buffer>);
    }
  }
}
