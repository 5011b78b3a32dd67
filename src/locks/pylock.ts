// pylock.toml (PEP 751): a table for each package; files carry their hashes by algorithm, and a URL or a path.

import { type Folder, type Lock, type LockedVersion, lockedFile, lockedVersion } from './lock.ts';
import { type Table, table, tables, text } from './values.ts';

export function parsePylock(document: Table): Lock {
  const versions: LockedVersion[] = [];
  const elsewhere: string[] = [];
  const folders: Folder[] = [];
  for (const entry of tables(document.packages)) {
    const name = text(entry.name) ?? '';
    const source = ['vcs', 'directory', 'archive'].find((key) => entry[key] !== undefined);
    // "path" is relative to the lock file: such a file is at hand and asks nobody.
    const files = [entry.sdist, ...tables(entry.wheels)].map(table).filter((file) => text(file.url) !== undefined);
    const { path, editable } = table(entry.directory);
    if (text(path) !== undefined) folders.push({ path: text(path)!, isEditable: editable === true });
    if (source !== undefined) elsewhere.push(`${name}: from ${source}`);
    else if (files.length === 0) elsewhere.push(`${name}: from a local folder of files`);
    else versions.push(lockedVersion(name, text(entry.version) ?? '', files.map(fileOf), text(entry.marker)));
  }
  return { versions, elsewhere, folders };
}

function fileOf(file: Table) {
  const hashes = Object.entries(table(file.hashes)).map(([algorithm, hex]) => `${algorithm}:${hex}`);
  return lockedFile({ filename: text(file.name), url: text(file.url), hashes });
}
