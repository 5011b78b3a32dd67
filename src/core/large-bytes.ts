// Bodies of tens of megabytes held in memory without holding everybody else up: they are worked on piece by piece, and
// they lie where other threads read them without a copy.

import { setImmediate } from 'node:timers/promises';

/** What is worked on before others get their turn: 1 to 2 ms of hashing or copying. */
const PIECE_BYTES = 1024 * 1024;
/** From this size on handing a copy to another thread would take longer than a few pieces of work. */
const SHARED_FROM_BYTES = 4 * 1024 * 1024;

/** Memory for a body that is filled once and then only read, by any thread. */
export function bodyMemory(sizeBytes: number): Buffer {
  return sizeBytes < SHARED_FROM_BYTES ? Buffer.allocUnsafe(sizeBytes) : Buffer.from(new SharedArrayBuffer(sizeBytes));
}

/** Calls `use` with the bytes in order, in parts of at most 1 MB, and lets others run after each megabyte. */
export async function inPieces(buffers: Iterable<Uint8Array>, use: (part: Uint8Array) => void): Promise<void> {
  let room = PIECE_BYTES;
  for (const bytes of buffers) {
    for (let position = 0; position < bytes.length; ) {
      if (room === 0) {
        await setImmediate();
        room = PIECE_BYTES;
      }
      const part = bytes.subarray(position, position + room);
      use(part);
      position += part.length;
      room -= part.length;
    }
  }
}

/** The chunks as one body, in memory of its own. */
export async function joined(chunks: readonly Buffer[], sizeBytes: number): Promise<Buffer> {
  const body = bodyMemory(sizeBytes);
  let position = 0;
  await inPieces(chunks, (part) => {
    body.set(part, position);
    position += part.length;
  });
  return body;
}
