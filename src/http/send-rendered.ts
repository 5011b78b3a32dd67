// Sends a rendered page or document: whole, or 304 when the client has it.

import { createZstdDecompress } from 'node:zlib';
import type { PageAnswer } from '../index/index-service.ts';
import { pageCacheFields } from './cache-fields.ts';
import { isKnown } from './client-conditions.ts';
import type { Exchange } from './exchange.ts';
import { sendBody } from './send-body.ts';

/** Sends a rendered page in the coding that the client takes. */
export async function sendRendered(exchange: Exchange, { answer, page }: PageAnswer): Promise<void> {
  exchange.outcome = answer.outcome;
  const cacheFields = pageCacheFields(answer, exchange.sharing);
  if (isKnown(exchange, page.etag)) {
    exchange.send(304, page.notModifiedFields.concat(cacheFields));
    return;
  }
  const fields = page.fields.concat(cacheFields);
  if (!page.packed) return exchange.send(200, fields, page.bytes);
  if (exchange.isHead) return exchange.send(200, fields);
  exchange.head(200, fields);
  await sendUnpacked(exchange, page.bytes);
}

/** Whether the client wants a validated answer. pip's routine `max-age=0` is not such a wish (design: section 6). */
export function insists(exchange: Exchange): boolean {
  const control = exchange.request.headers['cache-control'];
  return control !== undefined && /(?:^|[\s,])no-cache(?:$|[\s,])/i.test(control);
}

// Sends a large page that is kept packed: unpacked piece by piece, at the client's pace, so that many clients who take
// no coding do not each hold tens of megabytes.

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
