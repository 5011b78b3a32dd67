// The Python that would install: which files fit it, and which of them it takes.

import { compare, filter, satisfies, valid } from '@renovatebot/pep440';
import type { ListedFile } from './listed-files.ts';
import type { Lock, LockedVersion } from './lock.ts';
import { holds, type MarkerEnvironment } from './marker.ts';

export interface Target {
  /** For people: `CPython 3.11 on linux x86_64`. */
  readonly name: string;
  readonly environment: MarkerEnvironment;
  /** The wheel tags it takes with their rank, 0 the best (PEP 425). */
  readonly tags: ReadonlyMap<string, number>;
}

/** From the tags in the order of preference. */
export function targetOf(environment: MarkerEnvironment, tags: readonly string[]): Target {
  const { platform_python_implementation: kind, python_version, sys_platform, platform_machine } = environment;
  return {
    name: `${kind} ${python_version} on ${sys_platform} ${platform_machine}`,
    environment,
    tags: new Map(tags.map((tag, rank) => [tag, rank])),
  };
}

/** Of the files of one version the one that pip and uv take: the wheel whose tag fits best, else the sdist. */
export function bestFile<File extends { readonly filename: string }>(
  files: readonly File[],
  { tags }: Target,
): File | undefined {
  let best: File | undefined;
  let bestRank = Infinity;
  for (const file of files) {
    const rank = isWheel(file.filename) ? wheelRank(file.filename, tags) : SDIST_RANK;
    if (rank < bestRank || (rank === bestRank && buildNumber(file.filename) > buildNumber(best?.filename ?? ''))) {
      if (rank === Infinity) continue;
      best = file;
      bestRank = rank;
    }
  }
  return best;
}

/** The version that an installer takes when `specifiers` must all be met, with its file; undefined when none will do. */
export function newestFile(
  files: readonly ListedFile[],
  specifiers: readonly string[],
  target: Target,
): { readonly version: string; readonly file: ListedFile } | undefined {
  const python = target.environment.python_full_version ?? '';
  const all = specifiers.filter((one) => one !== '').join(',');
  const fitting = files.filter(({ filename, requiresPython, isYanked }) => {
    const version = versionOf(filename);
    // A yanked file is taken only by a pin (PEP 592).
    if (version === undefined || (isYanked && !/^={2,3}[^*,]+$/.test(all))) return false;
    return !requiresPython || !valid(python) || satisfies(python, requiresPython, { prereleases: true });
  });
  const byVersion = Map.groupBy(fitting, ({ filename }) => versionOf(filename)!);
  const installable = [...byVersion.keys()]
    .sort(compare)
    .filter((version) => bestFile(byVersion.get(version)!, target));
  const version = bestVersion(installable, all);
  return version === undefined ? undefined : { version, file: bestFile(byVersion.get(version)!, target)! };
}

/** Pre-releases only where nothing else will do (PEP 440). */
function bestVersion(sorted: readonly string[], specifiers: string): string | undefined {
  const wanted = (prereleases: boolean) => filter([...sorted], specifiers || '>=0', { prereleases }).at(-1);
  return wanted(false) ?? wanted(true);
}

/** Whether a requirement or a locked version with this marker counts for the target. */
export function countsFor(
  marker: string | undefined,
  { environment }: Target,
  extras: ReadonlySet<string> | undefined,
): boolean {
  return marker === undefined || holds(marker, { environment, extras });
}

/** The versions of the lock that are installed on the target; all where nobody knows the target. */
export function installedOn(target: Target | undefined, lock: Lock): ReadonlySet<LockedVersion> {
  if (target === undefined) return new Set(lock.versions);
  const holds = (marker: string | undefined) => countsFor(marker, target, undefined);
  return lock.installed?.(holds) ?? new Set(lock.versions.filter(({ marker }) => holds(marker)));
}

/** From the name of a wheel or sdist; undefined when it tells none. */
export function versionOf(filename: string): string | undefined {
  const stem = filename.replace(/\.(?:whl|zip|tgz|tar(?:\.[a-z0-9]+)?)$/i, '');
  const parts = stem.split('-');
  const escaped = (isWheel(filename) ? parts[1] : parts.at(-1)) ?? '';
  // The local part's dots and its plus may be written as underscores.
  const told = escaped.includes('+') ? escaped.replaceAll('_', '.') : escaped.replace('_', '+');
  return stem !== filename && valid(told) ? told : undefined;
}

export function isSource(filename: string): boolean {
  return /\.(?:tar\.[a-z0-9]+|tgz|zip)$/i.test(filename);
}

function isWheel(filename: string): boolean {
  return /\.whl$/i.test(filename);
}

/** Behind every wheel that fits. */
const SDIST_RANK = Number.MAX_SAFE_INTEGER;

/** The best rank among the tags that a wheel's name stands for: `py2.py3-none-any` is two (PEP 425). */
function wheelRank(filename: string, tags: ReadonlyMap<string, number>): number {
  const parts = filename.slice(0, -'.whl'.length).split('-').slice(-3);
  const [pythons = [], abis = [], platforms = []] = parts.map((part) => part.toLowerCase().split('.'));
  const named = pythons.flatMap((python) => abis.flatMap((abi) => platforms.map((on) => `${python}-${abi}-${on}`)));
  return Math.min(...named.map((tag) => tags.get(tag) ?? Infinity));
}

/** Of two wheels with equal tags the one with the higher build number is taken (PEP 427). */
function buildNumber(filename: string): number {
  const parts = filename.split('-');
  return parts.length === 6 ? Number.parseInt(parts[2]!, 10) : -1;
}
