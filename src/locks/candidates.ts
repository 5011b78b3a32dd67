// Which versions of a project an installer tries, the most wanted first, and which file of each it takes.

import { compare, satisfies, valid } from '@renovatebot/pep440';
import type { InstallerRules } from './installer-rules.ts';
import { hashAgreement, type ListedFile } from './listed-files.ts';
import type { FileKinds } from './lock.ts';
import { isPin, isPrerelease, isSameVersion, meets, namesPrerelease } from './specifier.ts';
import { bestFile, isSource, nearestWheel, type Target, versionOf, versionText } from './target.ts';

/** Files of one version. */
export interface Release {
  readonly version: string;
  readonly isFinal: boolean;
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
  /** Of the releases those that meet a specifier, by specifier as far as it was asked: versions take long to read. */
  readonly meeting: Map<string, ReadonlySet<Release>>;
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
  const pythons = new Map<string | undefined, boolean>([[undefined, true]]);
  const isForPython = (range: string | undefined) => {
    const known = pythons.get(range);
    if (known !== undefined) return known;
    const fits = !valid(python) || satisfies(python, range || '>=0', { prereleases: true });
    pythons.set(range, fits);
    return fits;
  };
  const byVersion = Map.groupBy(files, ({ filename }) => versionText(filename));
  const named = [...byVersion].flatMap(([text, each]) => {
    const version = text === undefined ? undefined : versionOf(each[0]!.filename);
    return version === undefined ? [] : [{ version, each, isFinal: !isPrerelease(version) }];
  });
  const releases: { version: string; isFinal: boolean; files: ListedFile[]; foreign: ListedFile[] }[] = [];
  for (const { version, each, isFinal } of named.sort((a, b) => compare(b.version, a.version))) {
    let release = releases.at(-1);
    if (release === undefined || !isSameVersion(release.version, version)) {
      release = { version, isFinal, files: [], foreign: [] };
      releases.push(release);
    }
    for (const file of each) {
      if (!(isSource(file.filename) ? sources : wheels) || !isForPython(file.requiresPython)) continue;
      (bestFile([file], target) === undefined ? release.foreign : release.files).push(file);
    }
  }
  return {
    releases: releases.filter((release) => release.files.length > 0),
    hasFinal: named.some(({ isFinal }) => isFinal),
    meeting: new Map(),
  };
}

export function candidates(offer: Offer, wish: Wish, rules: InstallerRules, target: Target): Candidate[] {
  const met = [...new Set(wish.specifiers)].map((specifier) => meeting(offer, specifier));
  const matching = offer.releases.filter((release) => met.every((releases) => releases.has(release)));
  const hashed = allowedByHash(released(matching, offer, wish, rules), wish.hashes);
  return unyanked(hashed, wish, rules).flatMap(({ version, files, foreign }) => {
    const right = files.filter((file) => wish.hashes.some((hash) => hashAgreement(file, hash) === 'same'));
    const file = bestFile(right.length > 0 ? right : files, target);
    if (file === undefined) return [];
    const readsForeign = rules.readsForeignWheels && isSource(file.filename);
    return [{ version, file, telling: (readsForeign && nearestWheel(foreign, target)) || file }];
  });
}

function meeting({ releases, meeting: known }: Offer, specifier: string): ReadonlySet<Release> {
  let met = known.get(specifier);
  if (met === undefined) {
    const [, pinned] = /^==\s*([^,*\s]+)$/.exec(specifier) ?? [];
    const exact = releases.filter(({ version }) => version === pinned);
    // A pin without a local part means the local versions of it, too.
    const isEnough = exact.length > 0 && !releases.some(({ version }) => version.includes('+'));
    met = new Set(isEnough ? exact : releases.filter(({ version }) => meets(version, specifier)));
    known.set(specifier, met);
  }
  return met;
}

/** Without pre-releases, unless they are asked for or nothing else is to be had. */
function released(releases: readonly Release[], offer: Offer, wish: Wish, rules: InstallerRules): readonly Release[] {
  const everywhere = rules.prereleases === 'where-nothing-else-will-do';
  if (wish.prereleases || (everywhere ? wish.specifiers : wish.own).some(namesPrerelease)) return releases;
  const finals = releases.filter(({ isFinal }) => isFinal);
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
  return releases.map((one) => ({ ...one, files: kept(one.files), foreign: kept(one.foreign) }));
}
