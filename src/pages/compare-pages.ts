// Two pages of one project, from different mirrors or times: what they disagree about, and by which rule the file URLs
// of the one become those of the other.

import { createHash } from 'node:crypto';
import type { FileRecord, Hashes, Move } from './page.ts';

type Listed = Pick<FileRecord, 'filename' | 'hashes' | 'url'>;

/** What changed between two pages of a project. */
export interface Comparison {
  /** Names the files whose known hash is another one now; undefined when there are none. Equal claims are equal. */
  readonly changed: string | undefined;
  /** Their filenames. */
  readonly changedFiles: readonly string[];
  /** Names the files that are no longer listed; undefined when there are none. */
  readonly left: string | undefined;
  /** Their filenames. */
  readonly leftFiles: readonly string[];
  /** How the candidate's URLs become those that were given out. */
  readonly moves: readonly Move[];
}

/** Moves for single files, where no common rule is found; more would burden the entry. */
const MOST_MOVES = 500;

/** `held` has the URLs that clients know (`mover`); `declared` are the moves that the configuration names. */
export function comparePages(
  held: readonly Listed[],
  candidate: readonly Listed[],
  declared: readonly Move[] = [],
): Comparison {
  const before = Map.groupBy(held, ({ filename }) => filename);
  const after = Map.groupBy(candidate, ({ filename }) => filename);
  const changed: string[] = [];
  const changedFiles: string[] = [];
  const left: string[] = [];
  const pairs: (readonly [now: string, known: string])[] = [];
  for (const [filename, known] of before) {
    const now = after.get(filename);
    if (now === undefined) left.push(filename);
    // A name may stand there twice; it has changed when no record of the one page may be one of the other.
    else if (now.every((file) => known.every((old) => disagree(old.hashes, file.hashes)))) {
      changed.push(`${filename} ${JSON.stringify(now.map(({ hashes }) => hashes))}`);
      changedFiles.push(filename);
    } else if (now.length === 1 && known.length === 1) pairs.push([plain(now[0]!.url), plain(known[0]!.url)]);
  }
  return {
    changed: claim(changed),
    changedFiles,
    left: claim(left),
    leftFiles: left,
    moves: moves(pairs, declared),
  };
}

/** The URL by which clients know a file, for an URL of the page. */
export function mover(moves: readonly Move[]): (url: string) => string {
  if (moves.length === 0) return (url) => url;
  const exact = new Map(moves.filter(({ from }) => !from.endsWith('/')).map(({ from, to }) => [from, to]));
  const prefixes = moves.filter(({ from }) => from.endsWith('/')).toSorted((a, b) => b.from.length - a.from.length);
  return (url) => {
    const path = plain(url);
    const known = exact.get(path);
    if (known !== undefined) return known;
    const rule = prefixes.find(({ from }) => path.startsWith(from));
    return rule === undefined ? url : rule.to + path.slice(rule.from.length);
  };
}

/** The other URLs at which mirrors are known to have a file, from its URL on the page and the one clients know. */
export function otherPlaces(moves: readonly Move[]): (url: string, link: string) => readonly string[] {
  const prefixes = moves.filter(({ from }) => from.endsWith('/'));
  return (url, link) => {
    // Its own place under another query (a signature) is no other place.
    const places = new Set(plain(link) === plain(url) ? [] : [link]);
    for (const { from, to } of prefixes) if (link.startsWith(to)) places.add(from + link.slice(to.length));
    places.delete(plain(url));
    return [...places];
  };
}

/** Some algorithm that both know gives another hash. */
function disagree(a: Hashes, b: Hashes): boolean {
  return Object.entries(a).some(([algorithm, hex]) => {
    const other = Object.hasOwn(b, algorithm) ? b[algorithm] : undefined;
    return other !== undefined && other.toLowerCase() !== hex.toLowerCase();
  });
}

/**
 * Rules first: those declared, and one for each other place where the files lie, since mirrors keep the paths of what
 * they mirror.
 */
function moves(pairs: readonly (readonly [now: string, known: string])[], declared: readonly Move[]): Move[] {
  const rules = new Map(declared.map(({ from, to }) => [from, to]));
  const asDeclared = mover(declared);
  for (const [now, known] of pairs) {
    if (asDeclared(now) === known) continue;
    const common = commonEnd(now, known);
    const from = now.slice(0, now.length - common);
    if (from.endsWith('/') && !rules.has(from)) rules.set(from, known.slice(0, known.length - common));
  }
  const ruled = [...rules].map(([from, to]) => ({ from, to }));
  const move = mover(ruled);
  const exceptions = pairs.filter(([now, known]) => move(now) !== known).map(([from, to]) => ({ from, to }));
  return [...ruled, ...exceptions].slice(0, MOST_MOVES);
}

/** Characters that both URLs end with, from the slash before a path segment on; not the slash itself. */
function commonEnd(a: string, b: string): number {
  let common = 0;
  const most = Math.min(a.length, b.length);
  while (common < most && a[a.length - 1 - common] === b[b.length - 1 - common]) common++;
  const slash = a.slice(a.length - common).indexOf('/');
  return slash < 0 ? 0 : common - slash - 1;
}

function claim(files: readonly string[]): string | undefined {
  if (files.length === 0) return undefined;
  return createHash('sha256').update(files.toSorted().join('\n')).digest('hex').slice(0, 32);
}

function plain(url: string): string {
  const query = url.indexOf('?');
  return query < 0 ? url : url.slice(0, query);
}
