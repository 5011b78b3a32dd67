// From a stored body, as upstream sent it, to what is derived from it: facts, rendered bytes, single file records.
// Pure work on bytes: it runs where page-workshop.ts puts it, on this thread or on a worker's.

import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import type { Digest } from '../cache/digest.ts';
import { type Comparison, comparePages, type Move, mover, otherPlaces } from './compare-pages.ts';
import { leadsBackTo } from './distribution-name.ts';
import { checkDocument, type DocumentForm, type DocumentKind, renderDocument } from './documents.ts';
import { canExtract } from './extracted-metadata.ts';
import { fileKey, fileLink, filenameOfUrl, flattenedKey, isFlattened } from './file-links.ts';
import { InvalidPage } from './invalid-page.ts';
import { departedFiles, type KeptFiles, keptFiles, withDepartedFiles, withKeptFiles } from './kept-files.ts';
import { mergeLists } from './merge-lists.ts';
import { type NameRoute, NameRouting } from './name-routing.ts';
import type { PageFormat } from './negotiate.ts';
import { type FileRecord, type PageFacts, type ProjectDetail, pageFacts, unservedFiles, whyUnserved } from './page.ts';
import { parsePage, parseProjectList } from './parse-page.ts';
import type { ProjectName } from './project-name.ts';
import { provenanceLink } from './provenance.ts';
import { renderProjectDetail, renderProjectList } from './render.ts';

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
  /** Files that it listed once. */
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

/** How a page differs from the one that is held, and the known records of the files that have changed or left. */
export interface HeldComparison extends Comparison {
  readonly kept: KeptFiles | undefined;
  readonly departed: KeptFiles | undefined;
}

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
  index?: { readonly madeFor: string; readonly files: ReadonlyMap<string, ListedFile> };
}

/** Aliases stored for one page; more would be an attack on the entry store. */
const MAX_STRAYS = 5_000;

/** Parsed pages, most recent last; whoever runs the reader bounds how many. */
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
    return renderProjectDetail(this.#shown(source), format, {
      fileLink: (url) => fileLink(known(url), linkRoot),
      ...(extractsMetadata && { extractsCoreMetadata: (file) => canExtract(file) && isOffered(file) }),
      ...(withdrawnMetadata !== undefined && { offersCoreMetadata: isOffered }),
      ...(provenanceRoot !== undefined && { provenanceLink: (url) => provenanceLink(url, provenanceRoot) }),
    });
  }

  /** What `source` says that differs from the page we hold, and from what that page listed once. */
  compare(held: PageSource, source: PageSource, declared: readonly Move[]): HeldComparison {
    const known = mover(held.moves ?? []);
    const shown = this.#shown(held);
    const files = shown.files.map((file) => ({ ...file, url: known(file.url) }));
    const candidate = this.#read(source).page.files;
    const comparison = comparePages(files, candidate, declared);
    const departed = withDepartedFiles({ ...shown, files: [] }, held.departed);
    const returned = comparePages(departed.files, candidate);
    const changedFiles = [...comparison.changedFiles, ...returned.changedFiles];
    const all = withDepartedFiles(shown, held.departed);
    return {
      ...comparison,
      changedFiles,
      kept: keptFiles(all, changedFiles),
      departed: departedFiles(all, [...returned.leftFiles, ...comparison.leftFiles]),
    };
  }

  /** The lists of several indexes as one. */
  merge(lists: readonly SourceOfIndex[], routes: readonly NameRoute[], format: PageFormat): Buffer {
    const parsed = lists.map(({ index, source }) => ({ index, list: this.#readList(source) }));
    return renderProjectList(mergeLists(parsed, new NameRouting(routes)), format);
  }

  /** Throws InvalidPage when the body is no such document. */
  checkDocument(source: PageSource, kind: DocumentKind): PageFacts {
    return checkDocument(kind, this.#input(source));
  }

  document(source: PageSource, form: DocumentForm): Buffer {
    return renderDocument(form, this.#input(source));
  }

  /** The record of the file at this key (file-links.ts), or of the file of this name wherever it lies. */
  find(source: PageSource, key: string, filename: string): FoundRecords {
    const parsed = this.#read(source);
    const { moves = [], kept } = source;
    const madeFor = JSON.stringify([moves, kept?.page]);
    if (parsed.index?.madeFor !== madeFor) {
      parsed.index = { madeFor, files: indexOf(withKeptFiles(parsed.page, kept), moves, kept?.filenames ?? []) };
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

  /** The page as clients see it. */
  #shown(source: PageSource): ProjectDetail {
    return withKeptFiles(this.#read(source).page, source.kept);
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
    return parseProjectList(this.#input(source));
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

/** The first of two records with one key wins: they differ in nothing that a URL can say. */
function indexOf(page: ProjectDetail, moves: readonly Move[], kept: readonly string[]): Map<string, ListedFile> {
  const known = mover(moves);
  const isKept = new Set(kept);
  const places = otherPlaces(moves);
  const index = new Map<string, ListedFile>();
  for (const file of page.files) {
    const link = known(file.url);
    const key = fileKey(link);
    if (index.has(key)) continue;
    const record = listed(file, link, places(file.url, link));
    index.set(key, isKept.has(file.filename) ? { ...record, kept: true } : record);
  }
  return index;
}

/** The body without its content coding; at most one coding is accepted, and no bomb. */
function decoded(source: PageSource, maxOutputLength: number): Buffer {
  const body = Buffer.from(source.body.buffer, source.body.byteOffset, source.body.byteLength);
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
  throw new InvalidPage(`the content coding ${JSON.stringify(source.contentEncoding)} is not understood`);
}
