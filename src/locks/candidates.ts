// Which versions of a project an installer tries, the most wanted first, and which file of each it takes.

import { compare, satisfies, valid } from '@renovatebot/pep440';
import type { InstallerRules } from './installer-rules.ts';
import { hashAgreement, type ListedFile } from './listed-files.ts';
import type { FileKinds } from './lock.ts';
import { isPin, isPrerelease, meets, namesPrerelease } from './specifier.ts';
import { bestFile, isSource, nearestWheel, type Target, versionOf } from './target.ts';

/** Files of one version. */
export interface Release {
  readonly version: string;
  readonly files: readonly ListedFile[];
  /** Wheels that only differ by being for elsewhere. */
  readonly foreign: readonly ListedFile[];
}

/** What a project's page offers. */
export interface Offer {
  /** What fits the target, newest first. */
  readonly releases: readonly Release[];
  /** Whether any version, fitting or not, is a final one. */
  readonly hasFinal: boolean;
}

/** What is asked of one project, by all that require it. */
export interface Wish {
  /** Version specifiers (PEP 440), empty ones among them. */
  readonly specifiers: readonly string[];
  /** Those of them that the user named himself. */
  readonly own: readonly string[];
  /** Whether the user wants pre-releases (`--pre`). */
  readonly prereleases: boolean;
  /** `<algorithm>:<hex>`, any of which will do; none where any file will do. */
  readonly hashes: readonly string[];
}

export interface Candidate {
  readonly version: string;
  readonly file: ListedFile;
  /** The file that tells what the version requires. */
  readonly telling: ListedFile;
}

export function offerOf(files: readonly ListedFile[], target: Target, { wheels, sources }: FileKinds): Offer {
  const python = target.environment.python_full_version ?? '';
  const named = files.flatMap((file) => {
    const version = versionOf(file.filename);
    return version === undefined ? [] : [{ file, version }];
  });
  const allowed = named.filter(({ file: { filename, requiresPython } }) => {
    if (!(isSource(filename) ? sources : wheels)) return false;
    return !requiresPython || !valid(python) || satisfies(python, requiresPython, { prereleases: true });
  });
  const releases: { version: string; files: ListedFile[]; foreign: ListedFile[] }[] = [];
  for (const { file, version } of allowed.sort((a, b) => compare(b.version, a.version))) {
    let release = releases.at(-1);
    // 1.0 and 1.0.0 are one version.
    if (release === undefined || compare(release.version, version) !== 0) {
      release = { version, files: [], foreign: [] };
      releases.push(release);
    }
    (bestFile([file], target) === undefined ? release.foreign : release.files).push(file);
  }
  const hasFinal = named.some(({ version }) => !isPrerelease(version));
  return { releases: releases.filter((release) => release.files.length > 0), hasFinal };
}

export function candidates(offer: Offer, wish: Wish, rules: InstallerRules, target: Target): Candidate[] {
  const matching = offer.releases.filter(({ version }) => wish.specifiers.every((one) => meets(version, one)));
  const hashed = allowedByHash(released(matching, offer, wish, rules), wish.hashes);
  return unyanked(hashed, wish, rules).flatMap(({ version, files, foreign }) => {
    const right = files.filter((file) => wish.hashes.some((hash) => hashAgreement(file, hash) === 'same'));
    const file = bestFile(right.length > 0 ? right : files, target);
    if (file === undefined) return [];
    const readsForeign = rules.readsForeignWheels && isSource(file.filename);
    return [{ version, file, telling: (readsForeign && nearestWheel(foreign, target)) || file }];
  });
}

/** Without pre-releases, unless they are asked for or nothing else is to be had. */
function released(releases: readonly Release[], offer: Offer, wish: Wish, rules: InstallerRules): readonly Release[] {
  const everywhere = rules.prereleases === 'where-nothing-else-will-do';
  if (wish.prereleases || (everywhere ? wish.specifiers : wish.own).some(namesPrerelease)) return releases;
  const finals = releases.filter(({ version }) => !isPrerelease(version));
  const nothingElse = everywhere ? finals.length === 0 : !offer.hasFinal;
  return nothingElse ? releases : finals;
}

/** Where hashes are given and some file has one of them, those that have another one are out. */
function allowedByHash(releases: readonly Release[], hashes: readonly string[]): readonly Release[] {
  const agreement = (file: ListedFile) => {
    const each = hashes.map((hash) => hashAgreement(file, hash));
    return each.includes('same') ? 'same' : each.includes('other') ? 'other' : 'unknown';
  };
  if (!releases.some(({ files }) => files.some((file) => agreement(file) === 'same'))) return releases;
  return releases.map((release) => ({
    ...release,
    files: release.files.filter((file) => agreement(file) !== 'other'),
  }));
}

function unyanked(releases: readonly Release[], wish: Wish, { yankedFor }: InstallerRules): readonly Release[] {
  const isPinned = (yankedFor === 'any-pin' ? wish.specifiers : wish.own).some(isPin);
  const all = releases.every(({ files }) => files.every(({ isYanked }) => isYanked));
  if (isPinned && (all || yankedFor === 'own-pin')) return releases;
  const kept = (files: readonly ListedFile[]) => files.filter(({ isYanked }) => !isYanked);
  return releases.map(({ version, files, foreign }) => ({ version, files: kept(files), foreign: kept(foreign) }));
}
