// A part of a file that nobody has verified (206), sent as upstream sends it: without a tag, by which clients would join
// it to other bytes, and not to be stored in front of us either.

import { UpstreamFailure } from '../core/errors.ts';
import type { PassedPart } from '../files/passed-part.ts';
import { cacheStatus } from '../http-semantics/cache-status.ts';
import { contentFields } from './cache-fields.ts';
import type { Exchange } from './exchange.ts';
import { sendBody } from './send-body.ts';

/** Rejects with an UpstreamFailure when upstream sends more or less than it announced; the connection must break then. */
export async function sendPassedPart(exchange: Exchange, { range, response }: PassedPart): Promise<void> {
  exchange.outcome = 'passthrough';
  const { first, last, sizeBytes } = range;
  let left = last - first + 1;
  const fields = [
    ...contentFields(),
    'content-range',
    `bytes ${first}-${last}/${sizeBytes}`,
    'content-length',
    String(left),
    'cache-control',
    'no-store',
    'cache-status',
    cacheStatus({ fwd: 'bypass', detail: 'unverified-part' }),
  ];
  try {
    const chunks = response.body[Symbol.asyncIterator]();
    await sendBody(exchange, async () => {
      const { done, value } = await chunks.next();
      const bytes = done === true ? undefined : (value as Buffer);
      left -= bytes?.length ?? 0;
      if (left < 0 || (bytes === undefined && left > 0)) {
        throw new UpstreamFailure('protocol', 'Upstream sent a part of another length than it announced.');
      }
      // Not before there is something to send: what fails until then is told by a status.
      if (bytes !== undefined && !exchange.response.headersSent) exchange.head(206, fields);
      return bytes;
    });
  } finally {
    response.body.destroy();
  }
}
