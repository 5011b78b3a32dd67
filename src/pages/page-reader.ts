// From a stored body, as upstream sent it, to what is derived from it: facts, rendered bytes, single file records.
// Pure work on bytes: it runs where page-pool.ts puts it, on this thread or on a worker's.

import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { type Digest, digestOf } from '../core/digest.ts';
import type { View } from '../policy/policy.ts';
import { matchesProject, type ReleasePattern } from '../policy/release-pattern.ts';
import { type Comparison, comparePages, mover, otherPlaces } from './compare-pages.ts';
import { leadsBackTo } from './distribution-name.ts';
import { checkDocument, type DocumentForm, type DocumentKind, renderDocument } from './documents.ts';
import { isJsonObject } from './exact-json.ts';
import { fileKey, fileLink, filenameOfUrl, flattenedKey, isFlattened } from './file-links.ts';
import { InvalidPage } from './invalid-page.ts';
import { batchesOf, type Claim, type ClaimBatch, hashTexts, nameOf, uploadedSecondsOf } from './known-hashes.ts';
import { mergeLists } from './merge-lists.ts';
import { type NameRoute, NameRouting } from './name-routing.ts';
import type { PageFormat } from './negotiate.ts';
import {
  canExtract,
  DEFAULT_PAGE_LIMITS,
  type FileRecord,
  type KeptFiles,
  type Move,
  type PageFacts,
  type PageInput,
  type PageLimits,
  type PinnedHashes,
  type ProjectDetail,
  type ProjectList,
  pageFacts,
  type RenderOptions,
  unservedFiles,
  whyUnserved,
} from './page.ts';
import { parseDetailHtml, parseListHtml } from './parse-html.ts';
import { parseDetailJson, parseListJson } from './parse-json.ts';
import { keptFiles, recordsOf, withKnownFiles } from './pinned-files.ts';
import { type ProjectName, parseProjectName } from './project-name.ts';
import { provenanceLink } from './provenance.ts';
import { detailHtml, listHtml } from './render-html.ts';
import { detailJson, listJson } from './render-json.ts';
import { type Ages, type Screen, screened, screenPage } from './screen.ts';

/** A stored page and how to understand it. */
export interface PageSource {
  readonly digest: Digest;
  readonly body: Uint8Array;
  readonly contentType: string | undefined;
  readonly contentEncoding: string | undefined;
  readonly serialHeader: string | undefined;
  /** The URL that answered: relative links resolve against it. */
  readonly url: string;
  /** Undefined for the project list. */
  readonly project: ProjectName | undefined;
  /** What links to provenance begin with; upstream's own are kept without it. */
  readonly provenanceRoot?: string;
  /** What file links begin with; without it they are relative to the page. */
  readonly linkRoot?: string;
  /** Core metadata is announced where upstream has none, for we cut it out of wheels. */
  readonly extractsMetadata?: boolean;
  /** Files, by the URL that clients know, whose core metadata upstream claims and does not have. */
  readonly withdrawnMetadata?: ReadonlySet<string>;
  /** How its file URLs become those that clients know. */
  readonly moves?: readonly Move[];
  /** Files that are shown as they were before. */
  readonly kept?: KeptFiles;
  /** Files that are shown by the hash that they were known by. */
  readonly pinned?: PinnedHashes;
  /** Files whose core metadata is what it was known as. */
  readonly metadata?: PinnedHashes;
  /** What the policy keeps out of it. */
  readonly screen?: Pick<Screen, 'refused' | 'hiddenVersions'>;
  /** Of the list: patterns of projects that are left out. */
  readonly unlisted?: readonly ReleasePattern[];
  /** Files that had left it, as an earlier release remembered them. */
  readonly departed?: KeptFiles;
}

/** A list of projects and whose it is. */
export interface SourceOfIndex {
  readonly index: string;
  readonly source: PageSource;
}

/** What serving a file needs to know of its record; plain data that crosses threads. */
export interface ListedFile
  extends Pick<
    FileRecord,
    'filename' | 'url' | 'userInfo' | 'hashes' | 'sizeBytes' | 'uploadTime' | 'coreMetadata' | 'yanked' | 'provenance'
  > {
  /** The URL by which clients know it: `url`, unless another mirror's was given out first. */
  readonly link: string;
  /** Further URLs at which other mirrors are known to have it. */
  readonly elsewhere: readonly string[];
  /** The index gives its name another hash now; this is the record from before. */
  readonly kept?: true;
}

/** What a page says of a file that is asked for: its record at that URL, else the one of its name. */
export interface FoundRecords {
  readonly at?: ListedFile;
  readonly named?: ListedFile;
  /** At this URL the index has a file whose hash has changed, which is not accepted. */
  readonly refused?: true;
  /** The page lists a file of this name that cannot be served: why, as part of a sentence. */
  readonly unserved?: string;
}

/** How a page differs from the one that is held. */
export interface HeldComparison extends Comparison {
  /** Of each name that is new, gone, or listed with other hashes than on the held page: what the page says of it. */
  readonly claims: readonly ClaimBatch[];
  /** The serial is lower, and yet all that both say is the same. */
  readonly same: boolean;
}

/** Of which names claims are wanted: those that differ from the held page, or all. */
export type WantedClaims = 'differing' | 'all';

/** Facts for judging successors, and the filenames whose one reading leads to another project. */
export interface Checked {
  readonly facts: PageFacts;
  readonly strays: readonly string[];
  readonly remarks: number;
  /** How many of its files cannot be served; the facts tell of the first few why. */
  readonly unserved: number;
}

/** A page whose decoded body would be larger than this is refused: a bomb, or nothing an installer could use. */
export interface ReaderLimits {
  readonly maxDecodedBytes: number;
}

interface Parsed {
  readonly page: ProjectDetail;
  /** The files by key, made for one set of moves and kept files. */
  index?: { readonly madeFor: Digest; readonly files: ReadonlyMap<string, ListedFile> };
}

/** Aliases stored for one page; more would be an attack on the entry store. */
const MAX_STRAYS = 5_000;

/** Parsed pages, most recent last; the caller bounds how many. */
export class PageReader {
  readonly #limits: ReaderLimits;
  readonly #parsed = new Map<string, Parsed>();
  #parsedBytes = 0;
  readonly #maxParsedBytes: number;
  readonly #sizes = new Map<string, number>();

  /** `maxParsedBytes`: body bytes whose parsed form is kept; the form takes a few times as much memory. */
  constructor(limits: ReaderLimits, maxParsedBytes: number) {
    this.#limits = limits;
    this.#maxParsedBytes = maxParsedBytes;
  }

  /** Throws InvalidPage when the body is no index page. */
  check(source: PageSource): Checked {
    requireAskedCoding(source);
    if (source.project === undefined) return this.#checkList(source);
    const page = this.#read(source).page;
    const { project } = source;
    const strays: string[] = [];
    for (const file of page.files) {
      if (strays.length < MAX_STRAYS && !leadsBackTo(filenameOfUrl(file.url), project)) {
        strays.push(filenameOfUrl(file.url));
      }
    }
    return {
      facts: pageFacts(page),
      strays,
      remarks: page.remarks.length,
      unserved: unservedFiles(page.remarks).count,
    };
  }

  render(source: PageSource, format: PageFormat): Buffer {
    if (source.project === undefined) return renderProjectList(this.#readList(source), format);
    const { provenanceRoot, linkRoot, extractsMetadata, withdrawnMetadata, moves = [] } = source;
    const known = mover(moves);
    const isOffered = (file: FileRecord): boolean => withdrawnMetadata?.has(known(file.url)) !== true;
    const shown = source.screen === undefined ? this.#shown(source) : screened(this.#shown(source), source.screen);
    return renderProjectDetail(shown, format, {
      fileLink: (url) => fileLink(known(url), linkRoot),
      ...(extractsMetadata && { extractsCoreMetadata: (file) => canExtract(file) && isOffered(file) }),
      ...(withdrawnMetadata !== undefined && { offersCoreMetadata: isOffered }),
      ...(provenanceRoot !== undefined && { provenanceLink: (url) => provenanceLink(url, provenanceRoot) }),
    });
  }

  /**
   * What `source` says that differs from the page we hold. Without one there are only claims; without a `source`, which
   * says that the project is gone, each file has left.
   */
  compare(
    held: PageSource | undefined,
    source: PageSource | undefined,
    declared: readonly Move[],
    wanted: WantedClaims,
  ): HeldComparison {
    const known = mover(held?.moves ?? []);
    const before = held === undefined ? NO_FILES : this.#shown(held).files;
    const candidate = source === undefined ? undefined : this.#read(source).page;
    const now = candidate?.files ?? NO_FILES;
    const files = before.map((file) => ({ ...file, url: known(file.url) }));
    const heldPage = held === undefined ? undefined : this.#read(held).page;
    return {
      ...comparePages(files, now, declared),
      claims: batchesOf(claimsOf(held?.departed ? [...before, ...recordsOf(held.departed)] : before, now, wanted)),
      same: isOlder(heldPage, candidate) && sayTheSame(heldPage!, candidate!),
    };
  }

  /** The records of these files on the page we hold, as clients see them. Undefined for none of them. */
  kept(held: PageSource, filenames: readonly string[]): KeptFiles | undefined {
    return keptFiles(this.#shown(held), filenames);
  }

  /** The lists of several indexes as one. */
  merge(lists: readonly SourceOfIndex[], routes: readonly NameRoute[], format: PageFormat): Buffer {
    const parsed = lists.map(({ index, source }) => ({ index, list: this.#readList(source) }));
    return renderProjectList(mergeLists(parsed, new NameRouting(routes)), format);
  }

  /** Throws InvalidPage when the body is no such document. */
  checkDocument(source: PageSource, kind: DocumentKind): PageFacts {
    requireAskedCoding(source);
    return checkDocument(kind, this.#input(source));
  }

  document(source: PageSource, form: DocumentForm): Buffer {
    return renderDocument(form, this.#input(source));
  }

  /** The record of the file at this key (file-links.ts), or of the file of this name wherever it lies. */
  find(source: PageSource, key: string, filename: string): FoundRecords {
    const parsed = this.#read(source);
    const { moves = [], kept, pinned, metadata } = source;
    const madeFor = digestOf(JSON.stringify([moves, kept?.page, pinned, metadata]));
    if (parsed.index?.madeFor !== madeFor) {
      const isKept = new Set([...(kept?.filenames ?? []), ...Object.keys(pinned ?? {})]);
      parsed.index = { madeFor, files: indexOf(this.#shown(source), parsed.page, moves, isKept) };
    }
    const { files } = parsed.index;
    const at = files.get(key);
    if (at !== undefined) return { at };
    const records = [...files.entries()];
    // A client that was sent to a path which it cannot write would come back with the same one, time and again.
    const meant = flattenedKey(key);
    const flattened = records.find(([known]) => !isFlattened(known) && flattenedKey(known) === meant)?.[1];
    if (flattened !== undefined) return { at: flattened };
    const named = records.find(([, file]) => file.filename === filename)?.[1];
    if (named === undefined) {
      const remark = parsed.page.remarks.find((one) => one.subject === filename && whyUnserved(one) !== undefined);
      return remark === undefined ? {} : { unserved: whyUnserved(remark)! };
    }
    const known = mover(moves);
    const refused = named.kept && parsed.page.files.some(({ url }) => fileKey(known(url)) === key);
    return { named, ...(refused && { refused }) };
  }

  /** What the policy keeps out of the page as clients see it. */
  screen(source: PageSource, view: View, ages: Ages, now: number): Screen {
    return screenPage(this.#shown(source), source.project ?? '', view, ages, now);
  }

  /** The page as clients see it. */
  #shown(source: PageSource): ProjectDetail {
    return withKnownFiles(this.#read(source).page, source);
  }

  #checkList(source: PageSource): Checked {
    const list = this.#readList(source);
    const facts: PageFacts = {
      ...(list.serial === undefined ? {} : { serial: list.serial }),
      files: list.names.length,
      apiVersion: list.apiVersion,
    };
    return { facts, strays: [], remarks: list.remarks.length, unserved: 0 };
  }

  #readList(source: PageSource) {
    const list = parseProjectList(this.#input(source));
    const { unlisted } = source;
    if (unlisted === undefined) return list;
    const isShown = (name: string) => {
      const normal = parseProjectName(name)?.name ?? name;
      return !unlisted.some((pattern) => matchesProject(pattern, normal));
    };
    return withNames(list, isShown);
  }

  #read(source: PageSource): Parsed {
    const key = `${source.digest} ${source.url}`;
    const known = this.#parsed.get(key);
    if (known !== undefined) {
      this.#parsed.delete(key);
      this.#parsed.set(key, known);
      return known;
    }
    const input = this.#input(source);
    const parsed = { page: parsePage({ ...input, expectedName: source.project }) };
    this.#keep(key, parsed, input.body.length);
    return parsed;
  }

  #keep(key: string, parsed: Parsed, bytes: number): void {
    this.#parsed.set(key, parsed);
    this.#sizes.set(key, bytes);
    this.#parsedBytes += bytes;
    for (const oldest of this.#parsed.keys()) {
      if (this.#parsedBytes <= this.#maxParsedBytes || oldest === key) return;
      this.#parsed.delete(oldest);
      this.#parsedBytes -= this.#sizes.get(oldest)!;
      this.#sizes.delete(oldest);
    }
  }

  #input(source: PageSource) {
    return {
      body: decoded(source, this.#limits.maxDecodedBytes),
      contentType: source.contentType,
      url: source.url,
      serialHeader: source.serialHeader,
    };
  }
}

function listed(file: FileRecord, link: string, elsewhere: readonly string[]): ListedFile {
  const { filename, url, userInfo, hashes, sizeBytes, uploadTime, coreMetadata, yanked, provenance } = file;
  const record = { filename, url, link, elsewhere, hashes, sizeBytes, uploadTime, coreMetadata, yanked, provenance };
  return userInfo === undefined ? record : { ...record, userInfo };
}

/**
 * The files by key. Of several records with one key that one counts whose name the URL ends with: a second name for the
 * place of a known file must not become what that file has to be.
 */
function indexOf(
  shown: ProjectDetail,
  listedNow: ProjectDetail,
  moves: readonly Move[],
  isKept: ReadonlySet<string>,
): Map<string, ListedFile> {
  const known = mover(moves);
  const places = otherPlaces(moves);
  // What the index has now under a kept file's name may still be that file: its hash judges.
  const ownUrls = Map.groupBy(
    listedNow.files.filter(({ filename }) => isKept.has(filename)),
    ({ filename }) => filename,
  );
  const index = new Map<string, ListedFile>();
  for (const file of shown.files) {
    const link = known(file.url);
    const key = fileKey(link);
    const earlier = index.get(key);
    if (earlier !== undefined && !isBetterNamed(file, earlier)) continue;
    const record = listed(file, link, places(file.url, link));
    if (!isKept.has(file.filename)) {
      index.set(key, record);
      continue;
    }
    const urls = (ownUrls.get(file.filename) ?? []).map(({ url }) => url).filter((url) => url !== file.url);
    index.set(key, { ...record, elsewhere: [...record.elsewhere, ...urls].slice(0, MOST_PLACES), kept: true });
  }
  return index;
}

/** Places to ask for one file: each costs a part of the time that a client waits. */
const MOST_PLACES = 2;

function isBetterNamed(file: FileRecord, earlier: ListedFile): boolean {
  if (file.filename === earlier.filename) return false;
  const name = filenameOfUrl(earlier.link);
  return file.filename === name && earlier.filename !== name;
}

/** The list without the projects that are not shown. */
function withNames(list: ProjectList, isShown: (name: string) => boolean): ProjectList {
  const { projects } = list.source;
  const nameOfProject = (project: unknown) =>
    isJsonObject(project) && typeof project.name === 'string' ? project.name : '';
  const shown = Array.isArray(projects) ? projects.filter((project) => isShown(nameOfProject(project))) : projects;
  return { ...list, names: list.names.filter(isShown), source: { ...list.source, projects: shown } };
}

const NO_FILES: readonly FileRecord[] = Object.freeze([]);

/** Two pages' records of one name, and what they say of its bytes and of its core metadata. */
function claimsOf(before: readonly FileRecord[], now: readonly FileRecord[], wanted: WantedClaims): Claim[] {
  const heldBy = Map.groupBy(before, ({ filename }) => filename);
  const listedBy = Map.groupBy(now, ({ filename }) => filename);
  const claims: Claim[] = [];
  const add = (filename: string, what: Claim['what'], held: readonly FileRecord[], files: readonly FileRecord[]) => {
    const textsOf = what === 'file' ? fileHashes : metadataHashes;
    const heldTexts = held.flatMap(textsOf);
    const texts = files.flatMap(textsOf);
    if (texts.length === 0 && (what === 'metadata' ? files.length > 0 || heldTexts.length === 0 : held.length === 0))
      return;
    if (wanted === 'differing' && held.length > 0 && isEqual(heldTexts, texts)) return;
    const [file = held[0]!] = files;
    const strongest = heldTexts.flatMap(([text]) => (text === undefined ? [] : [text]));
    const uploadedSeconds = uploadedSecondsOf(file);
    claims.push({ filename, what, name: nameOf(filename, what), before: strongest, now: texts, uploadedSeconds });
  };
  for (const [filename, files] of listedBy) {
    const held = heldBy.get(filename) ?? NO_FILES;
    add(filename, 'file', held, files);
    add(filename, 'metadata', held, files);
  }
  for (const [filename, held] of heldBy) {
    if (listedBy.has(filename)) continue;
    add(filename, 'file', held, NO_FILES);
    add(filename, 'metadata', held, NO_FILES);
  }
  return claims;
}

function fileHashes({ hashes }: FileRecord): readonly (readonly string[])[] {
  return [hashTexts(hashes)];
}

/** A page that offers no metadata says nothing of it; one that offers some without a hash does not repeat the known one. */
function metadataHashes({ coreMetadata }: FileRecord): readonly (readonly string[])[] {
  if (coreMetadata === undefined || coreMetadata === false) return [];
  return [coreMetadata === true ? [] : hashTexts(coreMetadata)];
}

function isEqual(a: readonly (readonly string[])[], b: readonly (readonly string[])[]): boolean {
  return a.length === b.length && a.every((texts, i) => texts.join(' ') === b[i]!.join(' '));
}

function isOlder(held: ProjectDetail | undefined, candidate: ProjectDetail | undefined): boolean {
  return held?.serial !== undefined && candidate?.serial !== undefined && candidate.serial < held.serial;
}

function sayTheSame({ files: a, status }: ProjectDetail, { files: b, status: other }: ProjectDetail): boolean {
  if (a.length !== b.length || status?.status !== other?.status) return false;
  const words = (files: readonly FileRecord[]) =>
    files
      .map(({ filename, hashes, yanked, requiresPython, coreMetadata }) =>
        JSON.stringify([filename, hashTexts(hashes), yanked, requiresPython, coreMetadata ?? false]),
      )
      .sort();
  const theirs = words(b);
  return words(a).every((text, i) => text === theirs[i]);
}

/** A page may be this many times larger than its gzip form; index pages reach about 20. */
const MAX_RATIO = 100;
/** Up to this size the ratio is of no interest. */
const ALWAYS_ALLOWED_BYTES = 1 << 20;

/** Throws InvalidPage for a content coding that was not asked for: only gzip is. */
function requireAskedCoding({ contentEncoding = '' }: PageSource): void {
  if (['', 'identity', 'gzip', 'x-gzip'].includes(contentEncoding.trim().toLowerCase())) return;
  throw new InvalidPage(`the content coding ${JSON.stringify(contentEncoding)} was not asked for`);
}

/** The body without its content coding; a bomb is refused. zstd is what earlier versions took and stored. */
function decoded(source: PageSource, maxDecodedBytes: number): Buffer {
  const body = Buffer.from(source.body.buffer, source.body.byteOffset, source.body.byteLength);
  const maxOutputLength = Math.min(maxDecodedBytes, Math.max(ALWAYS_ALLOWED_BYTES, MAX_RATIO * body.length));
  try {
    switch (source.contentEncoding?.trim().toLowerCase()) {
      case undefined:
      case '':
      case 'identity':
        return body;
      case 'gzip':
      case 'x-gzip':
        // Some servers label what they did not compress.
        return body[0] === 0x1f && body[1] === 0x8b ? gunzipSync(body, { maxOutputLength }) : body;
      case 'zstd':
        return zstdDecompressSync(body, { maxOutputLength });
    }
  } catch (error) {
    throw new InvalidPage(`the body cannot be decoded: ${(error as Error).message}`);
  }
  throw new InvalidPage(`the content coding ${JSON.stringify(source.contentEncoding)} cannot be read`);
}

// From a page to the bytes of an answer; `v1-html` and `html` are the same bytes.

/** The page in one format, as bytes. */
export function renderProjectDetail(page: ProjectDetail, format: PageFormat, options: RenderOptions): Buffer {
  // PEP 792: of a quarantined project no file is offered, not even when upstream's page still does.
  const shown = page.status?.status === 'quarantined' ? { ...page, files: [] } : page;
  return Buffer.from(format === 'json' ? detailJson(shown, options) : detailHtml(shown, options));
}

/** The list in one format, as bytes. */
export function renderProjectList(list: ProjectList, format: PageFormat): Buffer {
  return Buffer.from(format === 'json' ? listJson(list) : listHtml(list));
}

// From the bytes of an upstream's answer to an index page: picks the reader by content type. Whatever is no page is
// refused here, before it can be stored: login pages, error documents, cut bodies, other formats under our names.

/** Reads a project's page. Throws InvalidPage. */
export function parsePage(input: PageInput, limits: PageLimits = DEFAULT_PAGE_LIMITS): ProjectDetail {
  return formatOf(input) === 'json' ? parseDetailJson(input, limits) : parseDetailHtml(input, limits);
}

/** Reads the list of projects. Throws InvalidPage. */
export function parseProjectList(input: PageInput, limits: PageLimits = DEFAULT_PAGE_LIMITS): ProjectList {
  return formatOf(input) === 'json' ? parseListJson(input, limits) : parseListHtml(input, limits);
}

/** Types that hold a page; application/json is what many servers call it. Version 2 would be another type. */
const FORMAT_OF_TYPE: ReadonlyMap<string, 'json' | 'html'> = new Map([
  ['application/vnd.pypi.simple.v1+json', 'json'],
  ['application/vnd.pypi.simple.latest+json', 'json'],
  ['application/json', 'json'],
  ['application/vnd.pypi.simple.v1+html', 'html'],
  ['application/vnd.pypi.simple.latest+html', 'html'],
  ['text/html', 'html'],
  ['application/xhtml+xml', 'html'],
]);

function formatOf({ body, contentType }: PageInput): 'json' | 'html' {
  if (contentType === undefined || contentType.trim() === '') return sniff(body);
  const type = contentType.split(';', 1)[0]!.trim().toLowerCase();
  const format = FORMAT_OF_TYPE.get(type);
  if (format === undefined)
    throw new InvalidPage(`the content type ${JSON.stringify(type.slice(0, 100))} is no index page's`);
  return format;
}

/** Without a content type the first character that is no white space decides. */
function sniff(body: Buffer): 'json' | 'html' {
  const start = body
    .subarray(0, 1024)
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .trimStart();
  if (start.startsWith('{')) return 'json';
  if (start.startsWith('<')) return 'html';
  throw new InvalidPage('the body has no content type and is neither JSON nor HTML');
}
