// What clients get stale now: paths whose newest answer, within the last minutes, was a stale copy. The paths name
// projects, so who may see them is decided where they are shown; how many there are is for everybody.

import { type AccessRecord, keptPath } from './access-log.ts';

/** A path that was answered stale. */
export interface StalePath {
  /** The request's path, without its query. */
  readonly path: string;
  /** Stale answers in a row. */
  readonly answers: number;
  /** Milliseconds since the epoch. */
  readonly lastAt: number;
}

/** Nobody asked for so long: whether it would be stale is not known. */
const RECENT_MS = 600_000;
const MOST_PATHS = 2_000;

/** The paths that were answered stale lately. */
export class RecentlyStale {
  /** In the order of their last stale answers. */
  readonly #paths = new Map<string, StalePath>();

  note({ target, outcome, time }: Pick<AccessRecord, 'target' | 'outcome' | 'time'>): void {
    const isStale = outcome === 'stale-if-error' || outcome === 'stale-while-revalidate';
    // As long as nothing is stale a request costs nothing here.
    if (!isStale && this.#paths.size === 0) return;
    const path = keptPath(target);
    const before = this.#paths.get(path);
    this.#paths.delete(path);
    if (!isStale) return;
    this.#paths.set(path, { path, answers: (before?.answers ?? 0) + 1, lastAt: time });
    if (this.#paths.size > MOST_PATHS) this.#paths.delete(this.#paths.keys().next().value!);
  }

  /** Newest first. */
  list(now: number): StalePath[] {
    for (const { path, lastAt } of this.#paths.values()) {
      if (now - lastAt < RECENT_MS) break;
      this.#paths.delete(path);
    }
    return [...this.#paths.values()].reverse();
  }
}
