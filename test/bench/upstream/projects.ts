// The bench's projects and files. A project's name says what it is, so that any number of them needs no preparation:
// `p25s51200-hot` has 25 files of 51,200 bytes. Every file differs from every other; the digest of a page's first file
// is right, those of the others are made up, because the bench fetches only the first.

import { createHash } from 'node:crypto';

/** A project with `files` files of `fileBytes` each; `label` tells it from others like it. */
export function projectName(files: number, fileBytes: number, label: string): string {
  return `p${files}s${fileBytes}-${label}`;
}

/** Path of the n-th file of a project, shaped like those of real indexes. */
export function filePath(project: string, n: number): string {
  const { fileBytes } = readName(project);
  const name = filename(project, n);
  const place = sha256(name);
  return `/packages/${fileBytes}/${place.slice(0, 2)}/${place.slice(2, 4)}/${place.slice(4)}/${name}`;
}

/** The project detail (PEP 691) with about 700 bytes a file, as real ones have. */
export function projectDetail(project: string, origin: string): Buffer {
  const { files } = readName(project);
  const records = Array.from({ length: files }, (_, n) => fileRecord(project, n, origin));
  const detail = {
    meta: { 'api-version': '1.4', '_last-serial': 12_345_678 },
    name: project,
    'project-status': { status: 'active' },
    versions: records.map((_, n) => version(n)),
    files: records,
  };
  return Buffer.from(JSON.stringify(detail));
}

/** The file's bytes in large chunks: a head that only this file has, then filling that all share. */
export function* fileChunks(path: string): Generator<Buffer> {
  const sizeBytes = Number(/^\/packages\/(\d+)\//.exec(path)?.[1]);
  const head = Buffer.from(sha256(path)).subarray(0, sizeBytes);
  yield head;
  for (let left = sizeBytes - head.length; left > 0; left -= FILLING.length) {
    yield left < FILLING.length ? FILLING.subarray(0, left) : FILLING;
  }
}

export function fileDigest(path: string): string {
  const hash = createHash('sha256');
  for (const chunk of fileChunks(path)) hash.update(chunk);
  return hash.digest('hex');
}

/** Bytes that do not compress, the same in every run. */
const FILLING = Buffer.concat(
  Array.from({ length: 32_768 }, (_, n) => createHash('sha256').update(`filling ${n}`).digest()),
);

function readName(project: string): { readonly files: number; readonly fileBytes: number } {
  const [, files, fileBytes] = /^p(\d+)s(\d+)-/.exec(project) ?? [];
  if (files === undefined) throw new Error(`no project of the bench: ${project}`);
  return { files: Number(files), fileBytes: Number(fileBytes) };
}

function fileRecord(project: string, n: number, origin: string): object {
  const path = filePath(project, n);
  const metadata = sha256(`${path}.metadata`);
  return {
    filename: filename(project, n),
    url: `${origin}${path}`,
    hashes: { sha256: n === 0 ? fileDigest(path) : sha256(path) },
    'requires-python': '>=3.9,!=3.9.1',
    size: readName(project).fileBytes,
    'upload-time': `2026-${pad(1 + (n % 12))}-${pad(1 + (n % 28))}T12:00:00.${String(n % 1e6).padStart(6, '0')}Z`,
    yanked: false,
    'core-metadata': { sha256: metadata },
    'data-dist-info-metadata': { sha256: metadata },
    provenance: null,
  };
}

function filename(project: string, n: number): string {
  return `${project.replaceAll('-', '_')}-${version(n)}-py3-none-any.whl`;
}

function version(n: number): string {
  return `1.${Math.floor(n / 10)}.${n % 10}`;
}

function pad(number: number): string {
  return String(number).padStart(2, '0');
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
