// The index pages as values. Upstream's JSON is the master copy: `source` holds it whole, so what we do not know
// survives; the other fields are what we understand of it. Sentences in quotes are the specification's.

import type { JsonObject } from './exact-json.ts';
import type { ProjectName } from './project-name.ts';

/** "A dictionary mapping a hash name to a hex encoded digest of the file." Spelled as upstream spells it. */
export type Hashes = Readonly<Record<string, string>>;

/** Names of the claim that core metadata can be had: today's, PEP 658's, and one the public index sends beside it. */
export const CORE_METADATA_KEYS = ['core-metadata', 'dist-info-metadata', 'data-dist-info-metadata'] as const;

/** One distribution file of a project, as its page lists it. */
export interface FileRecord {
  /** "The filename that is being represented." A plain name: no separators, no control characters. */
  readonly filename: string;
  /** "The URL that the file can be fetched from." Absolute, resolved against the page's final URL; no fragment. */
  readonly url: string;
  /** `user:password` of that URL, escapes and all: sent to its origin, and shown to nobody. */
  readonly userInfo?: string | undefined;
  /** May be empty: "If no hashes are available … then an empty dictionary must be provided." */
  readonly hashes: Hashes;
  /** "The file size in bytes." (PEP 700) Undefined when unknown, or beyond 2^53. */
  readonly sizeBytes: number | undefined;
  /** "The time the file was uploaded to the index, in ISO 8601 format." (PEP 700) */
  readonly uploadTime: string | undefined;
  /** "Exposes the Requires-Python metadata field"; kept verbatim, valid or not. */
  readonly requiresPython: string | undefined;
  /** "Whether the core metadata file is available": true, or its hashes; undefined when the page does not say. */
  readonly coreMetadata: boolean | Hashes | undefined;
  /** "Either a boolean … or a non-empty string, providing the reason" (PEP 592). '' is invalid and means false. */
  readonly yanked: boolean | string;
  /** "Whether or not there's an associated GPG signature for the file." */
  readonly gpgSig: boolean | undefined;
  /** "A fully qualified URL to the file's associated provenance" (PEP 740). */
  readonly provenance: string | undefined;
  /** The file's JSON object as upstream sent it, without the values that installers choke on. */
  readonly source: JsonObject;
  /** Further `data-` attributes of an HTML upstream: name, value, name, value, … */
  readonly attributes: readonly string[];
}

/** "The state of the project": active, archived, quarantined, deprecated, or what comes later (PEP 792). */
export interface ProjectStatus {
  readonly status: string;
  /** "Arbitrary text that explains the current status." */
  readonly reason: string | undefined;
}

/** What was left out of a page, or mended, and why; for the log, so that nothing is dropped silently. */
export interface Remark {
  /** The file name or link the remark is about, as upstream wrote it. */
  readonly subject: string;
  readonly problem: Problem;
  /** Why the file cannot be served; part of a sentence. */
  readonly reason?: string;
}

/** The kinds of remarks. */
export type Problem =
  // The file is left out: no object with filename and url; a name or a link that must not be shown to clients; a link
  // that is another file's once the query is gone; a link of an HTML page to something else than a distribution.
  | 'no-file-object'
  | 'unsafe-filename'
  | 'unusable-url'
  | 'ambiguous-url'
  | 'names-no-distribution'
  // The project is left out of the HTML list.
  | 'invalid-project-name'
  // The file stays; a value that installers choke on is dropped, or is kept although it means nothing.
  | 'invalid-size'
  | 'invalid-value'
  | 'empty-yank-reason';

/** A project's page: "project detail". */
export interface ProjectDetail {
  /** "The version of the API": what our JSON may claim. 1.0 when the page was read from HTML or a size was dropped. */
  readonly apiVersion: string;
  /** What our HTML may claim: upstream's version, 1.4 at most, where HTML is frozen (PEP 833). */
  readonly htmlVersion: string;
  /** "The normalized name of the project", as upstream spells it. */
  readonly name: string;
  /** The index's own count of changes, where it tells: a page never goes back in it. */
  readonly serial: number | undefined;
  readonly status: ProjectStatus | undefined;
  /** "A list of all versions" (PEP 700), in any style, including those without files. */
  readonly versions: readonly string[] | undefined;
  /** In upstream's order. The same filename may occur twice. */
  readonly files: readonly FileRecord[];
  /** The page's JSON object as upstream sent it; its `files` are replaced by the field above when it is rendered. */
  readonly source: JsonObject;
  readonly remarks: readonly Remark[];
}

/** The list of an index's projects. */
export interface ProjectList {
  readonly apiVersion: string;
  readonly htmlVersion: string;
  readonly serial: number | undefined;
  /** Valid project names, as upstream spells them, in its order. */
  readonly names: readonly string[];
  readonly source: JsonObject;
  readonly remarks: readonly Remark[];
}

/** Serials of one project are no further apart: no index has counted that many changes. */
export const PLAUSIBLE_CHANGES = 100_000_000;

/** What is remembered of a page beside its bytes, for judging its successor without parsing again. Plain JSON. */
export type PageFacts = {
  readonly serial?: number;
  readonly files: number;
  readonly status?: string;
  readonly reason?: string;
  readonly apiVersion: string;
  readonly versions?: number;
  /** It was measured against the page before it, among the mirrors of its index, and accepted (mirror-judgement.ts). */
  readonly agreed?: boolean;
  /** No serial tells that it is newer, and files of the page before it are gone: which ones, as a claim. */
  readonly left?: string;
  /** How its file URLs become those that clients know, when another mirror's were given out first. */
  readonly moves?: readonly Move[];
  /** Files that it lists and that cannot be served, `name: why`, the first few. */
  readonly unserved?: readonly string[];
  /** Files that it lists with another hash than before, and that clients go on seeing as they were. */
  readonly kept?: KeptFiles;
  /** Files that it lists with another hash than they were known by, and whose records are gone: their known hashes. */
  readonly pinned?: PinnedHashes;
  /** Files whose core metadata has another hash than it was known by: what it has to be, '' for nothing. */
  readonly metadata?: PinnedHashes;
  /** By which hashes its files are known stands in the store (known-files.ts). */
  readonly known?: true;
  /** Files that had left it, as 0.1 wrote them down with a page: read once, for known-files.ts. */
  readonly departed?: KeptFiles;
};

/** Hashes (`<algorithm>:<hex>`) by filename. */
export type PinnedHashes = Readonly<Record<string, string>>;

/** Why a file cannot be served, where a remark gives no reason of its own. */
const REASONS: Readonly<Partial<Record<Problem, string>>> = {
  'no-file-object': 'it has no name or no link',
  'unsafe-filename': 'its name is no plain file name',
  'unusable-url': 'its link cannot be served',
  'ambiguous-url': 'its link cannot be told from that of another file',
};
const MOST_TOLD = 5;
const MOST_TOLD_CHARACTERS = 200;

/** Why the file of the remark cannot be served; undefined when it is, or is no distribution at all. */
export function whyUnserved({ problem, reason }: Remark): string | undefined {
  return REASONS[problem] === undefined ? undefined : (reason ?? REASONS[problem]);
}

/** The first files of a page that cannot be served, each with the reason, and how many there are. */
export function unservedFiles(remarks: readonly Remark[]): {
  readonly count: number;
  readonly told: readonly string[];
} {
  const unserved = remarks.filter((remark) => whyUnserved(remark) !== undefined);
  const told = unserved
    .slice(0, MOST_TOLD)
    .map((remark) => `${remark.subject.slice(0, MOST_TOLD_CHARACTERS)}: ${whyUnserved(remark)}`);
  return { count: unserved.length, told };
}

/** What is remembered of the page beside its bytes. */
export function pageFacts(page: ProjectDetail): PageFacts {
  const { told } = unservedFiles(page.remarks);
  return {
    ...(page.serial !== undefined && { serial: page.serial }),
    files: page.files.length,
    ...(page.status !== undefined && { status: page.status.status }),
    ...(page.status?.reason !== undefined && { reason: page.status.reason }),
    apiVersion: page.apiVersion,
    ...(page.versions !== undefined && { versions: page.versions.length }),
    ...(told.length > 0 && { unserved: told }),
  };
}

// Which files get core metadata that we cut out of them, at the indexes whose operator asked for it: wheels whose hash
// the page gives, where the page offers none. What we announce we must be able to serve: pip fails the install else.

/** Whether core metadata may be read out of the file: a wheel with a sha256 and without metadata of its own. */
export function canExtract(file: Pick<FileRecord, 'filename' | 'hashes' | 'coreMetadata'>): boolean {
  const none = file.coreMetadata === undefined || file.coreMetadata === false;
  return none && /\.whl$/i.test(file.filename) && file.hashes.sha256 !== undefined;
}

// What a page is read from, and how much of it is accepted.

/** Bounds on what a page may make us build; its size in bytes is bounded by who receives it. */
export interface PageLimits {
  /** Files of a project, or links of an HTML page. */
  readonly maxFiles: number;
  readonly maxProjects: number;
  /** Nesting of the JSON; the specification's own pages need five levels. */
  readonly maxDepth: number;
}

/** What no real page exceeds: files, projects, nesting of JSON. */
export const DEFAULT_PAGE_LIMITS: PageLimits = { maxFiles: 250_000, maxProjects: 5_000_000, maxDepth: 32 };

/** The body of a 200 answer, its content coding removed, and what is needed to understand it. */
export interface PageInput {
  readonly body: Buffer;
  readonly contentType: string | undefined;
  /** The URL that answered, after redirects: links resolve against it. */
  readonly url: string;
  /** The X-PyPI-Last-Serial field, where upstream sends it. */
  readonly serialHeader?: string | undefined;
  /** The project that was asked for; a page that names another one is refused. */
  readonly expectedName?: ProjectName | undefined;
  /** True for an upstream whose empty pages are bare: HTML without links, version and heading is a page then. */
  readonly allowBarePages?: boolean | undefined;
}

// What rendering a page needs to know beside the page.

/** Where our files lie from the page that is rendered. */
export interface RenderOptions {
  /** The link to give for a file's absolute upstream URL (file-links.ts). */
  readonly fileLink: (url: string) => string;
  /** The link to give for a file's provenance URL; upstream's own without it. */
  readonly provenanceLink?: (url: string) => string;
  /** True announces core metadata where upstream offers none: it is cut out of the file. */
  readonly extractsCoreMetadata?: (file: FileRecord) => boolean;
  /** False takes back upstream's claim of core metadata: pip fails the install when that cannot be had. */
  readonly offersCoreMetadata?: (file: FileRecord) => boolean;
}

/** File URLs that begin with `from` are known to clients with `to` in its place. */
export type Move = { readonly from: string; readonly to: string };

/** What is remembered of them with the page. */
export type KeptFiles = {
  readonly filenames: readonly string[];
  /** Their records as they were: the text of a page (PEP 691) with absolute URLs. */
  readonly page: string;
};
