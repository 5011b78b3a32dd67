// Real wheels and sdists, built in memory in microseconds, that pip, uv and Poetry install without complaint.

import { createCipheriv, createHash } from 'node:crypto';
import { type ArchiveMember, tarGz, zip } from './archives.ts';

/** A distribution file with all that an index page says of it. */
export interface Distribution {
  readonly filename: string;
  readonly version: string;
  readonly bytes: Buffer;
  /** Hexadecimal. */
  readonly sha256: string;
  /** The core metadata (METADATA of a wheel, PKG-INFO of an sdist), byte for byte as packed. */
  readonly metadata: Buffer;
  readonly metadataSha256: string;
  readonly requiresPython: string | undefined;
}

export interface DistributionOptions {
  /** As its author spells it; the filename uses the escaped form. */
  readonly name: string;
  readonly version: string;
  /** Requirements as PEP 508 lines. */
  readonly requires?: readonly string[];
  readonly requiresPython?: string;
  /** Further members by path. Without any, the module `<name>.py` with `VERSION` is packed. */
  readonly files?: Readonly<Record<string, string>>;
  /** Console scripts: command name to `module:function`. */
  readonly scripts?: Readonly<Record<string, string>>;
  /** The least size of the file: it is filled with bytes that do not compress. */
  readonly sizeBytes?: number;
  /** `py3-none-any` unless given. */
  readonly tag?: string;
  /** What building the sdist requires, as PEP 508 lines. */
  readonly buildRequires?: readonly string[];
  /** The source of the sdist's build backend, in the place of the one that hands out its wheel. */
  readonly backend?: string;
  /** More source for it. */
  readonly hook?: string;
}

/** A wheel (the binary distribution format, PEP 427), with a RECORD whose hashes are right. */
export function wheel(options: DistributionOptions): Distribution {
  const { name, version, tag = 'py3-none-any' } = options;
  const info = `${escaped(name)}-${version}.dist-info`;
  const metadata = metadataOf(options);
  const members: ArchiveMember[] = modulesOf(options);
  if (options.sizeBytes !== undefined) {
    const padding = seededBytes(`${name} ${version}`, options.sizeBytes);
    members.push({ path: `${escaped(name)}_padding.bin`, bytes: padding, stored: true });
  }
  members.push({ path: `${info}/METADATA`, bytes: metadata });
  members.push(text(`${info}/WHEEL`, `Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: ${tag}\n`));
  if (options.scripts !== undefined) {
    const lines = Object.entries(options.scripts).map(([command, target]) => `${command} = ${target}\n`);
    members.push(text(`${info}/entry_points.txt`, `[console_scripts]\n${lines.join('')}`));
  }
  const record = members.map(({ path, bytes }) => {
    return `${path},sha256=${createHash('sha256').update(bytes).digest('base64url')},${bytes.length}\n`;
  });
  members.push(text(`${info}/RECORD`, `${record.join('')}${info}/RECORD,,\n`));
  return distribution(`${escaped(name)}-${version}-${tag}.whl`, zip(members), metadata, options);
}

/**
 * A source distribution that needs nothing to be built: it brings its own build backend (PEP 517, `backend-path`),
 * which hands out the wheel that was packed into it.
 */
export function sdist(options: DistributionOptions): Distribution {
  const root = `${escaped(options.name)}-${options.version}`;
  const built = wheel(options);
  const bytes = tarGz([
    { path: `${root}/PKG-INFO`, bytes: built.metadata },
    text(
      `${root}/pyproject.toml`,
      `[build-system]\nrequires = ${JSON.stringify(options.buildRequires ?? [])}\nbuild-backend = "prebuilt"\nbackend-path = ["backend"]\n`,
    ),
    text(`${root}/backend/prebuilt.py`, `${options.backend ?? BACKEND}${options.hook ?? ''}`),
    { path: `${root}/${built.filename}`, bytes: built.bytes },
  ]);
  return distribution(`${root}.tar.gz`, bytes, built.metadata, options);
}

const BACKEND = `import glob, os, shutil, zipfile

def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    [wheel] = glob.glob("*.whl")
    shutil.copy(wheel, wheel_directory)
    return wheel

def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    [wheel] = glob.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if ".dist-info/" in name]
        archive.extractall(metadata_directory, names)
    return os.path.dirname(names[0])
`;

/** The form of a name inside a filename: lower case, runs of "-", "_" and "." as one "_". */
function escaped(name: string): string {
  return name.toLowerCase().replace(/[-_.]+/g, '_');
}

function metadataOf({ name, version, requires = [], requiresPython }: DistributionOptions): Buffer {
  const lines = ['Metadata-Version: 2.2', `Name: ${name}`, `Version: ${version}`, `Summary: ${name} for tests`];
  if (requiresPython !== undefined) lines.push(`Requires-Python: ${requiresPython}`);
  lines.push(...requires.map((requirement) => `Requires-Dist: ${requirement}`));
  // pip ignores an extra that is not announced.
  const extras = new Set(requires.flatMap((requirement) => /\bextra == "([^"]+)"/.exec(requirement)?.[1] ?? []));
  lines.push(...[...extras].map((extra) => `Provides-Extra: ${extra}`));
  return Buffer.from(`${lines.join('\n')}\n\nA tiny package for tests.\n`);
}

function modulesOf({ name, version, files }: DistributionOptions): ArchiveMember[] {
  if (files === undefined) return [text(`${escaped(name)}.py`, `VERSION = "${version}"\n`)];
  return Object.entries(files).map(([path, content]) => text(path, content));
}

function distribution(
  filename: string,
  bytes: Buffer,
  metadata: Buffer,
  { version, requiresPython }: DistributionOptions,
): Distribution {
  const metadataSha256 = sha256(metadata);
  return { filename, version, bytes, sha256: sha256(bytes), metadata, metadataSha256, requiresPython };
}

/** Bytes that look random, do not compress and are the same for the same seed: a cipher's key stream, for its speed. */
export function seededBytes(seed: string, sizeBytes: number): Buffer {
  const key = createHash('sha256').update(seed).digest().subarray(0, 16);
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(sizeBytes));
}

export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function text(path: string, content: string): ArchiveMember {
  return { path, bytes: Buffer.from(content) };
}
