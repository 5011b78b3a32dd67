// The fields that tell clients and caches in front of us how old an answer is and how it came about: Cache-Control,
// Age, Cache-Status (RFC 9111 5, RFC 9211).

import type { Answer } from '../cache/answer.ts';
import { UpstreamFailure } from '../core/errors.ts';
import { cacheStatus } from '../http-semantics/cache-status.ts';
import type { Sharing } from './exchange.ts';

/** Cache-Status of an answer. */
export function statusOf(answer: Answer): string {
  const ttl = Math.round(answer.remainingSeconds);
  const { forward, stale } = answer;
  if (stale !== undefined) {
    // RFC 9211 2.1: `hit` when upstream was not waited for in vain, `fwd` when its failure made us serve this.
    if (stale.reason === 'failure') {
      const fwdStatus = stale.cause instanceof UpstreamFailure ? stale.cause.upstreamStatus : undefined;
      return cacheStatus({
        fwd: 'stale',
        ...(fwdStatus === undefined ? {} : { fwdStatus }),
        ttl,
        detail: answer.outcome,
      });
    }
    return cacheStatus({ hit: true, ttl, detail: `${answer.outcome}-${stale.reason}` });
  }
  if (forward === undefined) return cacheStatus({ hit: true, ttl });
  return cacheStatus({
    fwd: forward.reason,
    ...(forward.status === undefined ? {} : { fwdStatus: forward.status }),
    stored: forward.stored,
    collapsed: forward.collapsed,
    ttl,
  });
}

/** Cache-Control, Age and Cache-Status of an index page: a stale one is never fresh in front of us. */
export function pageCacheFields(answer: Answer, sharing: Sharing): string[] {
  const age = Math.max(0, Math.floor(answer.ageSeconds));
  const lifetime = answer.remainingSeconds > 0 ? Math.round(answer.ageSeconds + answer.remainingSeconds) : 0;
  const control = `${sharing}, max-age=${lifetime}`;
  const fields = ['cache-control', control, 'age', String(age), 'cache-status', statusOf(answer)];
  if (answer.stale !== undefined) fields.push('x-wheelkeep-stale', answer.stale.reason);
  return fields;
}

// What every answer that carries bytes of a distribution file says of them, whoever vouches for them.

/** They are never shown or run by a browser, whatever their name. */
export function contentFields(): string[] {
  return [
    'content-type',
    'application/octet-stream',
    'accept-ranges',
    'bytes',
    'x-content-type-options',
    'nosniff',
    'content-security-policy',
    "default-src 'none'",
  ];
}
