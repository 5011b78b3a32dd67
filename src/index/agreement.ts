// When each index last agreed with us: one of its upstreams confirmed or gave a page, or said that there is none. Kept
// over restarts, since a mirror that comes back up in an outage is as old as it was before.

import type { EntryStore } from '../store/entries/entry-store.ts';

/** Where agreements are kept, and the clock in milliseconds since the epoch. */
export interface AgreementOptions {
  readonly entries: EntryStore;
  /** Under which the data of an index is kept: see `indexScope`. */
  readonly scopeOf: (index: string) => string;
  readonly now: () => number;
}

/** Written down at most this often; after a crash the time is that much too old. */
const WRITE_INTERVAL_MS = 30_000;

/** Remembers when an upstream of each index last agreed with us; `/last-modified` tells it. */
export class Agreement {
  readonly #options: AgreementOptions;
  readonly #last = new Map<string, number>();
  readonly #written = new Map<string, number>();

  constructor(options: AgreementOptions) {
    this.#options = options;
  }

  /** One of the index's upstreams has just answered. */
  note(index: string): void {
    const now = this.#options.now();
    this.#last.set(index, now);
    if (now - (this.#written.get(index) ?? Number.NEGATIVE_INFINITY) < WRITE_INTERVAL_MS) return;
    this.#written.set(index, now);
    void this.#write(index, now);
  }

  /** When the one of these indexes that has been silent for longest last agreed; undefined when one never did. */
  async oldest(indexes: readonly string[]): Promise<number | undefined> {
    const times = await Promise.all(indexes.map((index) => this.#lastOf(index)));
    return times.includes(undefined) ? undefined : Math.min(...(times as number[]));
  }

  async #lastOf(index: string): Promise<number | undefined> {
    // Another process on this folder may have heard of it later than we have.
    const written = (await this.#options.entries.get(this.#keyOf(index)))?.variants[0]?.responseTime;
    const known = this.#last.get(index);
    return known === undefined || written === undefined ? (known ?? written) : Math.max(known, written);
  }

  async #write(index: string, time: number): Promise<void> {
    const key = this.#keyOf(index);
    const entry = {
      status: 200,
      fields: [],
      url: key,
      requestTime: time,
      responseTime: time,
      varying: [],
      source: index,
    };
    await this.#options.entries.set(key, { format: 1, variants: [entry] });
  }

  #keyOf(index: string): string {
    return `agreed:${this.#options.scopeOf(index)}`;
  }
}
