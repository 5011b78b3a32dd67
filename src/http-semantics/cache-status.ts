// The Cache-Status field (RFC 9211): one member that says how we handled the request. Append it as the last line,
// never in place of the members that caches nearer to the origin wrote (RFC 9211 2).

/** Why a request went upstream (RFC 9211 2.2). */
export type ForwardReason = 'bypass' | 'method' | 'uri-miss' | 'vary-miss' | 'miss' | 'request' | 'stale' | 'partial';

interface Common {
  /** Freshness left in seconds; negative when stale (RFC 9211 2.6). */
  readonly ttl?: number;
  /** A word of ours, such as `stale-if-error` (RFC 9211 2.8). */
  readonly detail?: string;
}

/** Answered without upstream, or with its help, never both (RFC 9211 2.1); or by us, and then only the detail tells. */
export type CacheOutcome =
  | { readonly detail: string }
  | (Common & { readonly hit: true })
  | (Common & {
      readonly fwd: ForwardReason;
      /** The status upstream sent, where it differs from what the client gets (RFC 9211 2.3). */
      readonly fwdStatus?: number;
      readonly stored?: boolean;
      readonly collapsed?: boolean;
    });

/** The member for this cache, serialised as a Structured Fields item (RFC 9651 4.1). */
export function cacheStatus(outcome: CacheOutcome): string {
  let member = 'wheelkeep';
  if ('hit' in outcome) member += '; hit';
  if ('fwd' in outcome) {
    member += `; fwd=${outcome.fwd}`;
    if (outcome.fwdStatus !== undefined) member += `; fwd-status=${integer(outcome.fwdStatus)}`;
    if (outcome.stored) member += '; stored';
    if (outcome.collapsed) member += '; collapsed';
  }
  if ('ttl' in outcome && outcome.ttl !== undefined) member += `; ttl=${integer(outcome.ttl)}`;
  if (outcome.detail !== undefined) member += `; detail=${tokenOrString(outcome.detail)}`;
  return member;
}

/** RFC 9651 3.3.1: integers have at most 15 digits. */
const LARGEST_INTEGER = 999_999_999_999_999;

function integer(value: number): string {
  const bounded = Math.max(-LARGEST_INTEGER, Math.min(LARGEST_INTEGER, Math.trunc(value)));
  // Never "-0" nor "NaN".
  return String(bounded || 0);
}

const TOKEN = /^[A-Za-z*][!#$%&'*+\-.^_`|~0-9A-Za-z:/]*$/;

/** RFC 9651 3.3.3, 3.3.4: a token where possible, else a string, which holds visible ASCII and spaces only. */
function tokenOrString(text: string): string {
  if (TOKEN.test(text)) return text;
  return `"${text.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, '\\$&')}"`;
}
