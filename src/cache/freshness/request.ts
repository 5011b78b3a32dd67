// What a request's own Cache-Control asks of us (RFC 9111 5.2.1), as far as the rules let it.
//
// Pragma is not read: RFC 9111 5.4 deprecates it, and no installer sends it without Cache-Control.

import { fieldValue, type RequestHead } from '../../http-message.ts';
import { parseDirectives, type RequestDirectives, readRequestDirectives } from './cache-control.ts';
import type { CacheRules } from './rules.ts';

const NOTHING_ASKED: RequestDirectives = readRequestDirectives([]);

/** The directives of the request that count under `rules`. */
export function readRequest(request: RequestHead, rules: CacheRules): RequestDirectives {
  const cacheControl = fieldValue(request.fields, 'cache-control');
  if (cacheControl === undefined) return NOTHING_ASKED;
  const asked = readRequestDirectives(parseDirectives(cacheControl));
  // 5.2.1: request directives are advisory. only-if-cached forbids to bother upstream and costs us nothing.
  return rules.requestDirectives === 'honour' ? asked : { ...NOTHING_ASKED, onlyIfCached: asked.onlyIfCached };
}
