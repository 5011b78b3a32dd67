// How much was served on each of the last days, in the spirit of the 2009 mirrors' `/local-stats/`: counts alone, for
// whoever may ask, so no project, file or client is named.

import type { AccessRecord } from './access-log.ts';

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
const COUNTED = { page: 'pages', file: 'files', metadata: 'metadata' } as const;

export class ServedDays {
  readonly #days = new Map<string, { -readonly [Key in keyof ServedDay]: ServedDay[Key] }>();

  /** Counts an answered request, if it served something. */
  note({ kind, status, time, bytes }: Pick<AccessRecord, 'kind' | 'status' | 'time' | 'bytes'>): void {
    const what = COUNTED[kind as keyof typeof COUNTED];
    if (what === undefined || status < 200 || status >= 400) return;
    const day = new Date(time).toISOString().slice(0, 10);
    let counts = this.#days.get(day);
    if (counts === undefined) {
      counts = { day, pages: 0, files: 0, metadata: 0, bytes: 0 };
      this.#days.set(day, counts);
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
