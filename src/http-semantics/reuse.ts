// The verdict on a request: may a stored response answer it, and how (RFC 9111 4)?

import type { RequestHead } from '../core/http-message.ts';
import { currentAgeSeconds, freshnessLifetimeSeconds } from './age.ts';
import type { RequestDirectives } from './cache-control.ts';
import { readRequest } from './request.ts';
import type { CacheRules, StoredHead } from './rules.ts';
import { mayBeKept, mustNotBeStale } from './stale.ts';
import { governingDirectives } from './targeted.ts';
import { selectVariant } from './vary.ts';

/** What to do; `forward` is the reason to ask upstream, in the words of RFC 9211 2.2. */
export type Verdict<T> =
  /** Answer with the entry. It may be past its lifetime when the client said it takes that (max-stale). */
  | { readonly kind: 'fresh'; readonly entry: T }
  /** Answer with the entry and validate it in the background (RFC 5861 3). */
  | { readonly kind: 'stale-while-revalidate'; readonly entry: T }
  /** Ask upstream with the entry's conditions before answering. */
  | { readonly kind: 'revalidate'; readonly entry: T; readonly forward: 'stale' | 'request' }
  /** Ask upstream; nothing stored fits. */
  | { readonly kind: 'miss'; readonly forward: 'uri-miss' | 'vary-miss' | 'request' | 'method' }
  /** The client wants a stored response only and there is none that fits: 504. */
  | { readonly kind: 'unavailable' };

/** Judges the stored responses of the request's URL at `now` (ms since the epoch). */
export function verdict<T extends StoredHead>(
  request: RequestHead,
  variants: readonly T[],
  now: number,
  rules: CacheRules,
): Verdict<T> {
  // 4: the stored response's method allows this use: stored are answers to GET, and a HEAD is answered from them.
  if (request.method !== 'GET' && request.method !== 'HEAD') return { kind: 'miss', forward: 'method' };
  const asked = readRequest(request, rules);
  const judged = judge(request, variants, now, rules, asked);
  // 5.2.1.7: a stored response that fits the request's other wishes, or 504.
  const needsUpstream = judged.kind === 'revalidate' || judged.kind === 'miss';
  return asked.onlyIfCached && needsUpstream ? { kind: 'unavailable' } : judged;
}

function judge<T extends StoredHead>(
  request: RequestHead,
  variants: readonly T[],
  now: number,
  rules: CacheRules,
  asked: RequestDirectives,
): Verdict<T> {
  // 4: the URI matches, by which `variants` were looked up, and so do the request fields that Vary names.
  const entry = selectVariant(request, variants);
  if (entry === undefined) return { kind: 'miss', forward: variants.length === 0 ? 'uri-miss' : 'vary-miss' };
  const directives = governingDirectives(entry.fields, rules);
  // A validation may have brought no-store or private: what may not be kept is not used either.
  if (!mayBeKept(entry, rules)) return { kind: 'miss', forward: 'uri-miss' };
  // 5.2.1.5: the client wants neither its request nor the answer stored; it is passed by the cache.
  if (asked.noStore) return { kind: 'miss', forward: 'request' };

  // 4, 5.2.2.4: a response with no-cache is not used before it is successfully validated, however fresh.
  if (directives.noCache) return { kind: 'revalidate', entry, forward: 'stale' };
  // 5.2.1.4: with no-cache in the request no stored response is.
  if (asked.noCache) return { kind: 'revalidate', entry, forward: 'request' };

  const age = currentAgeSeconds(entry, now);
  const remaining = freshnessLifetimeSeconds(entry, rules) - age;
  // 4.2: response_is_fresh = (freshness_lifetime > current_age)
  if (remaining > 0) {
    // RFC 8246 2: an immutable response is not validated while fresh, unless no-cache (above) asks for it.
    if (directives.immutable) return { kind: 'fresh', entry };
    // 5.2.1.1: age at most max-age. 5.2.1.3: fresh for at least min-fresh from now.
    const acceptable = age <= (asked.maxAge ?? Infinity) && remaining >= asked.minFresh;
    return acceptable ? { kind: 'fresh', entry } : { kind: 'revalidate', entry, forward: 'request' };
  }

  // 4.2.4: no stale response where a directive prohibits it.
  if (mustNotBeStale(entry, rules)) return { kind: 'revalidate', entry, forward: 'stale' };
  const staleFor = -remaining;
  const withinRequest = age <= (asked.maxAge ?? Infinity) && asked.minFresh === 0;
  // 5.2.1.2: the client takes a response that has exceeded its lifetime by at most max-stale.
  if (withinRequest && asked.maxStale !== undefined && staleFor <= asked.maxStale) return { kind: 'fresh', entry };
  // RFC 5861 3: within the window after expiry a cache may answer with the stale response while it validates it.
  // 5.2.1.1: with max-age and no max-stale the client does not take a stale response.
  if (asked.maxAge === undefined && asked.minFresh === 0 && staleFor < directives.staleWhileRevalidate) {
    return { kind: 'stale-while-revalidate', entry };
  }
  return { kind: 'revalidate', entry, forward: 'stale' };
}
