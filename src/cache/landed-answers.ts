// What one reader gets from the flight that it joined: the stored or arriving answer, the held copy when the flight
// failed and that is allowed, or an answer of its own where this one may not be shared.

import { UpstreamFailure } from '../errors.ts';
import { type Answer, answerOf, type Forward, passingAnswer, staleAnswer } from './answer.ts';
import type { Entry, EntryRecord } from './entry.ts';
import type { Landing } from './flight.ts';
import { type Flights, type Joined, landsWithin } from './flights.ts';
import { selectVariant } from './freshness/vary.ts';
import type { Resource } from './profile.ts';
import { mayStandIn, nothingInStead, troubleOf } from './stand-in.ts';

/** A reader without a copy waits at most this long for a body that is read whole; its flight goes on (design: 10 s). */
const LONGEST_WAIT_MS = 9_800;

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
    let landing: Landing;
    try {
      if (resource.profile.body.kind === 'whole' && !(await landsWithin(joined.landing, LONGEST_WAIT_MS))) {
        throw new UpstreamFailure('timeout', 'Upstream is slow: what was asked for is still on its way. Ask again.');
      }
      landing = await joined.landing;
    } catch (error) {
      if (held !== undefined && mayStandIn(resource, held, troubleOf(error), this.#now())) {
        return staleAnswer(resource, held, this.#now(), { reason: 'failure', cause: error });
      }
      throw held === undefined ? error : nothingInStead(resource, held, error);
    }
    return this.#answer(resource, record, landing, { reason, collapsed: joined.collapsed });
  }

  #answer(
    resource: Resource,
    record: EntryRecord | undefined,
    landing: Landing,
    how: { readonly reason: Forward['reason']; readonly collapsed: boolean },
  ): Answer | Promise<Answer> {
    const now = this.#now();
    // What answers another request of the same key may not answer this one (RFC 9111 4.1).
    if (how.collapsed && 'entry' in landing && selectVariant(resource.request, [landing.entry]) === undefined) {
      return this.#fetchAlone(resource, record, 'vary-miss');
    }
    switch (landing.kind) {
      case 'stored':
        return {
          ...answerOf(resource, landing.entry, landing.outcome, now),
          ...(how.collapsed || landing.received === undefined ? {} : { received: landing.received }),
          forward: { ...how, stored: true, status: landing.outcome === 'revalidated' ? 304 : landing.entry.status },
        };
      case 'kept':
        return staleAnswer(resource, landing.entry, now, { reason: 'unconfirmed', cause: landing.reason });
      case 'growing': {
        if (!landing.body.joinable) return this.#fetchAlone(resource, record, how.reason);
        const arriving = { reader: landing.body.reader(), tag: landing.tag, arrived: landing.arrived };
        return {
          ...answerOf(resource, landing.entry, landing.outcome, now),
          arriving,
          ...(how.collapsed ? {} : { received: landing.received }),
          forward: { ...how, stored: true, status: landing.entry.status },
        };
      }
      case 'passing':
        // Only who started the flight may have the body; the others ask for themselves, all at once.
        if (how.collapsed) return this.#fetchAlone(resource, record, how.reason);
        return passingAnswer(resource, landing.response, now, how.reason);
    }
  }

  async #fetchAlone(resource: Resource, record: EntryRecord | undefined, reason: Forward['reason']): Promise<Answer> {
    const landing = await this.#flights.alone(resource, record);
    return this.#answer(resource, record, landing, { reason, collapsed: false });
  }
}
