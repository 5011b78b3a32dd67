// What is known of a project's files: by which hash each name was first seen. A name is that file until an operator
// says otherwise, so what a page says later must repeat that hash. Pure: known-files.ts stores it.

import { hash } from 'node:crypto';
import { ageOf, type PageView, readInstant } from '../policy/since.ts';
import type { FileRecord, Hashes } from './page.ts';

/** What a page says of one name, measured against what is known of it. Plain data that crosses threads. */
export interface Claim {
  readonly filename: string;
  /** `file`: the distribution file; `metadata`: the core metadata beside it. */
  readonly what: 'file' | 'metadata';
  /** See `nameOf`. */
  readonly name: string;
  /** By which hash the page that is held lists it, strongest first; empty when it does not, or without a hash. */
  readonly before: readonly string[];
  /** The hashes (`<algorithm>:<hex>`, strongest first) of each record of that name on the new page; empty: none left. */
  readonly now: readonly (readonly string[])[];
  /** PEP 700; seconds since the epoch. Undefined when the page does not say. */
  readonly uploadedSeconds?: number | undefined;
}

/**
 * Some claims as JSON. A page has tens of thousands: as objects they would hold up the thread that answers when they
 * come from the one that reads pages, and when they are judged all at once.
 */
export type ClaimBatch = string;

const CLAIMS_IN_BATCH = 500;

/** The claims in pieces that cross a thread boundary without a pause above some milliseconds. */
export function batchesOf(claims: readonly Claim[]): ClaimBatch[] {
  const batches: ClaimBatch[] = [];
  for (let i = 0; i < claims.length; i += CLAIMS_IN_BATCH) {
    batches.push(JSON.stringify(claims.slice(i, i + CLAIMS_IN_BATCH)));
  }
  return batches;
}

/** The claims of a batch. */
export function claimsIn(batch: ClaimBatch): readonly Claim[] {
  return JSON.parse(batch) as readonly Claim[];
}

/** One line of what is stored: a hash by which a name is known. A name has several when its first page had. */
export interface KnownHash {
  readonly name: string;
  /** `<algorithm>:<hex>` of the strongest hash that the name was first seen with. */
  readonly hash: string;
  /** From when its age counts (since.ts), in seconds since the epoch; undefined is old. */
  readonly sinceSeconds: number | undefined;
  /** When it was found to have left its page; seconds since the epoch. Undefined while it is listed. */
  readonly leftSeconds: number | undefined;
}

/** Hexadecimal digits of a name's digest: nobody finds two names of one digest by chance. */
const NAME_DIGITS = 24;
/** Hashes looked at of one record: a page may claim any number of algorithms. */
const MOST_HASHES = 8;
/** The longest text of a hash as it is stored; a longer one is replaced by its digest. */
const MOST_HASH_CHARACTERS = 160;

/** The name of a file, or of the metadata beside it, as it is stored: a digest, so that a long name takes no more. */
export function nameOf(filename: string, what: Claim['what']): string {
  return hash('sha256', what === 'file' ? filename : `${filename}.metadata`, 'hex').slice(0, NAME_DIGITS);
}

/** Hexadecimal digits of the hashes that bytes can be checked by, strongest first; the order says which one counts. */
const DIGITS = { sha256: 64, sha512: 128, sha384: 96, sha224: 56, sha1: 40, md5: 32 } as const;
const ALGORITHMS = Object.keys(DIGITS);

/**
 * The hashes of a record as text, strongest first; those that bytes cannot be checked by stand last. A value that is
 * no hash of its algorithm is none. Algorithms are told apart as the page writes them: `SHA256` is no `sha256`.
 */
export function hashTexts(hashes: Hashes): readonly string[] {
  const algorithms = Object.keys(hashes).filter((algorithm) => isHash(algorithm, hashes[algorithm]!));
  if (algorithms.length > 1) algorithms.sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
  return algorithms.slice(0, MOST_HASHES).map((algorithm) => hashText(algorithm, hashes[algorithm]!));
}

function isHash(algorithm: string, hex: string): boolean {
  const digits = ALGORITHMS.includes(algorithm) ? DIGITS[algorithm as keyof typeof DIGITS] : undefined;
  return digits === undefined ? hex !== '' : hex.length === digits && /^[0-9a-f]+$/i.test(hex);
}

function rank(algorithm: string): number {
  const place = ALGORITHMS.indexOf(algorithm);
  return place < 0 ? ALGORITHMS.length : place;
}

function hashText(algorithm: string, hex: string): string {
  const text = `${algorithm}:${hex.toLowerCase()}`;
  // Spaces and line ends part what is stored.
  const isPlain = text.length <= MOST_HASH_CHARACTERS && /^[!-~]+$/.test(text);
  return isPlain ? text : `other:${hash('sha256', text, 'hex')}`;
}

/** The hash as a page lists it; undefined for one that bytes cannot be checked by. */
export function hashesOf(text: string): Hashes | undefined {
  const colon = text.indexOf(':');
  const algorithm = text.slice(0, colon);
  return ALGORITHMS.includes(algorithm) ? { [algorithm]: text.slice(colon + 1) } : undefined;
}

/** PEP 700: "The time the file was uploaded to the index, in ISO 8601 format"; in seconds since the epoch. */
export function uploadedSecondsOf({ uploadTime }: Pick<FileRecord, 'uploadTime'>): number | undefined {
  const at = readInstant(uploadTime);
  return at !== undefined && at >= 0 ? Math.floor(at / 1000) : undefined;
}

/** A claim that does not repeat the known hash, or stands beside it with another one. */
export interface ChangedClaim extends Claim {
  /** The hash (`<algorithm>:<hex>`) that the name is known by. */
  readonly known: string;
}

/** What is to be done about the claims of a page. */
export interface Judged {
  readonly changed: readonly ChangedClaim[];
  /** By name: what is to be written down when the page is accepted. */
  readonly notes: ReadonlyMap<string, readonly KnownHash[]>;
  /** Files that the page before listed and this one does not, in its order. */
  readonly departed: readonly DepartedFile[];
}

/** A file that no page lists any more. Milliseconds since the epoch. */
export interface DepartedFile extends Departure {
  readonly filename: string;
}

export interface Departure {
  /** When it was found to have left. */
  readonly at: number;
  /** From when its age counts; -Infinity is old. */
  readonly since: number;
}

/** When the file with these hashes left its page; undefined while one of them is listed, or nothing is known. */
export function departureOf(known: readonly KnownHash[]): Departure | undefined {
  if (known.length === 0 || known.some(({ leftSeconds }) => leftSeconds === undefined)) return undefined;
  const since = Math.max(...known.map(({ sinceSeconds }) => sinceSeconds ?? Number.NEGATIVE_INFINITY));
  return { at: Math.max(...known.map(({ leftSeconds }) => leftSeconds! * 1000)), since: since * 1000 };
}

/**
 * Measures claims by what is known of their names. A name of which nothing is known is known from now on by what this
 * page says of it; where `accepts` holds, so is one that has changed.
 */
export function judgeClaims(
  claims: readonly Claim[],
  knownOf: (name: string) => readonly KnownHash[],
  accepts: (claim: Claim) => boolean,
  page: PageView,
): Judged {
  const changed: ChangedClaim[] = [];
  const notes = new Map<string, readonly KnownHash[]>();
  const departed: DepartedFile[] = [];
  const nowSeconds = page.validatedAt / 1000;
  for (const claim of claims) {
    const { name, before, now, uploadedSeconds } = claim;
    const stored = knownOf(name);
    // What the page before this one listed keeps the time that it claims.
    const known = stored.length > 0 ? stored : asKnown(before, name, uploadedSeconds);
    if (now.length === 0) {
      if (known.some(({ leftSeconds }) => leftSeconds === undefined)) {
        const left = known.map((one) => ({ ...one, leftSeconds: one.leftSeconds ?? nowSeconds }));
        notes.set(name, left);
        if (claim.what === 'file') departed.push({ filename: claim.filename, ...departureOf(left)! });
      }
      continue;
    }
    const isKnown = known.length > 0;
    const repeats = isKnown && now.every((hashes) => known.some(({ hash: text }) => hashes.includes(text)));
    if (isKnown && !repeats) changed.push({ ...claim, known: known[0]!.hash });
    if (!isKnown || (!repeats && accepts(claim))) {
      const first = [...new Set(now.flatMap(([strongest]) => (strongest === undefined ? [] : [strongest])))];
      // An index that may change its files may also stop to say what they are.
      if (first.length > 0 || isKnown) notes.set(name, asKnown(first, name, sinceSecondsOf(claim, page)));
    } else if (stored.length === 0 || known.some(({ leftSeconds }) => leftSeconds !== undefined)) {
      const uploaded = uploadedSeconds;
      notes.set(
        name,
        known.map((one) => ({ ...one, sinceSeconds: one.sinceSeconds ?? uploaded, leftSeconds: undefined })),
      );
    }
  }
  return { changed, notes, departed };
}

function asKnown(texts: readonly string[], name: string, sinceSeconds: number | undefined): KnownHash[] {
  return texts.map((text) => ({ name, hash: text, sinceSeconds, leftSeconds: undefined }));
}

function sinceSecondsOf({ uploadedSeconds }: Claim, page: PageView): number | undefined {
  const { since } = ageOf(uploadedSeconds === undefined ? undefined : uploadedSeconds * 1000, page);
  return since > 0 ? Math.floor(since / 1000) : undefined;
}

/** The lines of a leaf of the store: `<name> <since> <left> <hash>`, times in base 36, `-` where there is none. */
export function encodeKnown(known: Iterable<KnownHash>): string {
  const lines: string[] = [];
  for (const { name, hash: text, sinceSeconds, leftSeconds } of known) {
    lines.push(`${name} ${timeText(sinceSeconds)} ${timeText(leftSeconds)} ${text}`);
  }
  return lines.join('\n');
}

const LINE = /^([0-9a-f]{24}) (-|[0-9a-z]{1,8}) (-|[0-9a-z]{1,8}) ([!-~]{3,200})$/;

/** What `encodeKnown` wrote, by name; what is damaged is left out. */
export function decodeKnown(text: string): Map<string, KnownHash[]> {
  const known = new Map<string, KnownHash[]>();
  for (const line of text.split('\n')) {
    const [, name, since, left, value] = LINE.exec(line) ?? [];
    if (name === undefined) continue;
    const one = { name, hash: value!, sinceSeconds: timeOf(since!), leftSeconds: timeOf(left!) };
    const others = known.get(name);
    if (others === undefined) known.set(name, [one]);
    else others.push(one);
  }
  return known;
}

function timeText(seconds: number | undefined): string {
  return seconds === undefined ? '-' : Math.max(0, Math.floor(seconds)).toString(36);
}

function timeOf(text: string): number | undefined {
  return text === '-' ? undefined : Number.parseInt(text, 36);
}
