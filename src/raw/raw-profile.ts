// How what a raw mount brings is cached: by RFC 9111 alone. The operator may lengthen what the origin allows in
// trouble, and may speak for the origin; both before the engine sees the answer, which bends no rule by itself.

import type { Profile } from '../cache/profile.ts';
import { type Fields, type ResponseHead, withField, withoutFields } from '../core/http-message.ts';
import { type CacheRules, STRICT_RULES } from '../http-semantics/rules.ts';

export interface RawProfileOptions {
  /** Largest body that is taken from upstream. */
  readonly maxBodyBytes: number;
  /** What may be missing of a body that nobody reads any more for it to be fetched to its end. */
  readonly finishAbandonedBytes: number;
  /** Seconds past expiry during which a copy may stand in for a failing upstream; without it for ever. */
  readonly staleIfErrorSeconds?: number;
  /** Takes the place of Cache-Control in 200 answers and of all that would overrule it. */
  readonly overrideCacheControl?: string;
}

/** Known to be this small, a body is sent when it is stored: a cut one is then an error and no broken download. */
const WHOLE_UP_TO_BYTES = 64 * 1024;
/** How long a client waits for upstream when a copy may stand in. */
const PATIENCE_MS = 3_000;

/** The profile of one mount; make it once, for what is computed of stored responses is remembered by its rules. */
export function rawProfile(options: RawProfileOptions): Profile {
  const { maxBodyBytes, finishAbandonedBytes, staleIfErrorSeconds, overrideCacheControl } = options;
  const rules: CacheRules = { ...STRICT_RULES, ...(staleIfErrorSeconds !== undefined && { staleIfErrorSeconds }) };
  return {
    name: 'raw',
    rules,
    body: {
      kind: 'streamed',
      maxBytes: maxBodyBytes,
      wholeUpToBytes: WHOLE_UP_TO_BYTES,
      // Nobody knows beforehand what the bytes should be: there is nothing to hold back for.
      holdBackBytes: 0,
      finishAbandonedBytes,
      shared: false,
    },
    patienceMs: PATIENCE_MS,
    refreshAhead: false,
    // Every status is the origin's word; which of them may be stored or masked is RFC 9111's and RFC 5861's to say.
    meaning: () => 'content',
    grant:
      overrideCacheControl === undefined
        ? ({ fields }) => fields
        : (response) => spokenFor(response, overrideCacheControl, rules.targeted),
    judge: () => ({ kind: 'replace' }),
    contradicts: () => false,
  };
}

/** What a 304 says of the 200 that it confirms is overridden as well. */
function spokenFor({ status, fields }: ResponseHead, cacheControl: string, targeted: readonly string[]): Fields {
  if (status !== 200 && status !== 304) return fields;
  return withField(withoutFields(fields, new Set(['expires', 'pragma', ...targeted])), 'cache-control', cacheControl);
}
