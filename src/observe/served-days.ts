// How much was served on each of the last days, in the spirit of the 2009 mirrors' `/local-stats/`: counts alone, for
// whoever may ask, so no project, file or client is named.

import type { AccessRecord } from './access-log.ts';

/** What was served on one day. */
export interface ServedDay {
  /** UTC, `2026-11-22`. */
  readonly day: string;
  readonly pages: number;
  readonly files: number;
  readonly metadata: number;
  /** Of the bodies of all three. */
  readonly bytes: number;
}

const MOST_DAYS = 31;
const DAY_MS = 86_400_000;
const COUNTED = { page: 'pages', file: 'files', metadata: 'metadata' } as const;

/** Counts what is served, by day. */
export class ServedDays {
  /** By days since the epoch. */
  readonly #days = new Map<number, { -readonly [Key in keyof ServedDay]: ServedDay[Key] }>();

  /** Counts an answered request, if it served something. */
  note({ kind, status, time, bytes }: Pick<AccessRecord, 'kind' | 'status' | 'time' | 'bytes'>): void {
    const what = COUNTED[kind as keyof typeof COUNTED];
    if (what === undefined || status < 200 || status >= 400) return;
    const number = Math.floor(time / DAY_MS);
    let counts = this.#days.get(number);
    if (counts === undefined) {
      counts = { day: new Date(time).toISOString().slice(0, 10), pages: 0, files: 0, metadata: 0, bytes: 0 };
      this.#days.set(number, counts);
      if (this.#days.size > MOST_DAYS) this.#days.delete(this.#days.keys().next().value!);
    }
    counts[what]++;
    counts.bytes += bytes;
  }

  /** Oldest first. */
  list(): ServedDay[] {
    return [...this.#days.values()].map((day) => ({ ...day }));
  }
}
