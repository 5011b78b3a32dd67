// From the content of a lock file to what it names: the syntax is known by the file's ending, the format by its content.

import { parse as parseToml, TomlError } from 'smol-toml';
import { parseCycloneDx, parseSpdx } from './bill-of-materials.ts';
import { parseFileLists } from './file-lists.ts';
import { type Folder, type Lock, type LockedVersion, lockedFile, lockedVersion, UnreadableLock } from './lock.ts';
import { parseRequirements } from './requirements.ts';
import { parseUvLock } from './uv-lock.ts';
import { type Table, table, tables, text, texts } from './values.ts';

/** Throws UnreadableLock when the content is none of these formats. */
export function readLock(filename: string, content: string): Lock {
  if (content.trimStart().startsWith('{')) return fromJson(json(content));
  if (/\.(?:toml|lock)$/.test(filename)) return fromToml(toml(content));
  return parseRequirements(content);
}

function fromToml(document: Table): Lock {
  const metadata = table(document.metadata);
  if (document['lock-version'] !== undefined) return parsePylock(document);
  if (metadata['lock-version'] !== undefined || metadata.lock_version !== undefined) return parseFileLists(document);
  // Locks from before Poetry 1.0 and PDM 1.0 have no such key, but a hash of the project's requirements.
  if (metadata['content-hash'] !== undefined || metadata.content_hash !== undefined) return parseFileLists(document);
  if (typeof document.version === 'number') return parseUvLock(document);
  throw unknownFormat();
}

function fromJson(document: Table): Lock {
  if (document.bomFormat === 'CycloneDX') return parseCycloneDx(document);
  if (typeof document.spdxVersion === 'string') return parseSpdx(document);
  if (document._meta !== undefined) return parsePipfileLock(document);
  throw unknownFormat();
}

function json(content: string): Table {
  try {
    return table(JSON.parse(content));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new UnreadableLock(`is no valid JSON: ${error.message}`);
  }
}

function toml(content: string): Table {
  try {
    return table(parseToml(content));
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    throw new UnreadableLock(`is no valid TOML: line ${error.line}, column ${error.column}`);
  }
}

function unknownFormat(): UnreadableLock {
  return new UnreadableLock(`is none of the lock files that can be read: ${LOCK_FORMATS}`);
}

// The formats that can be read, as one sentence for help and errors; apart, so that showing it loads no parser.

/** The formats, for --help. */
export const LOCK_FORMATS =
  'uv.lock, pylock.toml, poetry.lock, pdm.lock, Pipfile.lock, pinned requirements with hashes, CycloneDX or SPDX (JSON)';

// Pipfile.lock: JSON with a section for each category of packages; files are known by their hashes alone.

const ELSEWHERE = ['git', 'hg', 'svn', 'bzr', 'file', 'path'];

/** Reads Pipfile.lock. Throws UnreadableLock. */
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

// pylock.toml (PEP 751): a table for each package; files carry their hashes by algorithm, and a URL or a path.

/** Reads pylock.toml (PEP 751). Throws UnreadableLock. */
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
