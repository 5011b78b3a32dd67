// Lists of what software is made of: CycloneDX (JSON, 1.2 and later) and SPDX (JSON, 2.2 and 2.3). They name versions
// by package URL, and at best some of the files.

import { namesDistribution } from '../pages/distribution-name.ts';
import { filenameOfUrl } from '../pages/file-links.ts';
import { type Lock, type LockedFile, type LockedVersion, lockedFile, lockedVersion } from './lock.ts';
import { type Table, tables, text } from './values.ts';

/** Reads a CycloneDX bill of materials. Throws UnreadableLock. */
export function parseCycloneDx(document: Table): Lock {
  const versions = allComponents(document).flatMap((component) =>
    versionOf(text(component.purl), () => {
      const files = tables(component.externalReferences)
        .filter(({ type }) => type === 'distribution')
        .flatMap((reference) => filesAt(text(reference.url), cycloneHashes(reference)));
      return files.length > 0 ? files : filesAt(undefined, cycloneHashes(component));
    }),
  );
  return { versions, elsewhere: [] };
}

/** Reads an SPDX document. Throws UnreadableLock. */
export function parseSpdx(document: Table): Lock {
  const versions = tables(document.packages).flatMap((entry) => {
    const reference = tables(entry.externalRefs).find(({ referenceType }) => referenceType === 'purl');
    return versionOf(text(reference?.referenceLocator), () => {
      const hashes = tables(entry.checksums).map(({ algorithm, checksumValue }) => hash(algorithm, checksumValue));
      return filesAt(text(entry.downloadLocation), hashes);
    });
  });
  return { versions, elsewhere: [] };
}

/** The Python packages that are not the subject of the list itself; components may hold components. */
function allComponents(holder: Table): Table[] {
  return tables(holder.components).flatMap((component) => [component, ...allComponents(component)]);
}

function versionOf(packageUrl: string | undefined, files: () => LockedFile[]): LockedVersion[] {
  const named = packageUrl === undefined ? undefined : pythonPackage(packageUrl);
  if (named === undefined) return [];
  const { name, version, filename } = named;
  return [lockedVersion(name, version, filename === undefined ? files() : [lockedFile({ filename, hashes: [] })])];
}

/** A URL of a file is that file with all the hashes; any other URL says nothing, and each hash is of some file. */
function filesAt(url: string | undefined, hashes: readonly string[]): LockedFile[] {
  if (url !== undefined && /^https?:/.test(url) && namesDistribution(filenameOfUrl(url))) {
    return [lockedFile({ url, hashes })];
  }
  return hashes.map((one) => lockedFile({ hashes: [one] }));
}

function cycloneHashes(holder: Table): string[] {
  return tables(holder.hashes).map(({ alg, content }) => hash(alg, content));
}

/** `SHA-256` and `SHA256` are `sha256` everywhere else. */
function hash(algorithm: unknown, hex: unknown): string {
  return `${String(algorithm).toLowerCase().replace('sha-', 'sha')}:${String(hex)}`;
}

// Package URLs of Python packages: pkg:pypi/<name>@<version>?<qualifiers> (ECMA-427).

/** A package URL of the type pypi, taken apart. */
export interface PythonPackage {
  readonly name: string;
  readonly version: string;
  /** One file of the version, where it is named. */
  readonly filename: string | undefined;
}

/** The package; undefined for one of another ecosystem, without a version, or malformed. */
export function pythonPackage(packageUrl: string): PythonPackage | undefined {
  const [, name, version, query] =
    /^pkg:(?:\/\/)?pypi\/([^@?#]+)@([^?#]+)(?:\?([^#]*))?(?:#.*)?$/i.exec(packageUrl) ?? [];
  if (name === undefined || version === undefined) return undefined;
  try {
    const filename = new URLSearchParams(query ?? '').get('file_name') ?? undefined;
    return { name: decodeURIComponent(name), version: decodeURIComponent(version), filename };
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}
