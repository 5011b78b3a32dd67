// Requests that we and a proxy before us may understand differently: they are refused, and nothing that follows on
// their connection is believed to be a request. Pure.

import type { IncomingMessage } from 'node:http';
import { BadRequest, MethodNotAllowed } from '../core/errors.ts';

/** What may stand in Host: a name or an address literal and a port (RFC 9110 7.2, RFC 3986 3.2.2). */
const HOST = /^[\w.~!$&'()*+,;=%:[\]-]*$/;

type Head = Pick<IncomingMessage, 'headers' | 'rawHeaders' | 'httpVersionMajor'>;

/** What is doubtful about the request, for its sender; undefined when nothing is. */
export function doubtAbout({ headers, rawHeaders, httpVersionMajor }: Head): string | undefined {
  if (httpVersionMajor !== 1) return 'Only HTTP/1.1 and HTTP/1.0 are spoken here.';
  const coding = headers['transfer-encoding'];
  // RFC 9112 6.1: where a body ends that is not plainly "chunked" is a matter of opinion.
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') {
    return 'Of the transfer codings only "chunked" is taken.';
  }
  // RFC 9112 3.2: more than one Host, or one that is none, must be refused.
  if (!HOST.test(headers.host ?? '')) return 'The field Host names no host.';
  let hosts = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    if (name.length === 4 && name.toLowerCase() === 'host') hosts++;
  }
  return hosts > 1 ? 'The field Host may stand there once only.' : undefined;
}

// Requests that only read: what is answered from the cache takes no other ones.

/** A body on a request that has no use for one is how requests are smuggled past a proxy. */
function refuseBodyWithoutMeaning(request: IncomingMessage): void {
  const { headers } = request;
  const length = headers['content-length'];
  if ((length !== undefined && length !== '0') || headers['transfer-encoding'] !== undefined) {
    throw new BadRequest('A GET or HEAD request with a body is refused.');
  }
}

/** Throws MethodNotAllowed unless the method only reads, BadRequest when it comes with a body all the same. */
export function requireReading({ request }: { readonly request: IncomingMessage }): void {
  const { method } = request;
  if (method !== 'GET' && method !== 'HEAD') throw new MethodNotAllowed(`${method} is not served here.`);
  refuseBodyWithoutMeaning(request);
}
