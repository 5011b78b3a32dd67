// Requirements files as pip-compile and uv write them: pinned versions, each with the hashes of its files.

import { type ProjectName, parseProjectName } from '../pages/project-name.ts';
import {
  type Folder,
  type Lock,
  type LockedVersion,
  lockedFile,
  lockedVersion,
  type Resolving,
  UnreadableLock,
} from './lock.ts';
import { parseRequirement } from './requirement.ts';

/** One exact version (PEP 440). */
const PIN = /^={2,3}\s*([^\s,*]+)$/;
const HASH = /--hash[=\s]\s*([a-z0-9]+:[0-9a-fA-F]+)/g;
/** Another source than an index: `name @ url`, a URL, a path, an editable. */
const ELSEWHERE = /^(?:-e\s|--editable[\s=]|[^\s=<>!~;]+\s*@\s|\.{0,2}\/|[a-z+]+:\/\/)/;
/** A folder with a project, which is built. */
const FOLDER = /^(-e[\s=]+|--editable[\s=]+)?(?:file:)?(\.{0,2}\/[^\s[]*|\.{1,2}$|\.{1,2}(?=[\s[]))(?:\[[^\]]*\])?/;
/** What is asked beside the index that an installer is pointed at. */
const OTHER_INDEX = /^(?:--extra-index-url|-f|--find-links)[\s=]/;
const CHOOSING = /^--(?:no-binary|only-binary|pre|require-hashes)(?:[\s=]|$)/;
const INCLUDED = /^(?:-r|--requirement|-c|--constraint)[\s=]*(\S+)/;

/** Throws UnreadableLock for a requirement without a pin: which version would be installed is then unknown. */
export function parseRequirements(content: string): Lock {
  const versions: LockedVersion[] = [];
  const elsewhere: string[] = [];
  const folders: Folder[] = [];
  const options: string[] = [];
  for (const { line, number } of logicalLines(content)) {
    const [, editable, path] = FOLDER.exec(line) ?? [];
    if (path !== undefined) folders.push({ path, isEditable: editable !== undefined });
    const [, included] = INCLUDED.exec(line) ?? [];
    if (included !== undefined) elsewhere.push(`${included}: is included; name that file, too`);
    else if (ELSEWHERE.test(line)) elsewhere.push(`${line.split(/\s--hash/)[0]}: not from an index`);
    else if (OTHER_INDEX.test(line)) elsewhere.push(`${line}: what is taken from there`);
    else if (line.startsWith('-')) options.push(line);
    else versions.push(pinned(line, number));
  }
  return { versions, elsewhere, folders, resolving: resolvingBy(options, versions) };
}

function resolvingBy(options: readonly string[], versions: readonly LockedVersion[]): Resolving {
  const given = (name: string) =>
    options.flatMap((line) => new RegExp(`^--${name}(?:[\\s=]+(\\S+))?$`).exec(line)?.slice(1) ?? []);
  const [withoutWheels, withoutSources] = [projectSet(given('no-binary')), projectSet(given('only-binary'))];
  return {
    kindsOf: (project) => {
      // What is named itself counts more than all.
      const [noWheels, noSources] = [withoutWheels.of(project), withoutSources.of(project)];
      return { wheels: noWheels <= noSources, sources: noSources <= noWheels };
    },
    requiresHashes: given('require-hashes').length > 0 || versions.some(({ files }) => files.length > 0),
  };
}

/** Which projects such options name: 0 not at all, 1 with all, 2 by name. `:none:` empties what came before. */
function projectSet(values: readonly (string | undefined)[]): { of(project: ProjectName): 0 | 1 | 2 } {
  const names = new Set<string>();
  for (const name of values.flatMap((value) => value?.split(',') ?? [])) {
    if (name === ':none:') names.clear();
    else names.add(parseProjectName(name)?.name ?? name);
  }
  return { of: (project) => (names.has(project) ? 2 : names.has(':all:') ? 1 : 0) };
}

/**
 * The requirements that an index serves, one a line with markers and hashes, and the options that decide what is taken of
 * them. Other options and other sources are left out.
 */
export function indexRequirements(content: string): string[] {
  const lines = [...logicalLines(content)].map(({ line }) => line);
  return lines.filter((line) => CHOOSING.test(line) || (!line.startsWith('-') && !ELSEWHERE.test(line)));
}

function pinned(line: string, number: number): LockedVersion {
  // Options of the line stand behind it: --hash, --config-settings.
  const requirement = parseRequirement(line.split(/\s--/)[0]!);
  const [, version] = PIN.exec(requirement?.specifier ?? '') ?? [];
  if (requirement === undefined || version === undefined) {
    const cure = 'write exact versions, for example by uv pip compile --generate-hashes';
    throw new UnreadableLock(`line ${number}: ${JSON.stringify(line)} is not pinned with ==; ${cure}`);
  }
  const { project, extras, marker } = requirement;
  const files = [...line.matchAll(HASH)].map(([, hash]) => lockedFile({ hashes: [hash!] }));
  return { ...lockedVersion(project, version, files, marker), ...(extras.length > 0 && { extras }) };
}

/** Lines without comments, continued ones joined, with the number of their first line. */
function* logicalLines(content: string): Generator<{ readonly line: string; readonly number: number }> {
  let line = '';
  let first = 1;
  for (const [at, physical] of content.split(/\r?\n/).entries()) {
    if (line === '') first = at + 1;
    line += physical.replace(/(?:^|\s)#.*$/, '');
    if (line.endsWith('\\')) {
      line = `${line.slice(0, -1)} `;
      continue;
    }
    if (line.trim() !== '') yield { line: line.trim(), number: first };
    line = '';
  }
  if (line.trim() !== '') yield { line: line.trim(), number: first };
}
