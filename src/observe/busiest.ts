// What is asked for most, and what took longest, within the last hour or two. The paths name projects, so who may see
// them is decided where they are shown.

import { type AccessRecord, keptPath } from './access-log.ts';
import type { Kind } from './metric-table.ts';

/** A path and how often it was asked for. */
export interface HotPath {
  /** The request's path, without its query. */
  readonly path: string;
  readonly answers: number;
}

/** A path and how long its answer took, in milliseconds. */
export interface SlowAnswer {
  readonly path: string;
  /** To the first byte: how long the rest takes is for the client's line to say. */
  readonly firstByteMs: number;
  readonly outcome: AccessRecord['outcome'];
  /** Milliseconds since the epoch. */
  readonly at: number;
}

const HOUR_MS = 3_600_000;
/** Beyond these the rarest are forgotten: whoever invents paths fills no memory. */
const MOST_PATHS = 4_000;
const MOST_SLOW = 20;
/** What installers wait for; our own pages are not their business. */
const COUNTED: ReadonlySet<Kind> = new Set(['page', 'list', 'file', 'metadata', 'json', 'raw']);

/** The paths asked for most and answered slowest, lately. */
export class Busiest {
  #hour = 0;
  #counts = new Map<string, number>();
  #before = new Map<string, number>();
  #slow: SlowAnswer[] = [];

  note({ target, kind, outcome, time, firstByteMs }: AccessRecord): void {
    if (!COUNTED.has(kind)) return;
    this.#turn(time);
    const path = keptPath(target);
    this.#counts.set(path, (this.#counts.get(path) ?? 0) + 1);
    if (this.#counts.size > MOST_PATHS) this.#counts = new Map(topOf(this.#counts, MOST_PATHS / 2));
    const wholeMs = Math.round(firstByteMs);
    if (this.#slow.length === MOST_SLOW && wholeMs <= this.#slow[MOST_SLOW - 1]!.firstByteMs) return;
    const slow = { path, firstByteMs: wholeMs, outcome, at: time };
    this.#slow = [...this.#slow, slow].sort((a, b) => b.firstByteMs - a.firstByteMs).slice(0, MOST_SLOW);
  }

  /** The most asked first, of this hour and the one before. */
  hottest(now: number, count: number): HotPath[] {
    this.#turn(now);
    const sum = new Map(this.#before);
    for (const [path, answers] of this.#counts) sum.set(path, (sum.get(path) ?? 0) + answers);
    return topOf(sum, count).map(([path, answers]) => ({ path, answers }));
  }

  /** The slowest first, of this hour and the one before. */
  slowest(now: number): readonly SlowAnswer[] {
    this.#turn(now);
    return this.#slow;
  }

  #turn(now: number): void {
    const hour = Math.floor(now / HOUR_MS);
    if (hour === this.#hour) return;
    this.#before = hour === this.#hour + 1 ? this.#counts : new Map();
    this.#counts = new Map();
    this.#hour = hour;
    this.#slow = this.#slow.filter(({ at }) => Math.floor(at / HOUR_MS) >= hour - 1);
  }
}

function topOf(counts: ReadonlyMap<string, number>, count: number): [string, number][] {
  return [...counts].sort(([, a], [, b]) => b - a).slice(0, count);
}
