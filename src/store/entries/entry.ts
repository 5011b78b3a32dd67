// What the cache remembers about a key: small, plain JSON. The bytes are blobs and live elsewhere.

import type { Digest } from '../../core/digest.ts';
import type { Fields, ResponseHead } from '../../core/http-message.ts';

/** Anything that JSON can carry unchanged. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** Where the body of a stored response lies. */
export interface BodyReference {
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** True when the digest was known beforehand (from a page); false when it is only our own count of the bytes. */
  readonly verified: boolean;
}

/** One stored response (RFC 9111 3): what upstream said, when, and to which request fields it belongs. */
export interface Entry extends ResponseHead {
  /** The URL that answered, after redirects. */
  readonly url: string;
  /**
   * The upstream that was asked, where one key may be asked of several: its validators are sent to no other one, for
   * another may use the same text, or the same date, for something else.
   */
  readonly base?: string;
  /** Times of the request and the response that brought or last validated it; milliseconds since the epoch. */
  readonly requestTime: number;
  readonly responseTime: number;
  /** The fields of the original request that Vary names, normalised (RFC 9111 4.1). */
  readonly varying: Fields;
  /** The origin has said that a GET would bring something else: stale, whatever its lifetime (RFC 9111 4.3.5). */
  readonly outdated?: boolean;
  /** Absent when the response has no body. */
  readonly body?: BodyReference;
  /** What the profile learned from the body when it was checked (a page's serial, its number of files, …). */
  readonly facts?: Json;
  /** Upstream that answered, for explain and the status page. */
  readonly source: string;
}

/** An answer that contradicts the stored one and waits to be confirmed. */
export interface Doubt {
  /** What was claimed: the same claim again counts, another one starts anew. */
  readonly claim: string;
  readonly firstSeen: number;
  readonly lastSeen: number;
  readonly count: number;
}

/** All that is stored under one key; a reader of format N also reads N-1. */
export interface EntryRecord {
  readonly format: 1;
  readonly variants: readonly Entry[];
  readonly doubt?: Doubt;
}
