// Sends a large page that is kept packed: unpacked piece by piece, at the client's pace, so that many clients who take
// no coding do not each hold tens of megabytes.

import { createZstdDecompress } from 'node:zlib';
import type { Exchange } from './exchange.ts';
import { sendBody } from './send-body.ts';

/** The bytes of one piece. */
const PIECE_BYTES = 256 * 1024;

/** Sends the body behind the head that was sent. Rejects with ClientGone when the connection closes first. */
export async function sendUnpacked(exchange: Exchange, packed: Buffer): Promise<void> {
  const unpacking = createZstdDecompress({ chunkSize: PIECE_BYTES });
  unpacking.end(packed);
  const pieces = unpacking[Symbol.asyncIterator]() as AsyncIterator<Buffer, undefined>;
  try {
    await sendBody(exchange, async () => (await pieces.next()).value);
  } finally {
    unpacking.destroy();
  }
}
