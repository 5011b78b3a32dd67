// poetry.lock and pdm.lock: a table for each package with the list of its files, by name (or URL) and hash.

import { type Folder, type Lock, type LockedVersion, lockedFile, lockedVersion } from './lock.ts';
import { type Table, table, tables, text } from './values.ts';

/** Kinds of `[package.source]` in a poetry.lock that are indexes; absent is the default index. */
const POETRY_INDEXES: ReadonlySet<string | undefined> = new Set([undefined, 'legacy', 'pypi']);
/** Keys of a package in a pdm.lock that lead elsewhere. */
const PDM_ELSEWHERE = ['git', 'hg', 'svn', 'bzr', 'url', 'path'];

/** Reads poetry.lock and pdm.lock. Throws UnreadableLock. */
export function parseFileLists(document: Table): Lock {
  const versions: LockedVersion[] = [];
  const elsewhere: string[] = [];
  // PDM installs the project itself as well, which Poetry does without asking an index.
  const isPdm = text(table(document.metadata).lock_version) !== undefined;
  const folders: Folder[] = isPdm ? [{ path: '.', isEditable: true }] : [];
  /** Older locks of both tools keep the files apart, under the name, or name and version. */
  const apart = table(table(document.metadata).files);
  for (const entry of tables(document.package)) {
    const name = text(entry.name) ?? '';
    const version = text(entry.version) ?? '';
    const source = sourceOf(entry);
    if (source !== undefined) {
      const path = text(entry.path) ?? (source === 'directory' ? text(table(entry.source).url) : undefined);
      if (path !== undefined) folders.push({ path, isEditable: (entry.editable ?? entry.develop) === true });
      elsewhere.push(`${name}: from ${source}`);
      continue;
    }
    const files = tables(entry.files ?? apart[name] ?? apart[`${name} ${version}`]);
    // PDM writes a second entry without files for each set of extras.
    if (files.length > 0) versions.push(lockedVersion(name, version, files.map(fileOf), markerOf(entry)));
    else if (entry.extras === undefined) elsewhere.push(`${name}: without files`);
  }
  return { versions, elsewhere, folders };
}

function sourceOf(entry: Table): string | undefined {
  const type = text(table(entry.source).type);
  return POETRY_INDEXES.has(type) ? PDM_ELSEWHERE.find((key) => entry[key] !== undefined) : type;
}

/** PDM has one; Poetry one, or one for each group. */
function markerOf({ marker, markers }: Table): string | undefined {
  const byGroup = Object.values(table(markers));
  const each = byGroup.length > 0 ? byGroup.map(text) : [text(markers) ?? text(marker)];
  return each.includes(undefined) ? undefined : each.map((one) => `(${one})`).join(' or ');
}

function fileOf(file: Table) {
  const hash = text(file.hash);
  return lockedFile({ filename: text(file.file), url: text(file.url), hashes: hash === undefined ? [] : [hash] });
}
