// What a successful write makes of stored responses (RFC 9111 4.4).

import { fieldLines, type RequestHead, type ResponseHead } from '../core/http-message.ts';

/** RFC 9110 9.2.1: the safe methods. A method whose safety is unknown counts as unsafe. */
const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);

/**
 * The URLs whose stored responses are to be dropped; the request's `url` is absolute. Invalid is the whole URL with all
 * its variants.
 */
export function invalidatedUrls(request: RequestHead, response: ResponseHead): string[] {
  if (SAFE.has(request.method)) return [];
  // Only an answer without error, 2xx or 3xx, tells that something was changed.
  if (response.status < 200 || response.status > 399) return [];
  // The target URI MUST be invalidated.
  const urls = new Set([request.url]);
  const target = URL.parse(request.url);
  if (target === null) return [...urls];
  // Those in Location and Content-Location MAY be, and MUST NOT where their origin is another: nobody purges what
  // belongs to somebody else.
  for (const name of ['location', 'content-location']) {
    for (const reference of fieldLines(response.fields, name)) {
      const url = URL.parse(reference, target.href);
      if (url === null || url.origin !== target.origin) continue;
      url.hash = '';
      urls.add(url.href);
    }
  }
  return [...urls];
}
