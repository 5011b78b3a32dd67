// From the content of a lock file to what it names: the syntax is known by the file's ending, the format by its content.

import { parse as parseToml, TomlError } from 'smol-toml';
import { parseCycloneDx, parseSpdx } from './bill-of-materials.ts';
import { parseFileLists } from './file-lists.ts';
import { LOCK_FORMATS } from './formats.ts';
import { type Lock, UnreadableLock } from './lock.ts';
import { parsePipfileLock } from './pipfile-lock.ts';
import { parsePylock } from './pylock.ts';
import { parseRequirements } from './requirements.ts';
import { parseUvLock } from './uv-lock.ts';
import { type Table, table } from './values.ts';

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
