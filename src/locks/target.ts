// The Python that would install: which files fit it, and which of them it takes.

import type { Lock, LockedVersion } from './lock.ts';
import { holds, type MarkerEnvironment } from './marker.ts';

/** The Python that would install. */
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

/** Whether the name is that of a source distribution. */
export function isSource(filename: string): boolean {
  return /\.(?:tar\.[a-z0-9]+|tgz|zip)$/i.test(filename);
}

function isWheel(filename: string): boolean {
  return /\.whl$/i.test(filename);
}

/** Behind every wheel that fits. */
const SDIST_RANK = Number.MAX_SAFE_INTEGER;

function wheelRank(filename: string, tags: ReadonlyMap<string, number>): number {
  return Math.min(...wheelTags(filename).map((tag) => tags.get(tag.join('-')) ?? Infinity));
}

/** The tags that a wheel's name stands for: `py2.py3-none-any` is two (PEP 425). */
function wheelTags(filename: string): [python: string, abi: string, platform: string][] {
  const parts = filename.slice(0, -'.whl'.length).split('-').slice(-3);
  const [pythons = [], abis = [], platforms = []] = parts.map((part) => part.toLowerCase().split('.'));
  return pythons.flatMap((python) =>
    abis.flatMap((abi) => platforms.map((on): [string, string, string] => [python, abi, on])),
  );
}

/** Of two wheels with equal tags the one with the higher build number is taken (PEP 427). */
function buildNumber(filename: string): number {
  const parts = filename.split('-');
  return parts.length === 6 ? Number.parseInt(parts[2]!, 10) : -1;
}
