// METADATA out of a wheel (PEP 427), for indexes that offer none of their own (PEP 658).

import type { Blob } from '../store/blobs/blob-store.ts';
import { UnreadableWheel, type WheelBytes, zipContent, zipMembers } from './zip-members.ts';

/** The one METADATA of a wheel lies in the one `.dist-info` folder at its top. */
const METADATA = /^[^/]+\.dist-info\/METADATA$/;
const METADATA_ENDING = '.dist-info/METADATA';

/** The bytes of the wheel's METADATA. Rejects with UnreadableWheel. */
export async function metadataOfWheel(wheel: WheelBytes): Promise<Buffer> {
  const found = (await zipMembers(wheel, METADATA_ENDING)).filter(({ path }) => METADATA.test(path));
  const [member] = found;
  if (member === undefined || found.length > 1) throw new UnreadableWheel(`it has ${found.length} METADATA, not one`);
  return zipContent(wheel, member);
}

/** A wheel that is stored here. */
export function storedWheel(blob: Blob): WheelBytes {
  return {
    sizeBytes: blob.sizeBytes,
    bytesAt: async (position, length) => {
      if (blob.bytes !== undefined) return blob.bytes.subarray(position, position + length);
      const bytes = Buffer.alloc(length);
      for (let filled = 0; filled < length; ) {
        const count = await blob.read(bytes.subarray(filled), position + filled);
        if (count === 0) throw new UnreadableWheel('it ends too early');
        filled += count;
      }
      return bytes;
    },
  };
}
