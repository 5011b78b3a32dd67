// What the read-through flow hands to a service: a stored or arriving response and how it came about.

import type { Fields, IncomingResponse } from '../core/http-message.ts';
import { currentAgeSeconds, remainingSeconds } from '../http-semantics/age.ts';
import { storedFields } from '../http-semantics/storable.ts';
import type { Entry } from '../store/entries/entry.ts';
import type { GrowingReader } from './growing-body.ts';
import type { Resource } from './profile.ts';

/** One word for how a request was answered: the same in headers, metrics, logs and tests. */
export type Outcome =
  | 'hit'
  | 'miss'
  | 'revalidated'
  | 'updated'
  | 'stale-while-revalidate'
  | 'stale-if-error'
  | 'passthrough';

/** Why a stale answer was given although upstream was asked or should have been. */
export type StaleReason = 'refreshing' | 'patience' | 'failure' | 'back-off' | 'unconfirmed';

/** What the engine answers: an entry, whether it is stale and why, and a body that is stored or arriving. */
export interface Answer {
  readonly outcome: Outcome;
  readonly entry: Entry;
  /** Seconds since the entry was validated (RFC 9111 4.2.3). */
  readonly ageSeconds: number;
  /** Seconds of freshness left; not positive when stale. */
  readonly remainingSeconds: number;
  readonly stale?: { readonly reason: StaleReason; readonly cause?: unknown };
  /** For the one who asked: the fields as they came, with those that must not be stored (RFC 9111 3.1). */
  readonly received?: Fields;
  /** RFC 9211: why the request went forward, where it did. */
  readonly forward?: Forward;
  /** The body, where it has just come whole. */
  readonly bytes?: Buffer;
  /** Resolves when the copy is where a killed process leaves it: for who asked to be answered earlier. */
  readonly persisted?: Promise<void>;
  /** Present while the body is arriving; otherwise `ReadThrough.body` gives it. */
  readonly arriving?: Arriving;
  /** Present when nothing was stored: the response belongs to this request alone. */
  readonly passing?: IncomingResponse;
}

/** A body that is still arriving: readers follow it. */
export interface Arriving {
  readonly reader: GrowingReader;
  readonly tag: string;
  readonly arrived: Promise<Entry>;
  /** By then the client is told something; milliseconds on the monotonic clock. */
  readonly firstByteBy: number;
}

/** RFC 9211 2.2 and its companions. */
export interface Forward {
  readonly reason: 'uri-miss' | 'vary-miss' | 'miss' | 'stale' | 'request' | 'method' | 'partial' | 'bypass';
  readonly status?: number;
  readonly stored: boolean;
  readonly collapsed: boolean;
}

/** The answer that an entry is at `now`, ms since the epoch. */
export function answerOf(resource: Resource, entry: Entry, outcome: Outcome, now: number): Answer {
  return {
    outcome,
    entry,
    ageSeconds: currentAgeSeconds(entry, now),
    remainingSeconds: remainingSeconds(entry, now, resource.profile.rules),
  };
}

/** A held copy in place of what upstream has not said, for this reason and because of this failure. */
export function staleAnswer(
  resource: Resource,
  entry: Entry,
  now: number,
  stale: { readonly reason: StaleReason; readonly cause?: unknown },
): Answer {
  const isWaitSpared = stale.reason === 'refreshing' || stale.reason === 'patience';
  return { ...answerOf(resource, entry, isWaitSpared ? 'stale-while-revalidate' : 'stale-if-error', now), stale };
}

/** The answer of a response that is not stored. */
export function passingAnswer(
  resource: Resource,
  passing: IncomingResponse,
  now: number,
  reason: Forward['reason'],
): Answer {
  return {
    ...answerOf(resource, entryOf(passing), 'passthrough', now),
    passing,
    forward: { reason, collapsed: false, stored: false, status: passing.status },
  };
}

function entryOf(response: IncomingResponse): Entry {
  return {
    status: response.status,
    fields: storedFields(response),
    url: response.url,
    requestTime: response.requestTime,
    responseTime: response.responseTime,
    varying: [],
    source: response.source,
  };
}
