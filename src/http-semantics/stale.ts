// When a stale response may stand in for an upstream that fails (RFC 9111 4.2.4, RFC 5861 4).

import { remainingSeconds } from './age.ts';
import type { CacheRules, StoredHead } from './rules.ts';
import { governingDirectives } from './targeted.ts';

/** What kept upstream from answering with something to use. */
export type UpstreamTrouble =
  /** No answer could be had: refused, unreachable, TLS, timeout, cut body (RFC 9111 4.2.4). */
  | { readonly kind: 'disconnected' }
  /** An answer with this status. */
  | { readonly kind: 'status'; readonly status: number }
  /** No answer yet, and the client has waited long enough. */
  | { readonly kind: 'slow' };

/** RFC 5861 4: the statuses that are errors for stale-if-error. */
const STALE_IF_ERROR_STATUSES: ReadonlySet<number> = new Set([500, 502, 503, 504]);

/** Whether the response may (still) lie in this shared cache: a 304 can take back what the 200 allowed. */
export function mayBeKept(stored: StoredHead, rules: CacheRules): boolean {
  const directives = governingDirectives(stored.fields, rules);
  return !directives.private && (!directives.noStore || directives.mustUnderstand);
}

/**
 * Whether the response forbids its use once stale, in any circumstances (RFC 9111 4.2.4, 5.2.2.2): must-revalidate,
 * proxy-revalidate (5.2.2.8) and s-maxage, which includes the latter (5.2.2.10), for we are a shared cache.
 */
export function mustNotBeStale(stored: StoredHead, rules: CacheRules): boolean {
  const directives = governingDirectives(stored.fields, rules);
  return directives.mustRevalidate || directives.proxyRevalidate || directives.sMaxage !== undefined;
}

/**
 * Whether the response is not used without upstream's word once it needs one, so that in an outage there is nothing to
 * answer with: 504 (RFC 9111 5.2.2.2; and 5.2.2.4 for no-cache).
 */
export function needsUpstream(stored: StoredHead, rules: CacheRules): boolean {
  return mustNotBeStale(stored, rules) || governingDirectives(stored.fields, rules).noCache;
}

/** Whether the stored response may be sent in place of what upstream failed to give, at `now` (ms since the epoch). */
export function staleAllowed(stored: StoredHead, trouble: UpstreamTrouble, now: number, rules: CacheRules): boolean {
  const windowSeconds = standInSeconds(stored, trouble, rules);
  if (windowSeconds === 'never') return false;
  if (!mayBeKept(stored, rules)) return false;
  // 5.2.2.4: no-cache is not used without a successful validation, fresh or stale.
  if (governingDirectives(stored.fields, rules).noCache) return false;
  const remaining = remainingSeconds(stored, now, rules);
  // Still fresh: upstream was asked only because the client wished so, which is advisory (5.2.1).
  if (remaining > 0) return true;
  return !mustNotBeStale(stored, rules) && -remaining < windowSeconds;
}

/** For how many seconds past its expiry the stored response may stand in, or never, whatever its age. */
function standInSeconds(stored: StoredHead, trouble: UpstreamTrouble, rules: CacheRules): number | 'never' {
  // A stored error is no good copy: a failure from before says no more than the one of now, and a 404 from before the
  // outage would send installers to the next index.
  if (stored.status >= 400) return 'never';
  const contract = rules.staleIfErrorSeconds;
  const origin = governingDirectives(stored.fields, rules).staleIfError;
  switch (trouble.kind) {
    case 'disconnected':
      // 4.2.4 allows staleness while disconnected; the operator bounds it, and the origin's grant stands beside.
      return Math.max(origin, contract);
    case 'slow':
      // Not an error yet: only the operator can grant it.
      return contract;
    case 'status':
      if (STALE_IF_ERROR_STATUSES.has(trouble.status)) return Math.max(origin, contract);
      // Overload, and the server errors that RFC 5861 does not name, are the operator's to cover. Every other answer
      // (401, 403, 404, 410, 451, ...) is a statement about the resource and never masked.
      return trouble.status === 429 || trouble.status >= 500 ? contract : 'never';
  }
}
