// uv.lock: a table for each package with its source, its sdist and its wheels; files carry URL and hash.

import { type Folder, type Lock, type LockedVersion, lockedFile, lockedVersion } from './lock.ts';
import { type Table, table, tables, text, texts } from './values.ts';

/** Reads uv.lock. Throws UnreadableLock. */
export function parseUvLock(document: Table): Lock {
  const versions = new Map<Table, LockedVersion>();
  const elsewhere: string[] = [];
  const folders: Folder[] = [];
  const packages = tables(document.package);
  for (const entry of packages) {
    const name = text(entry.name) ?? '';
    const source = table(entry.source);
    const files = [entry.sdist, ...tables(entry.wheels)].map(table).filter((file) => text(file.url) !== undefined);
    if (source.registry === undefined) {
      const path = text(source.editable) ?? text(source.directory);
      if (path !== undefined) folders.push({ path, isEditable: source.editable !== undefined });
      // The project itself and its workspace are built from their folders: no file of theirs comes from anywhere.
      if (source.virtual === undefined && source.editable === undefined) {
        elsewhere.push(`${name}: from ${Object.keys(source)[0] ?? 'nowhere'}`);
      }
    } else if (files.length === 0) {
      elsewhere.push(`${name}: from a local folder of files`);
    } else {
      const locked = files.map((file) =>
        lockedFile({ filename: text(file.filename), url: text(file.url), hashes: hashesOf(file) }),
      );
      versions.set(entry, lockedVersion(name, text(entry.version) ?? '', locked));
    }
  }
  const installed = (holds: Holds) => new Set(reached(packages, holds).flatMap((entry) => versions.get(entry) ?? []));
  return { versions: [...versions.values()], elsewhere, folders, installed };
}

type Holds = (marker: string) => boolean;

/**
 * The packages to which dependencies lead whose markers hold, from the project and its workspace on: uv writes markers
 * at dependencies, and at packages only where the lock forks. Without a project of its own all are reached.
 */
function reached(packages: readonly Table[], holds: Holds): Table[] {
  const counts = (markers: readonly string[]) => markers.length === 0 || markers.some(holds);
  const here = packages.filter((entry) => counts(texts(entry['resolution-markers'])));
  const roots = here.filter(({ source }) => ['virtual', 'editable'].some((key) => table(source)[key] !== undefined));
  if (roots.length === 0) return here;
  const found = new Set<Table>(roots);
  // A set hands out what is added to it while it is walked through.
  for (const entry of found) {
    const dependencies = [
      entry.dependencies,
      ...groups(entry['optional-dependencies']),
      ...groups(entry['dev-dependencies']),
    ];
    for (const { name, version, marker } of dependencies.flatMap(tables)) {
      if (!counts([text(marker) ?? []].flat())) continue;
      const named = here.filter((one) => one.name === name && (version === undefined || one.version === version));
      for (const one of named) found.add(one);
    }
  }
  return [...found];
}

function groups(named: unknown): unknown[] {
  return Object.values(table(named));
}

function hashesOf({ hash }: Table): string[] {
  const one = text(hash);
  return one === undefined ? [] : [one];
}
