// Sends a rendered page or document: whole, or 304 when the client has it.

import type { PageAnswer } from '../index/index-service.ts';
import { pageCacheFields } from './cache-fields.ts';
import type { Exchange } from './exchange.ts';
import { sendUnpacked } from './send-unpacked.ts';

export async function sendRendered(exchange: Exchange, { answer, page }: PageAnswer): Promise<void> {
  exchange.outcome = answer.outcome;
  const cacheFields = pageCacheFields(answer, exchange.sharing);
  const known = exchange.request.headers['if-none-match'];
  // RFC 9110 13.1.2: weak comparison; our tags are strong, so W/ in front of one changes nothing.
  if (known !== undefined && (known.includes(page.etag) || known.trim() === '*')) {
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
