// The primary's side of a purge: tells the keys to every other worker and waits until they have forgotten them, so that
// whoever ordered it finds nothing of the old in any of them.

export interface PurgeRoundsOptions {
  /** The workers that serve now. */
  readonly workers: () => readonly number[];
  readonly tell: (worker: number, round: number, keys: readonly string[]) => void;
}

/** A worker that is stopped or busy for longer forgets when it comes to it. */
const ROUND_MS = 1_000;

interface Round {
  readonly missing: Set<number>;
  readonly done: () => void;
}

export class PurgeRounds {
  readonly #options: PurgeRoundsOptions;
  readonly #rounds = new Map<number, Round>();
  #count = 0;

  constructor(options: PurgeRoundsOptions) {
    this.#options = options;
  }

  /** Resolves when all workers but `from` have forgotten the keys, or after a second. */
  async purge(from: number, keys: readonly string[]): Promise<void> {
    const missing = new Set(this.#options.workers());
    missing.delete(from);
    if (missing.size === 0) return;
    const number = ++this.#count;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ROUND_MS);
    this.#rounds.set(number, { missing, done: resolve });
    for (const worker of missing) this.#options.tell(worker, number, keys);
    await promise;
    clearTimeout(timer);
    this.#rounds.delete(number);
  }

  forgotten(worker: number, number: number): void {
    const round = this.#rounds.get(number);
    if (round?.missing.delete(worker) === true && round.missing.size === 0) round.done();
  }

  left(worker: number): void {
    for (const number of this.#rounds.keys()) this.forgotten(worker, number);
  }
}
