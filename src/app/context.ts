// What every part of the machine is given: the configuration, the clock, and whom to tell.

import type { PurgePart } from '../admin/cache-keys.ts';
import type { Config } from '../config/config.ts';
import type { LeaseDesk } from '../core/lease.ts';
import type { Events } from '../observe/events.ts';
import type { Log } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { StatusFacts } from '../status-page/facts.ts';
import type { Telemetry } from './telemetry.ts';

/** What every part of the machine is given. */
export interface Basics {
  readonly config: Config;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** In [0, 1). */
  readonly random: () => number;
  readonly log: Log;
  readonly version: string;
  /** How this process names itself in Via. */
  readonly via: string;
  /** Names this node among those that share a Redis; the same in all its workers, another one after a restart. */
  readonly node: string;
  readonly metrics: Metrics;
  readonly events: Events;
  readonly telemetry: Telemetry;
}

/** Who holds how many parts of the memory budget. */
const MEMORY_PARTS = { renderedPages: 4, entries: 2, recentBodies: 1, smallFiles: 1, readyAnswers: 1 } as const;
const ALL_PARTS = Object.values(MEMORY_PARTS).reduce((sum, parts) => sum + parts, 0);

/** The holders of the memory budget. */
export type MemoryHolder = keyof typeof MEMORY_PARTS;
/** All of them. */
export const MEMORY_HOLDERS = Object.keys(MEMORY_PARTS) as MemoryHolder[];

/** What one of them may hold, in bytes: together they hold the budget and no more. */
export function memoryShare(
  { config }: { readonly config: Pick<Config, 'memoryBytes'> },
  holder: MemoryHolder,
): number {
  return Math.floor((config.memoryBytes * MEMORY_PARTS[holder]) / ALL_PARTS);
}

/** What one of several worker processes has from its other workers. */
export interface OtherWorkers {
  readonly leases: LeaseDesk;
  /** The metrics of all of them. Rejects when they cannot be had. */
  renderMetrics(): Promise<string>;
  /** What all of them know; only `own` when the others cannot be asked. */
  allFacts(own: StatusFacts): Promise<StatusFacts>;
  /** Resolves when the others have done their part in a purge, or keep silent. */
  purged(part: PurgePart): Promise<void>;
}
