// What a request's own Cache-Control asks of us (RFC 9111 5.2.1), as far as the rules let it.
//
// Pragma is not read: RFC 9111 5.4 deprecates it. Nor is stale-if-error in a request (RFC 5861 4): what may stand in for
// a failing upstream is the origin's and the operator's to say.

import { fieldValue, type RequestHead } from '../core/http-message.ts';
import { parseDirectives, type RequestDirectives, readRequestDirectives } from './cache-control.ts';
import { oncePerText } from './memoize.ts';
import type { CacheRules } from './rules.ts';

const NOTHING_ASKED: RequestDirectives = readRequestDirectives([]);

const obeyed = oncePerText((cacheControl: string) => readRequestDirectives(parseDirectives(cacheControl)));

// 5.2.1: request directives are advisory. only-if-cached, which spares upstream and costs us nothing, is kept.
const heard = oncePerText(
  (cacheControl: string): RequestDirectives => ({
    ...NOTHING_ASKED,
    onlyIfCached: obeyed(cacheControl).onlyIfCached,
  }),
);

/** The directives of the request that count under `rules`. */
export function readRequest(request: RequestHead, rules: CacheRules): RequestDirectives {
  const cacheControl = fieldValue(request.fields, 'cache-control');
  if (cacheControl === undefined) return NOTHING_ASKED;
  return rules.requestDirectives === 'honour' ? obeyed(cacheControl) : heard(cacheControl);
}
