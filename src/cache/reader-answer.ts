// What one reader gets from the flight that it joined: the stored or arriving answer, the held copy when the flight
// failed and that is allowed, or an answer of its own where this one may not be shared.

import { settlesWithin } from '../core/deadline.ts';
import { StillOnItsWay } from '../core/errors.ts';
import { firstByteWithin } from '../core/request-context.ts';
import { selectVariant } from '../http-semantics/vary.ts';
import type { Entry, EntryRecord } from '../store/entries/entry.ts';
import { type Answer, answerOf, type Forward, passingAnswer, staleAnswer } from './answer.ts';
import type { Landing } from './fetch-result.ts';
import { type Flights, type Joined, leave } from './fetches.ts';
import type { Resource } from './profile.ts';
import { mayStandIn, nothingInStead, troubleOf } from './stale-policy.ts';

/** A reader without a copy waits no longer for one flight, which goes on without it (design: 10 s). */
export const LONGEST_WAIT_MS = 9_500;

interface How extends Pick<Forward, 'reason' | 'collapsed'> {
  readonly firstByteBy: number;
}

export class LandedAnswers {
  readonly #flights: Flights;
  readonly #now: () => number;

  constructor({ flights, now }: { readonly flights: Flights; readonly now: () => number }) {
    this.#flights = flights;
    this.#now = now;
  }

  /** Turns the landing into this reader's answer, or into the held copy when the flight failed and that is allowed. */
  async take(
    resource: Resource,
    record: EntryRecord | undefined,
    held: Entry | undefined,
    joined: Joined,
    reason: Forward['reason'],
  ): Promise<Answer> {
    const waitMs = firstByteWithin(LONGEST_WAIT_MS);
    const firstByteBy = performance.now() + waitMs;
    let landing: Landing;
    try {
      // What one origin of a raw mount takes its time for is between it and its clients.
      const bounded = resource.profile.name !== 'raw';
      if (bounded && !(await settlesWithin(joined.landing, waitMs))) {
        leave(joined);
        throw new StillOnItsWay();
      }
      landing = await joined.landing;
    } catch (error) {
      if (held !== undefined && mayStandIn(resource, held, troubleOf(error), this.#now())) {
        return staleAnswer(resource, held, this.#now(), { reason: 'failure', cause: error });
      }
      throw held === undefined ? error : nothingInStead(resource, held, error);
    }
    return this.#answer(resource, record, landing, { reason, collapsed: joined.collapsed, firstByteBy });
  }

  /** The answer of a flight that nobody shares; `unreadable` is what is held and cannot be read. */
  async alone(resource: Resource, reason: Forward['reason'], unreadable?: Entry): Promise<Answer> {
    const firstByteBy = performance.now() + firstByteWithin(LONGEST_WAIT_MS);
    const how = { reason, collapsed: false, firstByteBy };
    if (unreadable === undefined) return this.#fetchAlone(resource, undefined, how);
    const landing = await this.#flights.alone(resource, undefined, unreadable);
    return this.#answer(resource, undefined, landing, how);
  }

  #answer(
    resource: Resource,
    record: EntryRecord | undefined,
    landing: Landing,
    { firstByteBy, ...how }: How,
  ): Answer | Promise<Answer> {
    const now = this.#now();
    // What answers another request of the same key may not answer this one (RFC 9111 4.1).
    if (how.collapsed && 'entry' in landing && selectVariant(resource.request, [landing.entry]) === undefined) {
      return this.#fetchAlone(resource, record, { ...how, firstByteBy, reason: 'vary-miss' });
    }
    switch (landing.kind) {
      case 'stored':
        return {
          ...answerOf(resource, landing.entry, landing.outcome, now),
          ...(landing.bytes === undefined ? {} : { bytes: landing.bytes }),
          ...(landing.inPlace === undefined ? {} : { inPlace: landing.inPlace }),
          ...(how.collapsed || landing.received === undefined ? {} : { received: landing.received }),
          forward: {
            ...how,
            stored: landing.unshared !== true,
            status: landing.outcome === 'revalidated' ? 304 : landing.entry.status,
          },
        };
      case 'kept':
        return staleAnswer(resource, landing.entry, now, { reason: 'unconfirmed', cause: landing.reason });
      case 'growing': {
        if (!landing.body.joinable) return this.#fetchAlone(resource, record, { ...how, firstByteBy });
        const { body, tag, arrived } = landing;
        const arriving = { reader: body.reader(), tag, arrived, firstByteBy };
        return {
          ...answerOf(resource, landing.entry, landing.outcome, now),
          arriving,
          ...(how.collapsed ? {} : { received: landing.received }),
          forward: { ...how, stored: true, status: landing.entry.status },
        };
      }
      case 'passing':
        // Only who started the flight may have the body; the others ask for themselves, all at once.
        if (how.collapsed) return this.#fetchAlone(resource, record, { ...how, firstByteBy });
        return passingAnswer(resource, landing.response, now, how.reason);
    }
  }

  async #fetchAlone(resource: Resource, record: EntryRecord | undefined, how: How): Promise<Answer> {
    const landing = await this.#flights.alone(resource, record);
    return this.#answer(resource, record, landing, { ...how, collapsed: false });
  }
}
