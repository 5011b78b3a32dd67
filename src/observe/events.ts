// What happened lately that a person should know of: a bounded ring for the status page and the administration API.
// Events may name projects and upstreams; who may see that is decided where they are shown.

import { presentable } from './redact.ts';

/** A closed list, so that counting by kind stays bounded. */
export const EVENT_KINDS = [
  'start',
  'stop',
  'upstream-down',
  'upstream-up',
  'mirror-set-aside',
  'integrity',
  'changed-digest',
  'removed',
  'quarantined',
  'policy',
  'disk-full',
  'disk-unreadable',
  'disk-recovered',
  'redis-down',
  'redis-up',
  'purge',
  'warm',
  'verify',
  'error',
] as const;
/** The kinds of events. */
export type EventKind = (typeof EVENT_KINDS)[number];

/** Something that an operator should see. */
export interface Event {
  readonly kind: EventKind;
  /** One sentence; redacted and escaped when it is recorded. */
  readonly message: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly upstream?: string;
  readonly project?: string;
}

const MOST_EVENTS = 500;

/** The last 500 events, and how many there were of each kind since the start. */
export class Events {
  readonly #ring: Event[] = [];
  readonly #counts = new Map<EventKind, number>();
  #next = 0;

  record(event: Event): void {
    this.#ring[this.#next] = {
      ...event,
      message: presentable(event.message),
      ...(event.upstream === undefined ? {} : { upstream: presentable(event.upstream) }),
      ...(event.project === undefined ? {} : { project: presentable(event.project) }),
    };
    this.#next = (this.#next + 1) % MOST_EVENTS;
    this.#counts.set(event.kind, this.count(event.kind) + 1);
  }

  /** At most `limit` events, newest first. */
  recent(limit: number): readonly Event[] {
    const newestFirst = [...this.#ring.slice(this.#next), ...this.#ring.slice(0, this.#next)].reverse();
    return newestFirst.slice(0, Math.max(0, limit));
  }

  /** How many of this kind since the start, also those that left the ring. */
  count(kind: EventKind): number {
    return this.#counts.get(kind) ?? 0;
  }
}
