// What differs between the kinds of things that go through the one read-through flow. A profile is a value of pure
// functions; the flow has no switches of its own.

import type { Digest } from '../core/digest.ts';
import type { Fields, IncomingResponse, RequestHead, ResponseHead } from '../core/http-message.ts';
import type { CacheRules } from '../http-semantics/rules.ts';
import type { Doubt, Entry, Json } from '../store/entries/entry.ts';

/**
 * What a status from upstream means: a body to keep; a clean "there is none" (404, 410), which is stored as a
 * negative entry; a deliberate removal that is passed on (451); or a failure, which never replaces anything.
 */
export type Meaning = 'content' | 'missing' | 'removed' | 'failure';

/** May the candidate take the place of the held entry? `recheck`: only if the same claim is made again later. */
export type Judgement =
  | { readonly kind: 'replace' }
  | { readonly kind: 'keep'; readonly reason: string }
  | { readonly kind: 'recheck'; readonly claim: string; readonly afterMs: number };

/** A body that is read whole and checked before it counts: pages and other small documents. */
export interface WholeBody {
  readonly kind: 'whole';
  readonly maxBytes: number;
}

/** A body that is sent on while it arrives. */
export interface StreamedBody {
  readonly kind: 'streamed';
  readonly maxBytes: number;
  /** Bodies up to this size are sent when they are whole and right; larger ones stream. */
  readonly wholeUpToBytes: number;
  /** Bytes at the end that nobody gets before the body is known to be right. */
  readonly holdBackBytes: number;
  /** What may be missing of a body that nobody reads any more for it to be fetched to its end; Infinity: anything. */
  readonly finishAbandonedBytes: number;
  /** Stored by digest and shared by all entries (files), or owned by one entry (raw mounts). */
  readonly shared: boolean;
}

/** How one kind of resource is cached: pure functions, no state. */
export interface Profile {
  readonly name: 'page' | 'list' | 'json' | 'file' | 'metadata' | 'raw';
  readonly rules: CacheRules;
  readonly body: WholeBody | StreamedBody;
  /** How long a client waits for a revalidation when a copy may be served instead; milliseconds. */
  readonly patienceMs: number;
  /** Whether what is asked for repeatedly is refreshed before it goes stale. */
  readonly refreshAhead: boolean;
  meaning(status: number): Meaning;
  /** The fields the engine reasons by: the operator's contract in place of what was received. */
  grant(response: ResponseHead): Fields;
  judge(held: Entry, candidate: Entry, doubt: Doubt | undefined, now: number): Judgement;
  /** Whether a 304 cannot be about what we hold, so that the body has to be asked for. */
  contradicts(held: Entry, notModified: ResponseHead): boolean;
  /** Facts that take more room than is read back, with one thing less; undefined when nothing of them may give way. */
  lighten?(facts: Json): Json | undefined;
}

/** The strongest hash that is known of a body before it is fetched. */
export interface Expectation {
  readonly algorithm: 'sha256' | 'sha512' | 'sha384' | 'sha224' | 'sha1' | 'md5';
  readonly hex: string;
}

/** How upstream is asked, this time. */
export interface Ask {
  /** If-None-Match, If-Modified-Since, If-Range; empty for an unconditional request. See `conditionsAt`. */
  readonly conditions: Fields;
  /** The upstream that gave the validators in `conditions`; undefined where the key knows one upstream only. */
  readonly conditionsFrom?: string;
  /** Continue a body that was cut short, from this byte on. */
  readonly fromByte: number;
  /** Sources whose bytes were wrong; a new connection is used when this is not empty. */
  readonly avoid: ReadonlySet<string>;
  readonly signal: AbortSignal;
  /** The answer is for this request alone, so that its own conditions and range may go along. */
  readonly alone?: boolean;
}

/**
 * The conditions that may be sent to the upstream with this base: validators mean something only where they came from
 * (RFC 9110 8.8). A server that answers 304 to any date would else confirm what another one gave.
 */
export function conditionsAt(ask: Pick<Ask, 'conditions' | 'conditionsFrom'>, base: string): Fields {
  return ask.conditionsFrom === base ? ask.conditions : [];
}

/** One thing to read: what it is called, by which rules, and how to get it. */
export interface Resource {
  readonly key: string;
  /** The name of who is asked, for limits and metrics. */
  readonly upstream: string;
  readonly profile: Profile;
  readonly request: RequestHead;
  /** Known before the body is fetched; undefined when nobody knows. */
  readonly expected?: Expectation;
  readonly expectedSizeBytes?: number;
  /** Rejects with an UpstreamFailure. */
  fetch(ask: Ask): Promise<IncomingResponse>;
  /** What a whole body says (a page's facts). Rejects with an UpstreamFailure of kind 'invalid-body'. */
  check?(response: IncomingResponse, body: Buffer, digest: Digest): Promise<Json>;
  /**
   * Told of an entry that is about to be stored in the place of what is held. `isCurrent` turns false when the resource
   * is purged meanwhile; then it is not stored.
   */
  accepted?(entry: Entry, isCurrent: () => boolean): Promise<void>;
  /** Told which source sent bytes with a wrong hash. */
  onWrongBody(source: string): void;
}

/** What a fetch tells: counted and logged elsewhere. */
export interface FetchObserver {
  integrityFailure(resource: Resource, kind: 'wrong-digest' | 'damaged-body'): void;
  diskFailure(error: NodeJS.ErrnoException): void;
  /** A fetch ended by a fault of our own: a bug, a thread that ended, memory that ran out. */
  ownFault(resource: Resource, error: unknown): void;
  /** Bytes of a body that came from upstream, whole or not. */
  received(resource: Resource, bytes: number): void;
}
