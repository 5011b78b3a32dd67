// Entries that lead to nothing: their body was evicted or lost, or all they say is that there was nothing. Nobody misses
// them, and names that were asked for once would otherwise be remembered for ever.

import type { Entry, EntryRecord } from '../store/entries/entry.ts';

/** Younger ones may be of a body that is still on its way to the disk. */
const AGE_MS = 24 * 60 * 60_000;
/** Withheld for legal reasons: upstream's word, to be kept in an outage too. */
const WITHHELD = 451;

/** `hasBody` looks whether the body of an entry is stored. */
export async function isWorthless(
  { variants, doubt }: EntryRecord,
  now: number,
  hasBody: (entry: Entry) => Promise<boolean>,
): Promise<boolean> {
  if (doubt !== undefined) return false;
  for (const entry of variants) {
    if (now - entry.responseTime < AGE_MS) return false;
    if (entry.body === undefined) {
      if (entry.status < 400 || entry.status === WITHHELD) return false;
    } else if (await hasBody(entry)) return false;
  }
  return true;
}
