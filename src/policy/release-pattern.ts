// What a rule is about: projects by name or pattern, and of them the versions that a PEP 440 specifier takes.

import { compare, explain, satisfies, valid } from '@renovatebot/pep440';

/** `foo`, `evil-*` or `bar>=2,<2.4`. */
export interface ReleasePattern {
  /** A normal project name in which `*` stands for any run of characters. */
  readonly name: string;
  /** PEP 440; empty for every version. */
  readonly specifier: string;
  /** As it was written. */
  readonly text: string;
}

const SHAPE = /^([A-Za-z0-9*](?:[A-Za-z0-9._*-]*[A-Za-z0-9*])?)\s*((?:[<>=!~].*)?)$/;
const CLAUSE = /^(?:===?|!=|~=|<=?|>=?)\s*[^\s,<>=!~]+$/;

/** Undefined for what is no pattern: a bad name, or a specifier that PEP 440 does not know. */
export function parseReleasePattern(text: string): ReleasePattern | undefined {
  const [, name, specifier = ''] = SHAPE.exec(text.trim()) ?? [];
  if (name === undefined || !clausesOf(specifier).every(isClause)) return undefined;
  return { name: name.toLowerCase().replace(/[-_.]+/g, '-'), specifier: specifier.trim(), text: text.trim() };
}

/** Whether the pattern is about this project, given by its normal name. */
export function matchesProject({ name }: Pick<ReleasePattern, 'name'>, project: string): boolean {
  if (!name.includes('*')) return name === project;
  // The parts between stars occur in order, the first at the start and the last at the end: no name can make it slow.
  const [first = '', ...parts] = name.split('*');
  const last = parts.pop()!;
  const end = project.length - last.length;
  let from = first.length;
  if (end < from || !project.startsWith(first) || !project.endsWith(last)) return false;
  for (const part of parts) {
    const at = project.indexOf(part, from);
    if (at < 0 || at + part.length > end) return false;
    from = at + part.length;
  }
  return true;
}

/**
 * Whether a version meets a specifier; pre-releases count like any other (PEP 440). A version that is none meets only
 * the empty specifier and `===` with the same text.
 */
export function meets(version: string | undefined, specifier: string): boolean {
  const clauses = clausesOf(specifier);
  if (clauses.length === 0) return true;
  if (version === undefined) return false;
  return clauses.every((clause) => {
    const [, operator = '', bound = ''] = /^([<>=!~]+)\s*(.*)$/.exec(clause)!;
    if (operator === '===') return version.toLowerCase() === bound.toLowerCase();
    if (valid(version) === null) return false;
    // The package takes `<` and `>` for narrower than they are where the bound is itself a pre- or post-release.
    if (operator === '<') return isBelow(version, bound);
    if (operator === '>') return isAbove(version, bound);
    return satisfies(version, clause, { prereleases: true });
  });
}

/** 1.0 and 1.0.0 are one version (PEP 440); texts that are no versions are compared as they stand. */
export function isSameVersion(one: string, other: string): boolean {
  if (one === other) return true;
  return valid(one) !== null && valid(other) !== null && compare(one, other) === 0;
}

/** The newest of some versions by PEP 440, a final one where there is one; undefined when none is a version. */
export function newestOf(versions: Iterable<string>): string | undefined {
  const known = [...new Set(versions)].filter((version) => valid(version) !== null).sort(compare);
  return known.findLast((version) => !explain(version)?.is_prerelease) ?? known.at(-1);
}

function isClause(clause: string): boolean {
  if (!CLAUSE.test(clause)) return false;
  const [, operator = '', bound = ''] = /^([<>=!~]+)\s*(.*)$/.exec(clause)!;
  if (operator === '===') return true;
  const plain = (operator === '==' || operator === '!=') && bound.endsWith('.*') ? bound.slice(0, -2) : bound;
  return valid(plain) !== null && (operator !== '~=' || plain.includes('.'));
}

/** `<V` leaves out pre-releases of V, unless V is one itself (PEP 440). */
function isBelow(version: string, bound: string): boolean {
  if (compare(version, bound) >= 0) return false;
  const isPre = (text: string) => explain(text)?.is_prerelease ?? false;
  return !isPre(version) || isPre(bound) || !isSameRelease(version, bound);
}

/** `>V` leaves out post-releases and local versions of V, unless V is one itself (PEP 440). */
function isAbove(version: string, bound: string): boolean {
  if (compare(version, bound) <= 0) return false;
  const [given, asked] = [explain(version), explain(bound)];
  return !((given?.is_postrelease && !asked?.is_postrelease) || given?.local) || !isSameRelease(version, bound);
}

function isSameRelease(one: string, other: string): boolean {
  return compare(explain(one)!.base_version, explain(other)!.base_version) === 0;
}

function clausesOf(specifier: string): string[] {
  return specifier
    .split(',')
    .map((clause) => clause.trim())
    .filter((clause) => clause !== '');
}
