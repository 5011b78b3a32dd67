// Where things are kept: blobs on disk, entries in their tiers, and the bodies that just came.

import * as fs from 'node:fs';
import { isPurgeable, projectOfKey } from '../admin/cache-keys.ts';
import { BodyWriteRetries } from '../store/blobs/body-write-retries.ts';
import { DiskBlobs } from '../store/blobs/disk-blobs.ts';
import { RecentBodies } from '../store/blobs/recent-bodies.ts';
import type { EntryRecord } from '../store/entries/entry.ts';
import { ownedName } from '../store/entries/record.ts';
import { isPrunable, TieredEntryStore } from '../store/entries/tiered-entries.ts';
import { PurgeMarks } from '../store/redis/purge-marks.ts';
import { type Basics, memoryShare } from './context.ts';

/** Everything that is kept: bodies, entries, and what waits to be written. */
export interface Stores {
  readonly blobs: DiskBlobs;
  readonly entries: TieredEntryStore;
  readonly recent: RecentBodies;
  readonly bodyWriteRetries: BodyWriteRetries;
  readonly purgeMarks: PurgeMarks;
}

/** Opens the data folder. Rejects with the system's error when it cannot be used. */
export async function openStores(basics: Basics): Promise<Stores> {
  const { config, now, telemetry } = basics;
  fs.mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
  const bodyWriteRetries = new BodyWriteRetries();
  const blobs = new DiskBlobs({
    dataDir: config.dataDir,
    memoryBytes: memoryShare(basics, 'smallFiles'),
    quotaBytes: config.diskQuotaBytes,
    freeSpaceFloorBytes: config.freeSpaceFloorBytes,
    now,
    onEvicted: (reason, bytes) => telemetry.evicted(reason, bytes),
    onPaused: (paused) => {
      telemetry.diskPaused(paused);
      if (!paused) void bodyWriteRetries.tryAgain();
    },
    onDamage: (what, name) => telemetry.damagedBody(what, name),
    onUnreadable: (error) => telemetry.diskReadFailure(error),
  });
  const purgeMarks = new PurgeMarks({ projectOf: projectOfKey, isPurgeable });
  const entries = await TieredEntryStore.open({
    dataDir: config.dataDir,
    memoryBytes: memoryShare(basics, 'entries'),
    ...(config.redis === undefined ? {} : { redis: { ...config.redis, certificates: config.extraCertificates } }),
    now,
    isPurged: (key, validatedAt) => purgeMarks.isPurged(key, validatedAt),
    count: (event) => telemetry.storeEvent(event),
    onDamaged: () => telemetry.entriesDamaged(),
    onRedisState: (state, reason) => telemetry.redisState(state, reason),
    onRedisDenied: (commands, cure) => telemetry.redisDenied(commands, cure),
  });
  const recent = new RecentBodies({ maxBytes: memoryShare(basics, 'recentBodies') });
  return { blobs, entries, recent, bodyWriteRetries, purgeMarks };
}

/** Forgets entries that lead to nothing any more; resolves with their number. */
export function pruneEntries(
  { blobs, entries }: Pick<Stores, 'blobs' | 'entries'>,
  now: () => number,
  signal: AbortSignal,
): Promise<number> {
  const prunable = async (key: string, record: EntryRecord) =>
    isPurgeable(key) &&
    (await isPrunable(record, now(), (entry) => blobs.has(entry.body!.digest, ownedName(key, entry))));
  return entries.sweep(prunable, signal);
}
