// Requests that only read: what is answered from the cache takes no other ones.

import type { IncomingMessage } from 'node:http';
import { BadRequest, MethodNotAllowed } from '../core/errors.ts';
import type { Exchange } from './exchange.ts';

/** A body on a request that has no use for one is how requests are smuggled past a proxy (S07, S10). */
function refuseBodyWithoutMeaning(request: IncomingMessage): void {
  const { headers } = request;
  const length = headers['content-length'];
  if ((length !== undefined && length !== '0') || headers['transfer-encoding'] !== undefined) {
    throw new BadRequest('A GET or HEAD request with a body is refused.');
  }
}

/** Throws MethodNotAllowed unless the method only reads, BadRequest when it comes with a body all the same. */
export function requireReading({ request }: Exchange): void {
  const { method } = request;
  if (method !== 'GET' && method !== 'HEAD') throw new MethodNotAllowed(`${method} is not served here.`);
  refuseBodyWithoutMeaning(request);
}
