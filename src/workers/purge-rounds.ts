// The primary's side of a purge: tells every other worker its part and waits until they have done it, so that the client
// that ordered it finds nothing of the old in any of them. A worker that kept silent for a whole round (it is stopped, or
// the machine is) is told, but not waited for again before it has answered.

import type { PurgePart } from '../admin/cache-keys.ts';

/** The workers, and how long one may be silent, in milliseconds. */
export interface PurgeRoundsOptions {
  /** The workers that serve now. */
  readonly workers: () => readonly number[];
  readonly tell: (worker: number, round: number, part: PurgePart) => void;
}

/** A worker that is stopped or busy for longer forgets when it comes to it. */
const ROUND_MS = 1_000;

interface Round {
  readonly missing: Set<number>;
  readonly done: () => void;
}

/** Passes purges to all workers and waits for their answers. */
export class PurgeRounds {
  readonly #options: PurgeRoundsOptions;
  readonly #rounds = new Map<number, Round>();
  /** Workers that owe an answer to a round that is over. */
  readonly #silent = new Set<number>();
  #count = 0;

  constructor(options: PurgeRoundsOptions) {
    this.#options = options;
  }

  /** Resolves when all workers but `from` have done their part, or after a second; at once where all keep silent. */
  async purge(from: number, part: PurgePart): Promise<void> {
    const others = this.#options.workers().filter((worker) => worker !== from);
    const number = ++this.#count;
    const missing = new Set(others.filter((worker) => !this.#silent.has(worker)));
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#rounds.set(number, { missing, done: resolve });
    for (const worker of others) this.#options.tell(worker, number, part);
    if (missing.size > 0) {
      const timer = setTimeout(resolve, ROUND_MS);
      await promise;
      clearTimeout(timer);
    }
    this.#rounds.delete(number);
    for (const worker of missing) this.#silent.add(worker);
  }

  forgotten(worker: number, number: number): void {
    this.#silent.delete(worker);
    const round = this.#rounds.get(number);
    if (round?.missing.delete(worker) === true && round.missing.size === 0) round.done();
  }

  left(worker: number): void {
    for (const number of this.#rounds.keys()) this.forgotten(worker, number);
    this.#silent.delete(worker);
  }
}
