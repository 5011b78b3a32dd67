// Version specifiers (PEP 440): whether a version meets them, and what they say of pre-releases.

import { compare, explain, satisfies, valid } from '@renovatebot/pep440';

/** Whether a version meets all of them; pre-releases are judged apart. */
export function meets(version: string, specifiers: string): boolean {
  return clauses(specifiers).every((clause) => {
    const [, operator, bound = ''] = /^([<>])\s*([^=\s]\S*)$/.exec(clause) ?? [];
    // The package takes these two for narrower than they are where the bound itself is a pre- or post-release.
    if (operator === undefined) return satisfies(version, clause, { prereleases: true });
    return operator === '<' ? isBelow(version, bound) : isAbove(version, bound);
  });
}

/** One exact version among them. */
export function isPin(specifiers: string): boolean {
  return clauses(specifiers).some((clause) => /^={2,3}[^*]+$/.test(clause));
}

export function hasUpperLimit(specifiers: string): boolean {
  return clauses(specifiers).some((clause) => /^(?:<|~=|==.*\*)/.test(clause));
}

/** Whether they ask for pre-releases by naming one. */
export function namesPrerelease(specifiers: string): boolean {
  return clauses(specifiers).some((clause) => {
    const [, operator, version = ''] = /^([<>=!~]+)\s*(\S+)$/.exec(clause) ?? [];
    return operator !== '!=' && valid(version) !== null && isPrerelease(version);
  });
}

/** Also a development release (PEP 440). */
export function isPrerelease(version: string): boolean {
  return !isPlain(version) && (explain(version)?.is_prerelease ?? false);
}

/** Whether it is a version at all. */
export function isVersion(text: string): boolean {
  return isPlain(text) || valid(text) !== null;
}

/** 1.0 and 1.0.0 are one version. */
export function isSameVersion(one: string, other: string): boolean {
  const short = (version: string) => version.replace(/(?:\.0+)+$/, '').replace(/(^|\.)0+(?=\d)/g, '$1');
  return isPlain(one) && isPlain(other) ? short(one) === short(other) : compare(one, other) === 0;
}

/** Numbers and dots, as most are: to be judged without taking them apart, which is what costs time on long pages. */
function isPlain(version: string): boolean {
  return /^\d+(?:\.\d+)*$/.test(version);
}

/** `<V` leaves out pre-releases of V, `>V` its post-releases and local versions, unless V is such a one itself. */
function isBelow(version: string, bound: string): boolean {
  if (compare(version, bound) >= 0) return false;
  return !isPrerelease(version) || isPrerelease(bound) || !sameRelease(version, bound);
}

function isAbove(version: string, bound: string): boolean {
  if (compare(version, bound) <= 0) return false;
  const [given, asked] = [explain(version), explain(bound)];
  return !((given?.is_postrelease && !asked?.is_postrelease) || given?.local) || !sameRelease(version, bound);
}

function sameRelease(one: string, other: string): boolean {
  return compare(explain(one)!.base_version, explain(other)!.base_version) === 0;
}

function clauses(specifiers: string): string[] {
  return specifiers
    .split(',')
    .map((clause) => clause.trim())
    .filter((clause) => clause !== '');
}
