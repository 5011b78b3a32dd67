// Scrubs the store from time to time, so slowly that nobody notices: one pass a day, a few megabytes a second.

import { setTimeout as sleep } from 'node:timers/promises';
import { type ScrubOptions, scrub } from './scrub.ts';

export interface BackgroundScrubOptions extends Required<Pick<ScrubOptions, 'folders' | 'remove' | 'signal'>> {
  /** In [0, 1): where a pass begins, so that restarts do not favour some bodies. */
  readonly random: () => number;
  /** What is to be done before: other processes may have removed bodies, or died before they wrote down. */
  readonly tidy: () => Promise<unknown>;
}

const BYTES_PER_SECOND = 4 * 1024 * 1024;
/** A start has other things to do than to read everything. */
const FIRST_WAIT_MS = 10 * 60_000;
const REST_MS = 24 * 60 * 60_000;

/** Runs until the signal; resolves then. Rejects when a folder cannot be read. */
export async function scrubInBackground(options: BackgroundScrubOptions): Promise<void> {
  const { folders, random, remove, tidy, signal } = options;
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = REST_MS) {
    await sleep(waitMs, undefined, { ref: false, signal }).catch(() => {});
    if (signal.aborted) return;
    await tidy();
    const firstShard = Math.floor(random() * 256);
    for await (const _ of scrub({ folders, signal, remove, firstShard, bytesPerSecond: BYTES_PER_SECOND }));
  }
}
