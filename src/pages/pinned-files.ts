// Files to which an index gives another hash than it did before, where the operator does not accept that: the page goes
// on listing them by the records that clients know, until the operator purges the project. Where such a record is gone
// (the file had left, or the project was gone), the hash is known all the same: the file is listed by that, at a URL of
// its own, and its bytes are served where they are here.

import { addressOf } from './file-links.ts';
import { hashesOf } from './known-hashes.ts';
import type { KeptFiles } from './page.ts';
import {
  CORE_METADATA_KEYS,
  DEFAULT_PAGE_LIMITS,
  type FileRecord,
  type PinnedHashes,
  type ProjectDetail,
} from './page.ts';
import { parseDetailJson } from './parse-json.ts';
import { detailJson } from './render-json.ts';

/** More would burden the page's entry, and are no slip of a publisher's: such a page is refused as a whole. */
export const MOST_KEPT_FILES = 100;
/** Of what must stay of them, as it is written beside the page's body: in JSON, within JSON. */
const MOST_KEPT_BYTES = 128 * 1024;

/** Whether their number, or their names, URLs and hashes alone are too much to be remembered; texts give way. */
export function areTooMany(kept: KeptFiles): boolean {
  if (kept.filenames.length > MOST_KEPT_FILES) return true;
  return Buffer.byteLength(JSON.stringify(JSON.stringify(withoutTexts(kept).page))) > MOST_KEPT_BYTES;
}

/** What an installer needs of a file, and what tells it from another one (PEP 691, PEP 700, PEP 658). */
const NEEDED = [
  'filename',
  'url',
  'hashes',
  'size',
  'upload-time',
  'requires-python',
  'core-metadata',
  'dist-info-metadata',
  'data-dist-info-metadata',
] as const;

type StoredFile = Readonly<Record<string, unknown>>;

/** Without what no installer needs; a yanked file stays yanked, its reason goes. */
export function withoutTexts(kept: KeptFiles): KeptFiles {
  return withStoredFiles(kept, (file) => {
    const needed = NEEDED.filter((key) => file[key] !== undefined).map((key) => [key, file[key]]);
    const isYanked = file.yanked === true || (typeof file.yanked === 'string' && file.yanked !== '');
    return { ...Object.fromEntries(needed), ...(isYanked && { yanked: true }) };
  });
}

/** Each of their stored records as `change` makes it; without those that it drops. */
export function withStoredFiles(
  { filenames, page }: KeptFiles,
  change: (file: StoredFile) => StoredFile | undefined,
): KeptFiles {
  const detail = JSON.parse(page) as { readonly files: readonly StoredFile[] };
  const files = detail.files.map(change).filter((file) => file !== undefined);
  return { filenames, page: JSON.stringify({ ...detail, files }) };
}

/** The records of these files on the page that is held, of those that it lists. Undefined for none of them. */
export function keptFiles(held: ProjectDetail, filenames: readonly string[]): KeptFiles | undefined {
  const names = new Set(filenames);
  const { name, apiVersion, htmlVersion } = held;
  const files = held.files
    .filter(({ filename }) => names.has(filename))
    .map((file) => (file.userInfo === undefined ? file : { ...file, url: addressOf(file) }));
  if (files.length === 0) return undefined;
  const page: ProjectDetail = { ...NOTHING_ELSE, name, apiVersion, htmlVersion, files, source: {} };
  const listed = [...new Set(files.map(({ filename }) => filename))];
  return { filenames: listed, page: detailJson(page, { fileLink: (url) => url }) };
}

/** Each kept file in the place of what the index lists under its name now. */
function withKeptFiles(page: ProjectDetail, kept: KeptFiles | undefined): ProjectDetail {
  if (kept === undefined) return page;
  const records = Map.groupBy(recordsOf(kept), ({ filename }) => filename);
  const files: FileRecord[] = [];
  for (const file of page.files) {
    const known = records.get(file.filename);
    if (known === undefined) files.push(file);
    else files.push(...known.splice(0));
  }
  // From 1.1 on sizes are mandatory (PEP 700); a record that came from HTML has none.
  const lacksSize = files.some(({ source }) => source.size === undefined);
  return { ...page, files, apiVersion: lacksSize ? '1.0' : page.apiVersion };
}

/** In the place of a filename: every file that is not named beside it. No file has this name. */
export const ALL_OTHERS = '';

/** What of a page's facts changes how it is shown. */
export interface ShownOtherwise {
  readonly kept?: KeptFiles;
  readonly pinned?: PinnedHashes;
  readonly metadata?: PinnedHashes;
}

/** The page as clients see it. */
export function withKnownFiles(page: ProjectDetail, { kept, pinned, metadata }: ShownOtherwise): ProjectDetail {
  const shown = withKeptFiles(page, kept);
  if (pinned === undefined && metadata === undefined) return shown;
  const files: FileRecord[] = [];
  const seen = new Set<string>();
  for (const file of shown.files) {
    const { filename } = file;
    const hash = ownValue(pinned, filename);
    const promise = ownValue(metadata, filename) ?? ownValue(metadata, ALL_OTHERS);
    if (hash !== undefined) {
      const known = seen.has(filename) ? undefined : pinnedFile(file, hash);
      if (known !== undefined) files.push(known);
      seen.add(filename);
    } else files.push(promise === undefined ? file : withCoreMetadata(file, promise));
  }
  // From 1.1 on sizes are mandatory (PEP 700), and a pinned file's is not known.
  return { ...shown, files, apiVersion: pinned === undefined ? shown.apiVersion : '1.0' };
}

/**
 * The file by its known hash, at a URL at which the index has nothing: what it has at its own is another file.
 * Undefined where bytes cannot be checked by that hash, for then any would do.
 */
function pinnedFile(file: FileRecord, hash: string): FileRecord | undefined {
  const { size: _size, ...source } = withoutCoreMetadata(file.source);
  const hashes = hashesOf(hash);
  if (hashes === undefined) return undefined;
  const url = pinnedUrl(file.url, hash);
  return { ...file, url, hashes, sizeBytes: undefined, coreMetadata: undefined, source: { ...source, hashes } };
}

function pinnedUrl(url: string, hash: string): string {
  const end = url.search(/[?#]/);
  const whole = end < 0 ? url : url.slice(0, end);
  const slash = whole.lastIndexOf('/');
  return `${whole.slice(0, slash)}/known/${hash.slice(hash.indexOf(':') + 1)}${whole.slice(slash)}`;
}

function withCoreMetadata(file: FileRecord, hash: string): FileRecord {
  const hashes = hash === '' ? undefined : hashesOf(hash);
  const source = withoutCoreMetadata(file.source);
  if (hashes === undefined) return { ...file, coreMetadata: undefined, source };
  return { ...file, coreMetadata: hashes, source: { ...source, 'core-metadata': hashes } };
}

function withoutCoreMetadata(source: FileRecord['source']): FileRecord['source'] {
  const object: Record<string, unknown> = { ...source };
  for (const key of CORE_METADATA_KEYS) delete object[key];
  return object;
}

function ownValue(values: PinnedHashes | undefined, key: string): string | undefined {
  return values !== undefined && Object.hasOwn(values, key) ? values[key] : undefined;
}

/** The records of kept files. */
export function recordsOf({ page }: KeptFiles): readonly FileRecord[] {
  const input = { body: Buffer.from(page), contentType: undefined, url: 'https://index.example/' };
  return parseDetailJson(input, DEFAULT_PAGE_LIMITS).files;
}

const NOTHING_ELSE = { serial: undefined, status: undefined, versions: undefined, remarks: [] } as const;
