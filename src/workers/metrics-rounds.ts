// The primary's side of /metrics: asks every worker what it counted, waits a second at most, and hands on the lot.

import type { MetricsSnapshot } from '../observe/metrics.ts';
import { DepartedMetrics } from './departed-metrics.ts';

export interface MetricsRoundsOptions {
  /** The workers that serve now. */
  readonly workers: () => readonly number[];
  readonly ask: (worker: number, round: number) => void;
}

/** A worker that is stopped or busy for longer is told of by what it said last. */
const ROUND_MS = 1_000;

interface Round {
  readonly missing: Set<number>;
  readonly done: () => void;
  readonly result: Promise<void>;
}

export class MetricsRounds {
  readonly #options: MetricsRoundsOptions;
  readonly #last = new Map<number, MetricsSnapshot>();
  readonly #departed = new DepartedMetrics();
  #round: Round | undefined;
  #rounds = 0;

  constructor(options: MetricsRoundsOptions) {
    this.#options = options;
  }

  /** Resolves with the workers' snapshots, and one for all that are gone. Those who ask together share a round. */
  async collect(): Promise<readonly MetricsSnapshot[]> {
    this.#round ??= this.#begin();
    await this.#round.result;
    return [...this.#last.values(), this.#departed.snapshot];
  }

  /** A worker's answer; one that comes late is still the newest word of that worker. */
  answered(worker: number, round: number, snapshot: MetricsSnapshot): void {
    this.#last.set(worker, snapshot);
    if (round === this.#rounds) this.#strike(worker);
  }

  left(worker: number): void {
    const last = this.#last.get(worker);
    if (last !== undefined) this.#departed.add(last);
    this.#last.delete(worker);
    this.#strike(worker);
  }

  #begin(): Round {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ROUND_MS);
    const missing = new Set(this.#options.workers());
    this.#rounds++;
    for (const worker of missing) this.#options.ask(worker, this.#rounds);
    if (missing.size === 0) resolve();
    const result = promise.finally(() => {
      clearTimeout(timer);
      this.#round = undefined;
    });
    return { missing, done: resolve, result };
  }

  #strike(worker: number): void {
    const round = this.#round;
    if (round?.missing.delete(worker) === true && round.missing.size === 0) round.done();
  }
}
