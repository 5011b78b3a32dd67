// What may differ between the places that use this cache. RFC 9111 leaves these to whoever runs a cache; all else is
// fixed, and there is no switch that ignores a directive of a response. Make one object per mount and keep it: what is
// read off a stored response is remembered per rules object.

import type { Fields, ResponseHead } from '../core/http-message.ts';

/** What differs between a shared cache by RFC 9111 and the contract of an operator. */
export interface CacheRules {
  /** Heuristic freshness for responses without explicit lifetime (RFC 9111 4.2.2). */
  readonly heuristic: boolean;
  /**
   * The operator's contract (RFC 9111 4.2.4, "out-of-band"): seconds past expiry during which a stale response may
   * stand in for an upstream that fails; 0 is never, Infinity is always. It lengthens what the origin allows and
   * never touches what the origin forbids.
   */
  readonly staleIfErrorSeconds: number;
  /** Fields that replace Cache-Control when present, first one wins; lower case (RFC 9213 2.2). */
  readonly targeted: readonly string[];
  /** Whether a request's Cache-Control counts; it is advisory (RFC 9111 5.2.1). only-if-cached always counts. */
  readonly requestDirectives: 'ignore' | 'honour';
}

/** A raw mount that names only its origin: all that RFC 9111 asks and offers, and the last good copy in an outage. */
export const STRICT_RULES: CacheRules = {
  heuristic: true,
  staleIfErrorSeconds: Infinity,
  targeted: ['cdn-cache-control'],
  requestDirectives: 'honour',
};

/** When a response was asked for and when its head arrived; milliseconds since the epoch (RFC 9111 4.2.3). */
export interface ExchangeTimes {
  readonly requestTime: number;
  readonly responseTime: number;
}

/** A response with the times of its exchange, not stored yet. */
export type TimedHead = ResponseHead & ExchangeTimes;

/** What every decision needs to know of a stored response. `Entry` is one. */
export interface StoredHead extends ResponseHead, ExchangeTimes {
  /** The fields of the original request that Vary names, normalised (RFC 9111 4.1). */
  readonly varying: Fields;
  /** The origin has said that a GET would bring something else: stale, whatever its lifetime (RFC 9111 4.3.5). */
  readonly outdated?: boolean;
}
