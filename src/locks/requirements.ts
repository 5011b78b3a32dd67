// Requirements files as pip-compile and uv write them: pinned versions, each with the hashes of its files.

import { type Lock, type LockedVersion, lockedFile, lockedVersion, UnreadableLock } from './lock.ts';
import { parseRequirement } from './requirement.ts';

/** One exact version (PEP 440). */
const PIN = /^={2,3}\s*([^\s,*]+)$/;
const HASH = /--hash[=\s]\s*([a-z0-9]+:[0-9a-fA-F]+)/g;
/** Another source than an index: `name @ url`, a URL, a path, an editable. */
const ELSEWHERE = /^(?:-e\s|--editable[\s=]|[^\s=<>!~;]+\s*@\s|\.{0,2}\/|[a-z+]+:\/\/)/;
const INCLUDED = /^(?:-r|--requirement|-c|--constraint)[\s=]*(\S+)/;

/** Throws UnreadableLock for a requirement without a pin: which version would be installed is then unknown. */
export function parseRequirements(content: string): Lock {
  const versions: LockedVersion[] = [];
  const elsewhere: string[] = [];
  for (const { line, number } of logicalLines(content)) {
    const [, included] = INCLUDED.exec(line) ?? [];
    if (included !== undefined) elsewhere.push(`${included}: is included; name that file, too`);
    else if (ELSEWHERE.test(line)) elsewhere.push(`${line.split(/\s--hash/)[0]}: not from an index`);
    // What else begins with a dash is an option: --index-url, --only-binary, …
    else if (!line.startsWith('-')) versions.push(pinned(line, number));
  }
  // With hashes an installer takes nothing that has none.
  return { versions, elsewhere, isOpen: versions.every(({ files }) => files.length === 0) };
}

/** The requirements that an index serves, one a line with markers and hashes; options and other sources are left out. */
export function indexRequirements(content: string): string[] {
  const lines = [...logicalLines(content)].map(({ line }) => line);
  return lines.filter((line) => !line.startsWith('-') && !ELSEWHERE.test(line));
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
