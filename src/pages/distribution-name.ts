// From a distribution's file name to its project, by one reading. A file URL names no project, so this is how the page
// that lists it is found; a file whose name does not lead back to its page gets a stored alias when the page is read.

import { type ProjectName, parseProjectName } from './project-name.ts';

/** Endings of what installers and their predecessors of the last twenty years call a distribution. */
const ENDINGS = new Set('whl egg zip tar tgz tbz tbz2 txz tlz exe msi rpm deb dmg'.split(' '));
/** Endings that count behind `.tar` only. */
const TAR_CODINGS = new Set('gz bz2 xz z lz lzma zst'.split(' '));

const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;

/** True when the ending of `filename` is that of a distribution, today's or a legacy one. */
export function namesDistribution(filename: string): boolean {
  return stemLength(filename) > 0;
}

/**
 * The project of a distribution file, or undefined when the name has none that is valid. The one reading:
 * - wheel and egg: up to the first dash, because both formats escape dashes inside the name (PEP 427);
 * - rpm: as below, after its `-release.arch` is cut off;
 * - anything else (`name-version`): up to the last dash that a digit follows, so dashes in legacy names survive and
 *   platform suffixes (`-amd64`, `-py2.7`) stay with the version; without such a dash, up to the last dash.
 */
export function projectOfFilename(filename: string): ProjectName | undefined {
  return parseProjectName(readingOf(filename))?.name;
}

/** The part of the name that is the project's by the one reading. */
function readingOf(filename: string): string {
  const length = stemLength(filename);
  let stem = length > 0 ? filename.slice(0, length) : filename;
  const ending = filename.slice(filename.lastIndexOf('.') + 1).toLowerCase();
  if (ending === 'whl' || ending === 'egg') return before(stem, stem.indexOf('-'));
  if (ending === 'rpm') stem = before(stem, stem.lastIndexOf('-'));
  return before(stem, dashOfVersion(stem));
}

/** What ends in a version, as `cffi-1.0.2`, hardly is a name. */
const ENDS_LIKE_VERSION = /-v?\d+(?:\.\d+)+$/i;
/** Names with more dashes are none of a distribution. */
const MAX_DASHES = 64;

/**
 * Every project that the name allows, the likeliest first: the one reading, and every part before a dash that a digit
 * follows, for a dash may stand in a version (`cffi-1.0.2-2.tar.gz` is a post release) and in the name of an old wheel.
 * Without such a dash it is every part before a dash.
 */
export function projectsOfFilename(filename: string): readonly ProjectName[] {
  const length = stemLength(filename);
  const stem = length > 0 ? filename.slice(0, length) : filename;
  const dashes = [...stem.matchAll(/-/g)].map(({ index }) => index).slice(0, MAX_DASHES);
  const beforeDigits = dashes.filter((dash) => /^-v?\d/i.test(stem.slice(dash, dash + 3)));
  const others = beforeDigits.length > 0 ? beforeDigits : dashes;
  const parts = [readingOf(filename), ...others.map((dash) => stem.slice(0, dash))];
  const likely = parts.filter((part) => !ENDS_LIKE_VERSION.test(part));
  const names = [...likely, ...parts].flatMap((part) => parseProjectName(part)?.name ?? []);
  return [...new Set(names)];
}

/** The version that the same reading leaves, as the filename spells it; undefined when there is none. */
export function versionOfFilename(filename: string): string | undefined {
  const length = stemLength(filename);
  let stem = length > 0 ? filename.slice(0, length) : filename;
  const ending = filename.slice(filename.lastIndexOf('.') + 1).toLowerCase();
  if (ending === 'whl' || ending === 'egg') return stem.split('-', 2)[1] || undefined;
  if (ending === 'rpm') stem = before(stem, stem.lastIndexOf('-'));
  const dash = dashOfVersion(stem);
  return dash < 0 ? undefined : stem.slice(dash + 1) || undefined;
}

/** Whether the one reading of `filename` finds `project`; if not, the page must leave an alias. */
export function leadsBackTo(filename: string, project: ProjectName): boolean {
  return projectOfFilename(filename) === project;
}

/** Characters before the ending; 0 when the name has no distribution's ending, or nothing before it. */
function stemLength(filename: string): number {
  const dot = filename.lastIndexOf('.');
  if (dot <= 0) return 0;
  const ending = filename.slice(dot + 1).toLowerCase();
  if (ENDINGS.has(ending)) return dot;
  const isTar = TAR_CODINGS.has(ending) && filename.slice(Math.max(0, dot - 4), dot).toLowerCase() === '.tar';
  return isTar ? dot - 4 : 0;
}

function dashOfVersion(stem: string): number {
  for (let dash = stem.lastIndexOf('-'); dash > 0; dash = stem.lastIndexOf('-', dash - 1)) {
    const next = stem.charCodeAt(dash + 1);
    if (next >= DIGIT_0 && next <= DIGIT_9) return dash;
  }
  return stem.lastIndexOf('-');
}

function before(text: string, end: number): string {
  return end < 0 ? text : text.slice(0, end);
}
