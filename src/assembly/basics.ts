// What every part of the machine is given: the configuration, the clock, and whom to tell.

import type { Config } from '../config/config.ts';
import type { Events } from '../observe/events.ts';
import type { Log } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Telemetry } from '../telemetry.ts';

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

/** So many eighths of the memory budget, in bytes. */
export function memoryShare({ config }: Basics, eighths: number): number {
  return Math.floor((config.memoryBytes * eighths) / 8);
}
