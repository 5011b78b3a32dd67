// Which files of a project's page a lock file means.

import { eq, valid } from '@renovatebot/pep440';
import type { LockedFile, LockedVersion } from './lock.ts';

/** A file as the page lists it to clients. */
export interface ListedFile {
  readonly filename: string;
  readonly url: string;
  /** By algorithm, hexadecimal. */
  readonly hashes: Readonly<Record<string, string>>;
  /** Whether the page offers its core metadata. */
  readonly hasMetadata: boolean;
  /** The versions of Python that it is for (PEP 440). */
  readonly requiresPython: string | undefined;
  readonly isYanked: boolean;
}

/** One file that the lock means: where the page has it, or why it cannot be had. */
export type Meant =
  | { readonly kind: 'listed'; readonly file: ListedFile; readonly hashes: readonly string[] }
  | { readonly kind: 'missing'; readonly name: string; readonly problem: string };

/** The files of the project's page that a locked version means. */
export function meantFiles(version: LockedVersion, listed: readonly ListedFile[]): Meant[] {
  if (version.files.length > 0) return version.files.map((locked) => meant(locked, listed));
  const files = listed.filter(({ filename }) => isOfVersion(filename, version.version));
  if (files.length > 0) return files.map((file) => ({ kind: 'listed', file, hashes: [] }));
  return [
    { kind: 'missing', name: `${version.project} ${version.version}`, problem: 'the page lists no such version' },
  ];
}

function meant(locked: LockedFile, listed: readonly ListedFile[]): Meant {
  const { filename, hashes } = locked;
  if (filename === undefined) {
    const file = listed.find((one) => hashes.some((hash) => hashAgreement(one, hash) === 'same'));
    if (file !== undefined) return { kind: 'listed', file, hashes };
    return { kind: 'missing', name: hashes[0] ?? '', problem: 'the page lists no file with this hash' };
  }
  // One name may stand there twice, with other bytes (PEP 691 does not forbid it).
  const named = listed.filter((one) => one.filename === filename);
  const file = named.find((one) => !hashes.some((hash) => hashAgreement(one, hash) === 'other'));
  if (file !== undefined) return { kind: 'listed', file, hashes };
  const problem = named.length === 0 ? 'the page does not list it' : 'the page gives another hash than the lock';
  return { kind: 'missing', name: filename, problem };
}

/** What the page's hash by the same algorithm says to `<algorithm>:<hex>`. */
export function hashAgreement({ hashes }: ListedFile, hash: string): 'same' | 'other' | 'unknown' {
  const colon = hash.indexOf(':');
  const algorithm = hash.slice(0, colon);
  if (!Object.hasOwn(hashes, algorithm)) return 'unknown';
  return hashes[algorithm]!.toLowerCase() === hash.slice(colon + 1) ? 'same' : 'other';
}

/** Whether the file's name tells this version: the second part of a wheel's name, the last one of an sdist's. */
function isOfVersion(filename: string, version: string): boolean {
  const stem = filename.replace(/\.(?:whl|egg|zip|tgz|tar(?:\.[a-z0-9]+)?)$/i, '');
  const parts = stem.split('-');
  const told = (/\.(?:whl|egg)$/i.test(filename) ? parts[1] : parts.at(-1)) ?? '';
  const readable = told.replaceAll('_', '+');
  for (const text of [told, readable]) {
    if (text === version || (valid(text) && valid(version) && eq(text, version))) return true;
  }
  return false;
}
