// Index pages in JSON (PEP 691, 700, 740, 792). Files keep their upstream object; only values that make an installer
// refuse the whole page (a null size, say: uv) are taken out of it, with a remark.

import { isJsonObject, type JsonObject, keptNumber, parseExactJson } from './exact-json.ts';
import { InvalidPage } from './invalid-page.ts';
import {
  CORE_METADATA_KEYS,
  type FileRecord,
  type Hashes,
  type PageInput,
  type PageLimits,
  type ProjectDetail,
  type ProjectList,
  type ProjectStatus,
} from './page.ts';
import {
  apiVersionOf,
  FileChecks,
  htmlVersionOf,
  isUploadTime,
  serialOf,
  uploadTimeOf,
  withoutUserInfo,
} from './page-fields.ts';
import { type ProjectName, parseProjectName } from './project-name.ts';

const NO_HASHES: Hashes = Object.freeze({});
const NO_ATTRIBUTES: readonly string[] = Object.freeze([]);

/** Reads a project detail in JSON (PEP 691, PEP 700). Throws InvalidPage. */
export function parseDetailJson(input: PageInput, limits: PageLimits): ProjectDetail {
  const sent = parseObject(input.body, limits);
  const listed = sent.files;
  if (!Array.isArray(listed)) throw new InvalidPage('the page has no list of files');
  if (listed.length > limits.maxFiles) throw new InvalidPage(`the page lists more than ${limits.maxFiles} files`);

  const meta = metaOf(sent);
  const checks = new FileChecks(input.url);
  const source = mendedPage(sent, checks);
  const files: FileRecord[] = [];
  for (const item of listed) {
    const file = readFile(item, checks);
    if (file !== undefined) files.push(file);
  }
  const claimed = apiVersionOf(versionClaim(meta));
  // From 1.1 on sizes are mandatory: a page that had to lose one may not claim that (PEP 700).
  const lostSize = checks.remarks.some((remark) => remark.problem === 'invalid-size');
  const versions = source.versions;
  return {
    apiVersion: lostSize ? '1.0' : claimed,
    htmlVersion: htmlVersionOf(claimed),
    name: nameOf(source.name, input.expectedName),
    serial: serialIn(meta, input.serialHeader),
    status: quarantineFirst(statusOf(source['project-status']), statusOf(meta['project-status'])),
    versions: Array.isArray(versions) ? versions.filter(isText) : undefined,
    files,
    source,
    remarks: checks.remarks,
  };
}

/** Reads a project list in JSON (PEP 691). Throws InvalidPage. */
export function parseListJson(input: PageInput, limits: PageLimits): ProjectList {
  const source = parseObject(input.body, limits);
  const listed = source.projects;
  if (!Array.isArray(listed)) throw new InvalidPage('the page has no list of projects');
  if (listed.length > limits.maxProjects)
    throw new InvalidPage(`the page lists more than ${limits.maxProjects} projects`);

  const meta = metaOf(source);
  const checks = new FileChecks(input.url);
  const names: string[] = [];
  for (const item of listed) {
    const name = isJsonObject(item) ? item.name : undefined;
    if (typeof name === 'string' && parseProjectName(name) !== undefined) names.push(name);
    else checks.note(textOrNothing(name) ?? 'a project without name', 'invalid-project-name');
  }
  const apiVersion = apiVersionOf(versionClaim(meta));
  return {
    apiVersion,
    htmlVersion: htmlVersionOf(apiVersion),
    serial: serialIn(meta, input.serialHeader),
    names,
    source,
    remarks: checks.remarks,
  };
}

function parseObject(body: Buffer, limits: PageLimits): JsonObject {
  const value = parseExactJson(body, limits.maxDepth);
  if (!isJsonObject(value)) throw new InvalidPage('the JSON is no object');
  return value;
}

function metaOf(source: JsonObject): JsonObject {
  const meta = source.meta ?? {};
  if (!isJsonObject(meta)) throw new InvalidPage('the meta of the page is no object');
  return meta;
}

/** Some servers write 1.0 without quotes: as a number it keeps its text. Anything else is no version. */
function versionClaim(meta: JsonObject): string | undefined {
  const claim = meta['api-version'];
  if (claim === undefined || claim === null) return undefined;
  return typeof claim === 'string' || typeof claim === 'number' ? `${claim}` : (keptNumber(claim) ?? '');
}

function nameOf(claimed: unknown, expected: ProjectName | undefined): string {
  const name = typeof claimed === 'string' ? parseProjectName(claimed)?.name : expected;
  if (name === undefined) throw new InvalidPage('the page names no valid project');
  if (expected !== undefined && name !== expected)
    throw new InvalidPage(`the page is that of another project, ${name}`);
  return typeof claimed === 'string' ? claimed : name;
}

function serialIn(meta: JsonObject, header: string | undefined): number | undefined {
  const serial = meta['_last-serial'];
  return typeof serial === 'number' && Number.isSafeInteger(serial) && serial >= 0 ? serial : serialOf(header);
}

function statusOf(value: unknown): ProjectStatus | undefined {
  if (typeof value === 'string') return { status: value, reason: undefined };
  if (!isJsonObject(value)) return undefined;
  const { status, reason } = value;
  return typeof status === 'string' ? { status, reason: typeof reason === 'string' ? reason : undefined } : undefined;
}

/** The status stands in one place or the other; where two contradict each other a quarantine counts. */
function quarantineFirst(top: ProjectStatus | undefined, inMeta: ProjectStatus | undefined): ProjectStatus | undefined {
  return inMeta?.status === 'quarantined' ? inMeta : (top ?? inMeta);
}

/** The page's object without the values that make installers refuse it; itself when there are none. */
function mendedPage(page: JsonObject, checks: FileChecks): JsonObject {
  const { versions } = page;
  const status = page['project-status'];
  const mended: Record<string, unknown> = {};
  if (status !== undefined && statusOf(status) === undefined) mended['project-status'] = undefined;
  if (versions !== undefined && !(Array.isArray(versions) && versions.every(isText))) {
    mended.versions = Array.isArray(versions) ? versions.filter(isText) : undefined;
  }
  const wrong = Object.keys(mended);
  if (wrong.length === 0) return page;
  for (const key of wrong) checks.note(key, 'invalid-value');
  return Object.fromEntries(Object.entries({ ...page, ...mended }).filter(([, value]) => value !== undefined));
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function readFile(item: unknown, checks: FileChecks): FileRecord | undefined {
  const link = isJsonObject(item) ? item.url : undefined;
  const filename = isJsonObject(item) ? item.filename : undefined;
  if (!isJsonObject(item) || typeof link !== 'string' || typeof filename !== 'string') {
    checks.note(textOrNothing(filename) ?? 'a file without name', 'no-file-object');
    return undefined;
  }
  if (!checks.acceptsFilename(filename)) return undefined;
  const location = checks.location(link, filename);
  if (location === undefined) return undefined;

  const source = withoutSecrets(mended(item, filename, checks));
  const size = source.size;
  const yanked = source.yanked as boolean | string | undefined;
  if (yanked === '') checks.note(filename, 'empty-yank-reason');
  const gpgSig = source['gpg-sig'];
  return {
    filename,
    ...location,
    hashes: source.hashes as Hashes,
    sizeBytes: typeof size === 'number' ? size : undefined,
    uploadTime: textOrNothing(source['upload-time']),
    requiresPython: textOrNothing(source['requires-python']),
    coreMetadata: coreMetadataOf(source),
    yanked: yanked ?? false,
    gpgSig: typeof gpgSig === 'boolean' ? gpgSig : undefined,
    provenance: textOrNothing(source.provenance),
    source,
    attributes: NO_ATTRIBUTES,
  };
}

/** The file's object as it may be shown; its `url` is replaced wherever it is. */
function withoutSecrets(item: JsonObject): JsonObject {
  const { provenance } = item;
  if (typeof provenance !== 'string') return item;
  const shown = withoutUserInfo(provenance);
  return shown === provenance ? item : { ...item, provenance: shown };
}

/** The file's object without the values that make installers refuse the page; itself when there are none. */
function mended(item: JsonObject, filename: string, checks: FileChecks): JsonObject {
  const wrong: string[] = [];
  for (const [key, isRight] of VALUES_OF_FILES) {
    if (item[key] !== undefined && !isRight(item[key])) wrong.push(key);
  }
  if (wrong.length === 0 && item.hashes !== undefined) return item;

  checks.note(filename, wrong.includes('size') ? 'invalid-size' : 'invalid-value');
  const kept = Object.fromEntries(Object.entries(item).filter(([key]) => !wrong.includes(key)));
  for (const key of CORE_METADATA_KEYS) {
    // Hashes that are no text still claim that the metadata exists.
    if (wrong.includes(key) && isJsonObject(item[key])) kept[key] = textsOf(item[key]);
  }
  const time =
    wrong.includes('upload-time') && isText(item['upload-time']) ? uploadTimeOf(item['upload-time']) : undefined;
  if (time !== undefined) kept['upload-time'] = time;
  return isHashes(item.hashes) ? kept : { ...kept, hashes: textsOf(item.hashes) };
}

type Test = (value: unknown) => boolean;
const isFlag: Test = (value) => typeof value === 'boolean';
const isClaim: Test = (value) => value === null || isFlag(value) || isHashes(value);
const isTextOrNull: Test = (value) => value === null || isText(value);

/** What a value must be for installers not to refuse the page; what is not named here they do not mind. */
const VALUES_OF_FILES: readonly (readonly [string, Test])[] = [
  ['size', isSize],
  ['yanked', (value) => isFlag(value) || isText(value)],
  ['hashes', isHashes],
  ['upload-time', (value) => isText(value) && isUploadTime(value)],
  ['requires-python', isTextOrNull],
  ['gpg-sig', (value) => value === null || isFlag(value)],
  ['provenance', isTextOrNull],
  ...CORE_METADATA_KEYS.map((key) => [key, isClaim] as const),
];

/** A natural number; one beyond 2^53 is kept as text and is right, too. */
function isSize(value: unknown): boolean {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0;
  const text = keptNumber(value);
  return text !== undefined && /^[0-9]+$/.test(text);
}

function isHashes(value: unknown): value is Hashes {
  if (!isJsonObject(value)) return false;
  for (const algorithm in value) if (typeof value[algorithm] !== 'string') return false;
  return true;
}

/** The members of an object that are text. */
function textsOf(value: unknown): Hashes {
  if (!isJsonObject(value)) return NO_HASHES;
  return Object.fromEntries(
    Object.entries(value).filter((member): member is [string, string] => typeof member[1] === 'string'),
  );
}

/** The first key that says anything counts; hashes that are no text still claim that the metadata exists. */
function coreMetadataOf(source: JsonObject): boolean | Hashes | undefined {
  for (const key of CORE_METADATA_KEYS) {
    const claim = source[key];
    if (typeof claim === 'boolean') return claim;
    if (isJsonObject(claim)) return isHashes(claim) ? claim : textsOf(claim);
  }
  return undefined;
}

function textOrNothing(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
