// Pipfile.lock: JSON with a section for each category of packages; files are known by their hashes alone.

import { type Lock, type LockedVersion, lockedFile, lockedVersion } from './lock.ts';
import { type Table, table, text, texts } from './values.ts';

const ELSEWHERE = ['git', 'hg', 'svn', 'bzr', 'file', 'path'];

export function parsePipfileLock(document: Table): Lock {
  const versions: LockedVersion[] = [];
  const elsewhere: string[] = [];
  for (const [section, packages] of Object.entries(document)) {
    // `_meta` describes the lock itself; every other key is a category.
    if (section === '_meta') continue;
    for (const [name, described] of Object.entries(table(packages))) {
      const entry = table(described);
      const source = ELSEWHERE.find((key) => entry[key] !== undefined);
      const version = text(entry.version);
      if (source !== undefined) elsewhere.push(`${name}: from ${source}`);
      else if (version === undefined) elsewhere.push(`${name}: without a version`);
      else {
        const files = texts(entry.hashes).map((hash) => lockedFile({ hashes: [hash] }));
        versions.push(lockedVersion(name, version.replace(/^===?/, ''), files, text(entry.markers)));
      }
    }
  }
  return { versions, elsewhere };
}
