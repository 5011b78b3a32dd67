// How old a file is. Its age counts from `since`, which is worked out when a page is read and kept with the file.

/** A claimed upload time before this much less than the last look at the page is not believed for a new file. */
const BACK_DATED_MS = 24 * 3_600_000;
/** Files of one version that come within this time of its first ripen together. */
const ONE_RELEASE_MS = 24 * 3_600_000;

/** Where an age comes from: told by upload-time, seen first by this cache, or older than all we know. */
export type Age = { readonly since: number; readonly from: 'upload-time' | 'first-seen' | 'back-dated' | 'old' };

export interface PageView {
  /** When the page that is held was validated last, in milliseconds since the epoch; undefined when none is held. */
  readonly heldValidatedAt: number | undefined;
  /** When the new page was validated, in milliseconds since the epoch. */
  readonly validatedAt: number;
}

/**
 * The age of a file that is new on a page, by the upload time that it claims (milliseconds since the epoch). On a page
 * that is held already it cannot claim to be much older than the last look at that page. Without an upload time the
 * first sight counts; what the first page ever seen listed counts as old. An upload that lies ahead of our clock counts
 * from the first sight as well.
 */
export function ageOf(claimed: number | undefined, { heldValidatedAt, validatedAt }: PageView): Age {
  if (claimed === undefined) {
    if (heldValidatedAt === undefined) return { since: Number.NEGATIVE_INFINITY, from: 'old' };
    return { since: validatedAt, from: 'first-seen' };
  }
  if (claimed > validatedAt) return { since: validatedAt, from: 'first-seen' };
  if (heldValidatedAt !== undefined && claimed < heldValidatedAt - BACK_DATED_MS) {
    return { since: heldValidatedAt, from: 'back-dated' };
  }
  return { since: claimed, from: 'upload-time' };
}

/**
 * From when each file ripens, in the order of `files`: those of one version that came within a day of its first ripen
 * with the newest of them, for a ripe sdist without its wheels makes pip build. Later ones ripen alone.
 */
export function ripeningTimes(
  files: readonly { readonly version: string | undefined; readonly since: number }[],
): number[] {
  const releases = new Map<string, { first: number; last: number }>();
  const known = files.filter(({ version }) => version !== undefined).sort((one, other) => one.since - other.since);
  for (const { version, since } of known) {
    const release = releases.get(version!);
    if (release === undefined) releases.set(version!, { first: since, last: since });
    else if (since <= release.first + ONE_RELEASE_MS) release.last = since;
  }
  return files.map(({ version, since }) => {
    const release = version === undefined ? undefined : releases.get(version);
    return release !== undefined && since <= release.first + ONE_RELEASE_MS ? release.last : since;
  });
}

const INSTANT =
  /^(\d{4})-(\d{2})-(\d{2})(?:[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?\s?([Zz]|[+-]\d{2}:?\d{2})?)?$/;

/**
 * Milliseconds since the epoch of an RFC 3339 time, or of a date (its 00:00:00Z). Without a zone it is UTC (PEP 700).
 * Undefined for everything else: `Date.parse` would read it in the zone of this machine, or guess.
 */
export function readInstant(text: string | undefined): number | undefined {
  const found = INSTANT.exec(text?.trim() ?? '');
  if (found === null) return undefined;
  const [year, month, day, hour, minute, second] = found.slice(1, 7).map((part) => Number(part ?? 0));
  const ms = Number((found[7] ?? '0').padEnd(3, '0').slice(0, 3));
  const at = Date.UTC(year!, month! - 1, day!, hour, minute, Math.min(second!, 59), ms);
  const read = new Date(at);
  const exists = read.getUTCMonth() === month! - 1 && read.getUTCDate() === day && hour! < 24 && minute! < 60;
  if (!exists || second! > 60) return undefined;
  const zone = /^([+-])(\d{2}):?(\d{2})$/.exec(found[8] ?? 'Z');
  if (zone === null) return at;
  const offsetMs = (Number(zone[2]) * 60 + Number(zone[3])) * 60_000;
  if (Number(zone[2]) > 23 || Number(zone[3]) > 59) return undefined;
  return zone[1] === '+' ? at - offsetMs : at + offsetMs;
}
