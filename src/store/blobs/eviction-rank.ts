// Which stored file should leave first: what has not been used for long and is cheap to fetch again for the room it
// takes (GreedyDual-Size, with time as the clock that inflates). Pure.

const DAY_MS = 86_400_000;
/** What fetching costs whatever the size, and for each megabyte; milliseconds. */
const REQUEST_MS = 200;
const MEGABYTE_MS = 100;
/** A file that is used for the thousandth time has proved enough. */
const MAX_USES = 1024;

/**
 * The moment (ms since the epoch) until which a file is worth its place, as a number to be compared: the smallest
 * leaves first. It is the last use, put off by a day for every doubling of what a megabyte of it costs to fetch again
 * (so small files outlive large ones) and of how often it was used.
 */
export function evictionRank(usedAt: number, sizeBytes: number, uses: number): number {
  const megabytes = Math.max(sizeBytes, 1_000) / 1_000_000;
  const costPerMegabyte = (REQUEST_MS + megabytes * MEGABYTE_MS) / megabytes;
  const worth = Math.log2(costPerMegabyte / MEGABYTE_MS) + Math.log2(Math.min(uses, MAX_USES));
  return Math.round(usedAt + worth * DAY_MS);
}
