// uv.lock: a table for each package with its source, its sdist and its wheels; files carry URL and hash.

import { type Lock, type LockedVersion, lockedFile, lockedVersion } from './lock.ts';
import { type Table, table, tables, text } from './values.ts';

export function parseUvLock(document: Table): Lock {
  const versions: LockedVersion[] = [];
  const elsewhere: string[] = [];
  for (const entry of tables(document.package)) {
    const name = text(entry.name) ?? '';
    const source = table(entry.source);
    const files = [entry.sdist, ...tables(entry.wheels)].map(table).filter((file) => text(file.url) !== undefined);
    if (source.registry === undefined) {
      // The project itself and its workspace are built from their folder: no file of theirs comes from anywhere.
      if (source.virtual === undefined && source.editable === undefined) {
        elsewhere.push(`${name}: from ${Object.keys(source)[0] ?? 'nowhere'}`);
      }
    } else if (files.length === 0) {
      elsewhere.push(`${name}: from a local folder of files`);
    } else {
      const locked = files.map((file) =>
        lockedFile({ filename: text(file.filename), url: text(file.url), hashes: hashesOf(file) }),
      );
      versions.push(lockedVersion(name, text(entry.version) ?? '', locked));
    }
  }
  return { versions, elsewhere };
}

function hashesOf({ hash }: Table): string[] {
  const one = text(hash);
  return one === undefined ? [] : [one];
}
