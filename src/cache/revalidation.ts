// Asks whether a copy still holds: before a client that waits, as long as patience lasts; behind the back of one that
// has the copy; and ahead of expiry. Who may not have the copy instead gets the error.

import { settlesWithin } from '../core/deadline.ts';
import { StillOnItsWay, UpstreamFailure } from '../core/errors.ts';
import { currentAgeSeconds, remainingSeconds } from '../http-semantics/age.ts';
import { selectVariant } from '../http-semantics/vary.ts';
import type { Entry, EntryRecord } from '../store/entries/entry.ts';
import { type Answer, type Forward, staleAnswer } from './answer.ts';
import { type Fetches, leave } from './fetches.ts';
import type { Lookup } from './lookup.ts';
import type { Resource } from './profile.ts';
import { LONGEST_WAIT_MS, type ReaderAnswers } from './reader-answer.ts';
import type { RefreshAhead } from './refresh-ahead.ts';
import type { RetrySchedule } from './retry-schedule.ts';
import { backOffReason, mayServeStale, noStaleCopy, troubleOf } from './stale-policy.ts';

/** How one revalidation differs from the usual. */
export interface RevalidationOptions {
  /** Overrides the profile's patience; Infinity waits for the fetch. */
  readonly patienceMs?: number;
  /** The request is its sender's alone (it carries credentials, or forbids storing): no fetch is shared. */
  readonly alone?: boolean;
  /** Upstream is asked without validators, for what it confirmed lacks something that should be there. */
  readonly unconditional?: boolean;
}

/** What revalidation works with. */
export interface RevalidationTools {
  readonly now: () => number;
  readonly copies: Lookup;
  readonly fetches: Fetches;
  readonly landed: ReaderAnswers;
  readonly retries: RetrySchedule;
  readonly ahead: RefreshAhead;
}

/** Validates a stale entry, for a client that waits no longer than its patience. */
export class Revalidation {
  readonly #now: () => number;
  readonly #copies: Lookup;
  readonly #fetches: Fetches;
  readonly #landed: ReaderAnswers;
  readonly #retries: RetrySchedule;
  readonly #ahead: RefreshAhead;

  constructor({ now, copies, fetches, landed, retries, ahead }: RevalidationTools) {
    this.#now = now;
    this.#copies = copies;
    this.#fetches = fetches;
    this.#landed = landed;
    this.#retries = retries;
    this.#ahead = ahead;
  }

  /** Asks whether the copy still holds; serves it when upstream is slow or failing and the rules allow that. */
  async answer(
    resource: Resource,
    record: EntryRecord | undefined,
    entry: Entry,
    forward: Forward['reason'],
    options: RevalidationOptions,
  ): Promise<Answer> {
    const now = this.#now();
    const failure = this.#retries.lastFailure(resource.key);
    if (failure !== undefined && this.#retries.isWaiting(resource.key)) {
      const { cause } = failure;
      if (mayServeStale(resource, entry, troubleOf(cause), now)) {
        return staleAnswer(resource, entry, now, { reason: backOffReason(cause), cause });
      }
      // What may not stand in helps nobody while upstream is left alone, nor does it while it is fresh: its client insists.
      const refusal = resource.profile.name === 'raw' ? undefined : this.#retries.refusal(resource.key, false);
      if (refusal !== undefined) throw noStaleCopy(resource, entry, refusal);
      const fresh = remainingSeconds(entry, now, resource.profile.rules) > 0;
      if (fresh && forward === 'request') throw cause;
    }
    const joined = this.#fetches.join(resource, record, entry, options);
    const patienceMs = options.patienceMs ?? resource.profile.patienceMs;
    if (!Number.isFinite(patienceMs)) return this.#landed.take(resource, record, entry, joined, forward);
    if (mayServeStale(resource, entry, { kind: 'slow' }, now)) {
      // Nobody waits twice: not for a fetch that others have waited for, not for an upstream that was slow in vain
      // before, and not for a refresh that stands in the queue.
      const known = failure?.slow === true || this.#ahead.pending(resource.key);
      const waitMs = known ? 0 : patienceMs - (performance.now() - joined.startedAt);
      if (!(await settlesWithin(joined.fetchResult, waitMs))) {
        leave(joined);
        return staleAnswer(resource, entry, this.#now(), { reason: known ? 'refreshing' : 'patience' });
      }
    } else {
      // A stored "there is none" may not stand in for upstream, but neither is known trouble waited out for it.
      const isBounded = resource.profile.name !== 'raw';
      const isOverdue = isBounded && performance.now() - joined.startedAt > LONGEST_WAIT_MS;
      const trouble = isOverdue ? new StillOnItsWay() : failure?.cause;
      if (trouble instanceof UpstreamFailure && !(await settlesWithin(joined.fetchResult, patienceMs))) {
        leave(joined);
        throw noStaleCopy(resource, entry, trouble);
      }
    }
    return this.#landed.take(resource, record, entry, joined, forward);
  }

  /** Behind the back of a client that has its answer: not before the next try's time. */
  refresh(resource: Resource, record: EntryRecord | undefined, entry: Entry): void {
    if (this.#retries.isWaiting(resource.key)) return;
    leave(this.#fetches.join(resource, record, entry));
  }

  /** For what is asked for repeatedly, before it expires. */
  async refreshAhead(resource: Resource): Promise<void> {
    const record = await this.#copies.lookUp(resource);
    const entry = selectVariant(resource.request, record?.variants ?? []);
    if (entry === undefined) return;
    const now = this.#now();
    const remaining = remainingSeconds(entry, now, resource.profile.rules);
    // Another process or node has validated it meanwhile.
    if (remaining > currentAgeSeconds(entry, now)) this.#ahead.validated(resource, remaining * 1000);
    else this.refresh(resource, record, entry);
  }
}
