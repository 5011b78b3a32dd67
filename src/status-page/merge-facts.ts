// What several processes on one data folder know, as if they were one. Counts are added up; of an upstream's health the
// process tells that heard of it last, for each asks for itself; the store is the same for all. Pure.

import type { HotPath } from '../observe/busiest.ts';
import type { Event } from '../observe/events.ts';
import type { StalePath } from '../observe/recently-stale.ts';
import type { ServedDay } from '../observe/served-days.ts';
import { type Period, sumOf } from '../observe/traffic.ts';
import type { MirrorStatus } from '../upstream/mirror.ts';
import type { StatusFacts } from './facts.ts';

/** What happens to all processes at about the same time is one event. */
const SAME_EVENT_MS = 60_000;

/** At least one process; what is the same for all is told by the first. */
export function mergeFacts([first, ...others]: readonly [StatusFacts, ...StatusFacts[]]): StatusFacts {
  const all = [first, ...others];
  return {
    ...first,
    startedAt: Math.min(...all.map(({ startedAt }) => startedAt)),
    processes: all.flatMap(({ processes }) => processes),
    indexes: first.indexes.map(({ name }) => ({ name, mirrors: mirrorsOf(name, all) })),
    minutes: first.minutes.map(({ start }) =>
      periodOf(
        start,
        all.flatMap(({ minutes }) => minutes),
      ),
    ),
    hours: first.hours.map(({ start }) =>
      periodOf(
        start,
        all.flatMap(({ hours }) => hours),
      ),
    ),
    days: first.days.map(({ start }) =>
      periodOf(
        start,
        all.flatMap(({ days }) => days),
      ),
    ),
    served: servedBy(all),
    stalePaths: stalePathsOf(all),
    hottest: hottestOf(all),
    slowest: all.flatMap(({ slowest }) => slowest).sort((a, b) => b.firstByteMs - a.firstByteMs),
    oldestStaleSeconds: Math.max(...all.map(({ oldestStaleSeconds }) => oldestStaleSeconds)),
    store: {
      ...first.store,
      paused: all.some(({ store }) => store.paused),
      evictions: {
        count: all.reduce((sum, { store }) => sum + store.evictions.count, 0),
        bytes: all.reduce((sum, { store }) => sum + store.evictions.bytes, 0),
      },
    },
    redis: all.some(({ redis }) => redis === 'down') ? 'down' : first.redis,
    events: eventsOf(all),
  };
}

/** What stays true of a process that is gone: what it has done, not how it was. */
export function factsOfTheGone(facts: StatusFacts): StatusFacts {
  const store = { ...facts.store, paused: false };
  return { ...facts, processes: [], indexes: [], stalePaths: [], oldestStaleSeconds: 0, store, redis: 'off' };
}

function mirrorsOf(index: string, all: readonly StatusFacts[]): MirrorStatus[] {
  const byUrl = new Map<string, MirrorStatus>();
  for (const mirror of all.flatMap(({ indexes }) => indexes.find(({ name }) => name === index)?.mirrors ?? [])) {
    const other = byUrl.get(mirror.url);
    byUrl.set(mirror.url, other === undefined ? mirror : lastHeardOf(other, mirror));
  }
  return [...byUrl.values()];
}

function lastHeardOf(one: MirrorStatus, other: MirrorStatus): MirrorStatus {
  return heardAt(other) > heardAt(one) ? other : one;
}

function heardAt({ lastSuccess, lastFailure }: MirrorStatus): number {
  return Math.max(lastSuccess ?? 0, lastFailure?.time ?? 0);
}

function periodOf(start: number, periods: readonly Period[]): Period {
  return { ...sumOf(periods.filter((period) => period.start === start)), start };
}

function servedBy(all: readonly StatusFacts[]): ServedDay[] {
  const days = new Map<string, ServedDay>();
  for (const day of all.flatMap(({ served }) => served)) {
    const other = days.get(day.day) ?? { pages: 0, files: 0, metadata: 0, bytes: 0 };
    days.set(day.day, {
      day: day.day,
      pages: day.pages + other.pages,
      files: day.files + other.files,
      metadata: day.metadata + other.metadata,
      bytes: day.bytes + other.bytes,
    });
  }
  return [...days.values()].sort((a, b) => (a.day < b.day ? -1 : 1));
}

function stalePathsOf(all: readonly StatusFacts[]): StalePath[] {
  const paths = new Map<string, StalePath>();
  for (const one of all.flatMap(({ stalePaths }) => stalePaths)) {
    const { answers = 0, lastAt = 0 } = paths.get(one.path) ?? {};
    paths.set(one.path, { ...one, answers: one.answers + answers, lastAt: Math.max(one.lastAt, lastAt) });
  }
  return [...paths.values()].sort((a, b) => b.lastAt - a.lastAt);
}

function hottestOf(all: readonly StatusFacts[]): HotPath[] {
  const counts = new Map<string, number>();
  for (const { path, answers } of all.flatMap(({ hottest }) => hottest)) {
    counts.set(path, (counts.get(path) ?? 0) + answers);
  }
  return [...counts].sort(([, a], [, b]) => b - a).map(([path, answers]) => ({ path, answers }));
}

/** Newest first. */
function eventsOf(all: readonly StatusFacts[]): Event[] {
  const lastSeen = new Map<string, number>();
  const newestFirst = all.flatMap(({ events }) => events).sort((a, b) => b.at - a.at);
  return newestFirst.filter(({ at, ...what }) => {
    const name = JSON.stringify(what);
    const isRepetition = (lastSeen.get(name) ?? Number.POSITIVE_INFINITY) - at < SAME_EVENT_MS;
    lastSeen.set(name, at);
    return !isRepetition;
  });
}
