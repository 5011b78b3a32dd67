// What was answered in each of the last minutes, hours and days, for the state and the charts of the status page. Counts alone, in this
// process's memory: Prometheus has the long history, this is for whoever has none.

import type { AccessRecord } from './access-log.ts';
import type { Kind, Outcome } from './metric-table.ts';

/** One minute, one hour or one day (UTC). */
export interface Period {
  /** Milliseconds since the epoch. */
  readonly start: number;
  /** Answers that were due: what we refused, and what is about ourselves, is not among them. */
  readonly answers: number;
  /** Of them: the body came from here, confirmed by upstream or not. */
  readonly fromCache: number;
  /** Of them: past the freshness lifetime and not confirmed. */
  readonly stale: number;
  /** 502, 503 and their like. */
  readonly failed: number;
  /** Bytes of bodies sent. */
  readonly bytes: number;
  /** Of them: did not come from upstream. */
  readonly savedBytes: number;
}

type Counts = { -readonly [Key in keyof Period]: Period[Key] };

/** What clients come for. */
const COUNTED: ReadonlySet<Kind> = new Set(['page', 'list', 'file', 'metadata', 'json', 'raw']);
const FROM_CACHE: ReadonlySet<Outcome> = new Set(['hit', 'revalidated', 'stale-while-revalidate', 'stale-if-error']);
const STALE: ReadonlySet<Outcome> = new Set(['stale-while-revalidate', 'stale-if-error']);

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** How many minutes the state of the status page looks back. */
export const RECENT_MINUTES = 15;

/** Counts requests by minute, hour and day. */
export class Traffic {
  readonly #minutes = new Ring(MINUTE_MS, RECENT_MINUTES);
  readonly #hours = new Ring(HOUR_MS, 24);
  readonly #days = new Ring(DAY_MS, 31);

  note(record: Pick<AccessRecord, 'time' | 'kind' | 'outcome' | 'bytes'>): void {
    if (!COUNTED.has(record.kind) || record.outcome === 'denied') return;
    count(this.#minutes.at(record.time), record);
    count(this.#hours.at(record.time), record);
    count(this.#days.at(record.time), record);
  }

  /** The last 15 minutes, oldest first; the one that runs now is the last. */
  minutes(now: number): Period[] {
    return this.#minutes.list(now);
  }

  /** The last 24 hours, oldest first; the one that runs now is the last. */
  hours(now: number): Period[] {
    return this.#hours.list(now);
  }

  /** The last 31 days, likewise. */
  days(now: number): Period[] {
    return this.#days.list(now);
  }
}

/** The sum of several periods; `start` is the first one's. */
export function sumOf(periods: readonly Period[]): Period {
  const sum = empty(periods[0]?.start ?? 0);
  for (const period of periods) {
    for (const key of ['answers', 'fromCache', 'stale', 'failed', 'bytes', 'savedBytes'] as const) {
      sum[key] += period[key];
    }
  }
  return sum;
}

function count(counts: Counts, { outcome, bytes }: Pick<AccessRecord, 'outcome' | 'bytes'>): void {
  counts.answers++;
  counts.bytes += bytes;
  if (outcome === 'failed') counts.failed++;
  if (STALE.has(outcome)) counts.stale++;
  if (!FROM_CACHE.has(outcome)) return;
  counts.fromCache++;
  counts.savedBytes += bytes;
}

function empty(start: number): Counts {
  return { start, answers: 0, fromCache: 0, stale: 0, failed: 0, bytes: 0, savedBytes: 0 };
}

/** As many periods as places. Another period takes the place of what is there: after a jump of the clock, too. */
class Ring {
  readonly #lengthMs: number;
  readonly #places: number;
  readonly #counts: Counts[] = [];

  constructor(lengthMs: number, places: number) {
    this.#lengthMs = lengthMs;
    this.#places = places;
  }

  at(time: number): Counts {
    const start = Math.floor(time / this.#lengthMs) * this.#lengthMs;
    const place = (start / this.#lengthMs) % this.#places;
    const known = this.#counts[place];
    if (known?.start === start) return known;
    const counts = empty(start);
    this.#counts[place] = counts;
    return counts;
  }

  list(now: number): Period[] {
    const last = Math.floor(now / this.#lengthMs);
    return Array.from({ length: this.#places }, (_, position) => {
      const number = last - this.#places + 1 + position;
      const known = this.#counts[number % this.#places];
      const start = number * this.#lengthMs;
      return known?.start === start ? { ...known } : empty(start);
    });
  }
}
