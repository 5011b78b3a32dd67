// What one reader gets from the fetch that it joined: the stored or arriving answer, the held copy when the fetch
// failed and that is allowed, or an answer of its own where this one may not be shared.

import { settlesWithin } from '../core/deadline.ts';
import { StillOnItsWay } from '../core/errors.ts';
import { firstByteWithin } from '../core/request-context.ts';
import { selectVariant } from '../http-semantics/vary.ts';
import type { Entry, EntryRecord } from '../store/entries/entry.ts';
import { type Answer, answerOf, type Forward, passingAnswer, staleAnswer } from './answer.ts';
import type { FetchResult } from './fetch-result.ts';
import { type Fetches, type Joined, leave } from './fetches.ts';
import type { Resource } from './profile.ts';
import { mayServeStale, noStaleCopy, troubleOf } from './stale-policy.ts';

/** A reader without a copy waits no longer for one fetch, which goes on without it (design: 10 s). */
export const LONGEST_WAIT_MS = 9_500;

interface How extends Pick<Forward, 'reason' | 'collapsed'> {
  readonly firstByteBy: number;
}

/** Makes the answer of one reader out of the fetch that it joined. */
export class ReaderAnswers {
  readonly #fetches: Fetches;
  readonly #now: () => number;

  constructor({ fetches, now }: { readonly fetches: Fetches; readonly now: () => number }) {
    this.#fetches = fetches;
    this.#now = now;
  }

  /** Turns the result into this reader's answer, or into the held copy when the fetch failed and that is allowed. */
  async take(
    resource: Resource,
    record: EntryRecord | undefined,
    held: Entry | undefined,
    joined: Joined,
    reason: Forward['reason'],
  ): Promise<Answer> {
    const waitMs = firstByteWithin(LONGEST_WAIT_MS);
    const firstByteBy = performance.now() + waitMs;
    let fetchResult: FetchResult;
    try {
      // What one origin of a raw mount takes its time for is between it and its clients.
      const bounded = resource.profile.name !== 'raw';
      if (bounded && !(await settlesWithin(joined.fetchResult, waitMs))) {
        leave(joined);
        throw new StillOnItsWay();
      }
      fetchResult = await joined.fetchResult;
    } catch (error) {
      if (held !== undefined && mayServeStale(resource, held, troubleOf(error), this.#now())) {
        return staleAnswer(resource, held, this.#now(), { reason: 'failure', cause: error });
      }
      throw held === undefined ? error : noStaleCopy(resource, held, error);
    }
    return this.#answer(resource, record, fetchResult, { reason, collapsed: joined.collapsed, firstByteBy });
  }

  /** The answer of a fetch that nobody shares; `unreadable` is what is held and cannot be read. */
  async alone(resource: Resource, reason: Forward['reason'], unreadable?: Entry): Promise<Answer> {
    const firstByteBy = performance.now() + firstByteWithin(LONGEST_WAIT_MS);
    const how = { reason, collapsed: false, firstByteBy };
    if (unreadable === undefined) return this.#fetchAlone(resource, undefined, how);
    const fetchResult = await this.#fetches.alone(resource, undefined, unreadable);
    return this.#answer(resource, undefined, fetchResult, how);
  }

  #answer(
    resource: Resource,
    record: EntryRecord | undefined,
    fetchResult: FetchResult,
    { firstByteBy, ...how }: How,
  ): Answer | Promise<Answer> {
    const now = this.#now();
    // What answers another request of the same key may not answer this one (RFC 9111 4.1).
    if (how.collapsed && 'entry' in fetchResult && selectVariant(resource.request, [fetchResult.entry]) === undefined) {
      return this.#fetchAlone(resource, record, { ...how, firstByteBy, reason: 'vary-miss' });
    }
    switch (fetchResult.kind) {
      case 'stored':
        return {
          ...answerOf(resource, fetchResult.entry, fetchResult.outcome, now),
          ...(fetchResult.bytes === undefined ? {} : { bytes: fetchResult.bytes }),
          ...(fetchResult.persisted === undefined ? {} : { persisted: fetchResult.persisted }),
          ...(how.collapsed || fetchResult.received === undefined ? {} : { received: fetchResult.received }),
          forward: {
            ...how,
            stored: fetchResult.unshared !== true,
            status: fetchResult.outcome === 'revalidated' ? 304 : fetchResult.entry.status,
          },
        };
      case 'kept':
        return staleAnswer(resource, fetchResult.entry, now, { reason: 'unconfirmed', cause: fetchResult.reason });
      case 'growing': {
        if (!fetchResult.body.joinable) return this.#fetchAlone(resource, record, { ...how, firstByteBy });
        const { body, tag, arrived } = fetchResult;
        const arriving = { reader: body.reader(), tag, arrived, firstByteBy };
        return {
          ...answerOf(resource, fetchResult.entry, fetchResult.outcome, now),
          arriving,
          ...(how.collapsed ? {} : { received: fetchResult.received }),
          forward: { ...how, stored: true, status: fetchResult.entry.status },
        };
      }
      case 'passing':
        // Only who started the fetch may have the body; the others ask for themselves, all at once.
        if (how.collapsed) return this.#fetchAlone(resource, record, { ...how, firstByteBy });
        return passingAnswer(resource, fetchResult.response, now, how.reason);
    }
  }

  async #fetchAlone(resource: Resource, record: EntryRecord | undefined, how: How): Promise<Answer> {
    const fetchResult = await this.#fetches.alone(resource, record);
    return this.#answer(resource, record, fetchResult, { ...how, collapsed: false });
  }
}
