// What a process knows of itself, as one plain value that can travel to another process: gathered from what is in
// memory, so that asking costs nothing and waits for nothing. The status page shows it to everybody, but for what names
// projects: the stale paths and what the events say. Those are for the administration.

import type { Busiest, HotPath, SlowAnswer } from '../observe/busiest.ts';
import type { DrillResult } from '../observe/drills.ts';
import type { Event, Events } from '../observe/events.ts';
import type { RecentlyStale, StalePath } from '../observe/recently-stale.ts';
import type { ServedDay, ServedDays } from '../observe/served-days.ts';
import type { Period, Traffic } from '../observe/traffic.ts';
import type { DiskBlobs } from '../store/blobs/disk-blobs.ts';
import type { EntryStore } from '../store/entries/entry-store.ts';
import type { IndexUpstream } from '../upstream/index-upstream.ts';
import type { MirrorStatus } from '../upstream/mirror.ts';
import type { SeenLast } from './seen-last.ts';

/** Where the facts come from. */
export interface StatusSources {
  readonly version: string;
  readonly now: () => number;
  readonly publicUrl: string | undefined;
  /** Whether the index is at another address than this page. */
  readonly isElsewhere: boolean;
  /** Whether the server answers to some names only. */
  readonly limitsNames: boolean;
  readonly quotaBytes: number;
  readonly upstreams: ReadonlyMap<string, Pick<IndexUpstream, 'status'>>;
  readonly entries: Pick<EntryStore, 'status'>;
  readonly blobs: Pick<DiskBlobs, 'status'>;
  /** Bytes that we may still write. */
  readonly freeSpace: Pick<SeenLast<number>, 'value'>;
  readonly drills: Pick<SeenLast<readonly DrillResult[]>, 'value'>;
  readonly traffic: Traffic;
  readonly served: ServedDays;
  readonly fetches: () => number;
  readonly recentlyStale: RecentlyStale;
  readonly busiest: Busiest;
  readonly events: Events;
  /** Seconds since the validation of the oldest copy that was served stale in the last minute. */
  readonly oldestStaleSeconds: () => number;
  /** Blobs that left to make room. */
  readonly evictions: () => { readonly count: number; readonly bytes: number };
  /** Accounts for the answers that have not been counted yet. */
  readonly settle: () => void;
}

/** Times are milliseconds since the epoch. */
export interface StatusFacts {
  readonly version: string;
  readonly now: number;
  readonly startedAt: number;
  /** Those that share the listener; what is told is of all of them. */
  readonly processes: readonly { readonly pid: number; readonly startedAt: number; readonly fetches: number }[];
  readonly publicUrl: string | undefined;
  /** Whether the index is at another address than this page. */
  readonly isElsewhere: boolean;
  /** Whether the server answers to some names only. */
  readonly limitsNames: boolean;
  readonly indexes: readonly { readonly name: string; readonly mirrors: readonly MirrorStatus[] }[];
  readonly minutes: readonly Period[];
  readonly hours: readonly Period[];
  readonly days: readonly Period[];
  /** Oldest first. */
  readonly served: readonly ServedDay[];
  /** Newest first. They name projects. */
  readonly stalePaths: readonly StalePath[];
  /** Most asked first, of the last hour or two. They name projects. */
  readonly hottest: readonly HotPath[];
  /** Slowest first, of the last hour or two. They name projects. */
  readonly slowest: readonly SlowAnswer[];
  /** Of what was served stale in the last minute; 0 when nothing was. */
  readonly oldestStaleSeconds: number;
  readonly store: {
    readonly bytes: number;
    readonly count: number;
    readonly records: number;
    readonly quotaBytes: number;
    /** Undefined while nobody has looked. */
    readonly freeBytes: number | undefined;
    readonly paused: boolean;
    readonly evictions: { readonly count: number; readonly bytes: number };
  };
  /** How ready for an outage the lock files are that were drilled; newest first. */
  readonly drills: readonly DrillResult[];
  readonly redis: 'off' | 'up' | 'down';
  /** Newest first. Their messages may name projects. */
  readonly events: readonly Event[];
}

const MOST_EVENTS = 500;
const MOST_HOT = 50;

/** What this process knows now. */
export function factsOf(sources: StatusSources, startedAt: number): StatusFacts {
  const { version, publicUrl, isElsewhere, limitsNames, quotaBytes, upstreams, traffic, recentlyStale } = sources;
  sources.settle();
  const now = sources.now();
  const { records, redis } = sources.entries.status();
  return {
    version,
    now,
    startedAt,
    processes: [{ pid: process.pid, startedAt, fetches: sources.fetches() }],
    publicUrl,
    isElsewhere,
    limitsNames,
    indexes: [...upstreams].map(([name, upstream]) => ({ name, mirrors: upstream.status() })),
    minutes: traffic.minutes(now),
    hours: traffic.hours(now),
    days: traffic.days(now),
    served: sources.served.list(),
    stalePaths: recentlyStale.list(now),
    hottest: sources.busiest.hottest(now, MOST_HOT),
    slowest: sources.busiest.slowest(now),
    oldestStaleSeconds: sources.oldestStaleSeconds(),
    store: {
      ...sources.blobs.status(),
      records,
      quotaBytes,
      freeBytes: sources.freeSpace.value,
      evictions: sources.evictions(),
    },
    drills: sources.drills.value ?? [],
    redis,
    events: sources.events.recent(MOST_EVENTS),
  };
}
