// Answers distribution files and what belongs to them (core metadata, signatures). A file is served only because a
// page lists it: the page gives its URL, hash and status, so we are no open proxy and every rule for the project holds
// for its files.

import type { Answer } from '../cache/answer.ts';
import type { Blob } from '../cache/blob-store.ts';
import type { BodyReference, Entry } from '../cache/entry.ts';
import type { Expectation, Resource } from '../cache/profile.ts';
import type { AnswerBody, ReadThrough } from '../cache/read-through.ts';
import { BadRequest, ChangedFile, NotFound, UnavailableForLegalReasons, UpstreamFailure } from '../errors.ts';
import { projectOfFilename } from '../index/distribution-name.ts';
import { canExtract } from '../index/extracted-metadata.ts';
import { fileKey, filenameOfUrl, fileUrlOf } from '../index/file-links.ts';
import type { FileListing, IndexService } from '../index/index-service.ts';
import type { ListedFile } from '../index/page-reader.ts';
import type { ProjectName } from '../index/project-name.ts';
import { requireServable } from '../index/quarantine.ts';
import { UnreadableWheel } from './core-metadata.ts';
import { expectationOf } from './expectation.ts';
import type { FileProfiles } from './file-profile.ts';
import type { FileSource } from './file-source.ts';
import { lastByteOf, type PassedPart, passedPart } from './passed-part.ts';
import { WheelMetadata } from './wheel-metadata.ts';

/** What a request for a file names. */
export interface FileRequest {
  readonly indexes: readonly string[];
  readonly scheme: string;
  readonly authority: string;
  /** The path as the client spelled it, with its leading slash. */
  readonly rawPath: string;
  /** A Range field that may be answered with a part nobody has verified, where the index is configured so. */
  readonly range?: string;
}

/** A file of which only is told what its page says. */
export interface KnownFile {
  readonly kind: 'known';
  readonly file: ListedFile;
  /** Undefined when neither page nor upstream tells. */
  readonly sizeBytes: number | undefined;
}

export interface FoundFile {
  readonly kind: 'found';
  readonly what: 'file' | 'metadata';
  readonly resource: Resource;
  readonly answer: Answer;
  /** Its record; undefined when no page lists it any more. */
  readonly file: ListedFile | undefined;
  /** For how long its page is fresh; seconds, not positive when it has to be asked about. */
  readonly listedSeconds: number;
}

export type FileAnswer =
  | FoundFile
  | PassedPart
  /** The page lists the file elsewhere: a path of ours to redirect to, relative to our root. */
  | { readonly kind: 'elsewhere'; readonly url: string };

/** What may stand behind the name of a distribution file. */
const COMPANIONS = ['.metadata', '.asc'] as const;
type Companion = (typeof COMPANIONS)[number];

export interface FileServiceOptions {
  readonly index: IndexService;
  readonly readThrough: ReadThrough;
  readonly profiles: FileProfiles;
  readonly source: FileSource;
  /** Indexes whose wheels give the core metadata that their pages do not offer. */
  readonly extracting: ReadonlySet<string>;
  /** Indexes of whose files a part is passed on as long as they are not here. */
  readonly passing: ReadonlySet<string>;
  /** Indexes whose files must not change their hash. */
  readonly refusing: ReadonlySet<string>;
  /** Told when a page gives another hash than the bytes have that we have served before under the same URL. */
  readonly onRefusedFile: (project: ProjectName, filename: string) => void;
  /** Told when core metadata that was read by ranges is not what the wheel at this URL holds. */
  readonly onWrongPart: (url: string) => void;
}

interface Wanted {
  readonly request: FileRequest;
  readonly companion: Companion | undefined;
  /** Of the distribution file itself, without the companion's ending. */
  readonly key: string;
  readonly filename: string;
}

export class FileService {
  readonly #options: FileServiceOptions;
  readonly #wheelMetadata: WheelMetadata;

  constructor(options: FileServiceOptions) {
    this.#options = options;
    this.#wheelMetadata = new WheelMetadata({
      readThrough: options.readThrough,
      provenProfile: options.profiles.companion,
      onWrongPart: ({ request }) => options.onWrongPart(request.url),
    });
  }

  /**
   * The file. Throws BadRequest for a path that cannot be a file's, NotFound when its fresh page does not list it,
   * Forbidden when its project is quarantined, UpstreamFailure when the page or the file cannot be had.
   */
  async open(request: FileRequest): Promise<FileAnswer> {
    const wanted = parse(request);
    const listing = await this.#listing(wanted);
    if (listing?.at !== undefined) return this.#answer(wanted, listing, listing.at);
    const held = await this.#heldUnlisted(wanted);
    if (held !== undefined) return held;
    if (listing === undefined) throw notListed(wanted.filename);
    return { kind: 'elsewhere', url: listing.named!.link + (wanted.companion ?? '') };
  }

  /**
   * For HEAD: what is stored or known of the file, without fetching it. Where the page does not tell its size upstream
   * is asked, also without the body.
   */
  async describe(request: FileRequest): Promise<FileAnswer | KnownFile> {
    const wanted = parse(request);
    const listing = await this.#listing(wanted);
    if (listing?.at === undefined || wanted.companion !== undefined) return this.open(request);
    const resource = this.#resourceOfUpstream(listing.index, listing.at, undefined);
    if ((await this.#options.readThrough.held(resource)) !== undefined) return this.open(request);
    const sizeBytes = listing.at.sizeBytes ?? (await this.#options.source.sizeOf(listing.at.url));
    return { kind: 'known', file: listing.at, sizeBytes };
  }

  /**
   * The bytes of a stored file. Those that were lost, damaged or evicted a moment ago are fetched again; then the answer
   * may be an arriving one, and there is no blob.
   */
  async body(found: FoundFile): Promise<AnswerBody> {
    const { resource, file, answer } = found;
    if (file !== undefined) {
      const body = await this.#options.readThrough.body(resource, answer);
      if (body.blob === undefined && body.answer.arriving === undefined) throw fileNotFound();
      return body;
    }
    // What no page lists is not fetched, not even to mend what was held of it.
    const blob = await this.storedBody(found, answer.entry);
    if (blob === undefined) throw notListed(filenameOfUrl(resource.request.url));
    return { answer, blob };
  }

  /** The bytes of the entry, if they are here. */
  storedBody({ resource }: FoundFile, entry: Entry): Promise<Blob | undefined> {
    return this.#options.readThrough.open(resource, entry);
  }

  /** The stored bytes of a listed file, opened to see that they are right; undefined when they are not here. */
  async stored(index: string, file: ListedFile): Promise<BodyReference | undefined> {
    const resource = this.#resourceOfUpstream(index, file, undefined);
    const entry = await this.#options.readThrough.held(resource);
    const blob = entry === undefined ? undefined : await this.#options.readThrough.open(resource, entry);
    blob?.release();
    return blob === undefined ? undefined : entry?.body;
  }

  /** Where the file stands; undefined when no page lists it although the pages could be asked. */
  async #listing(wanted: Wanted): Promise<FileListing | undefined> {
    const { indexes } = wanted.request;
    const named = projectOfFilename(wanted.filename);
    const listed = named === undefined ? undefined : await this.#onPage(wanted, named);
    if (listed?.at !== undefined) return listed;
    const alias = await this.#options.index.alias(indexes, wanted.filename);
    const aliased = alias === undefined || alias === named ? undefined : await this.#onPage(wanted, alias);
    return aliased?.at !== undefined ? aliased : (listed ?? aliased);
  }

  /** The file on one project's page, which is asked again when it does not list it: the release may be seconds old. */
  async #onPage(wanted: Wanted, project: ProjectName): Promise<FileListing | undefined> {
    const { index } = this.#options;
    const { indexes } = wanted.request;
    try {
      // What a page lists it may list while it is being refreshed: nobody waits for that.
      const held = await index.findFile(indexes, project, wanted, { patienceMs: 0 });
      requireServable(project, held.answer);
      if (held.at !== undefined) return held;
      const asked = await index.findFile(indexes, project, wanted, {
        insist: true,
        patienceMs: Number.POSITIVE_INFINITY,
      });
      requireServable(project, asked.answer);
      if (asked.at !== undefined) return asked;
      if (asked.refused) throw changedFile(project, wanted.filename);
      if (asked.answer.stale !== undefined && !isUnconfirmed(asked.answer)) throw unlisted(asked.answer.stale.cause);
      return asked.named === undefined ? undefined : asked;
    } catch (error) {
      if (error instanceof NotFound) return undefined;
      throw error;
    }
  }

  async #answer(wanted: Wanted, listing: FileListing, file: ListedFile): Promise<FileAnswer> {
    const { index } = listing;
    const { companion } = wanted;
    const offered = file.coreMetadata !== undefined && file.coreMetadata !== false;
    if (companion === '.metadata' && !offered && !this.#extracts(index, file)) {
      throw new NotFound('The index does not offer core metadata for this file.', 'metadata-not-found');
    }
    const resource = await this.#resource(index, file, companion);
    const part = await this.#part(wanted, listing, resource, file);
    if (part !== undefined) return part;
    const answer = await this.#readListed(wanted, listing, resource, file);
    const { status } = answer.entry;
    if (companion === '.metadata' && offered) this.#options.index.noteMetadata(listing, file, status === 200);
    if (status === 451) throw new UnavailableForLegalReasons('Upstream withholds this file for legal reasons.');
    if (status !== 200) throw fileNotFound();
    const what = companion === undefined ? 'file' : 'metadata';
    return { kind: 'found', what, resource, answer, file, listedSeconds: listing.answer.remainingSeconds };
  }

  /** The part that is asked for, straight from upstream, where that is allowed and nothing of the file is here. */
  async #part(
    { request: { range: field }, companion }: Wanted,
    { index }: FileListing,
    resource: Resource,
    { sizeBytes, url, kept }: ListedFile,
  ): Promise<PassedPart | undefined> {
    const { passing, readThrough, source } = this.#options;
    // What upstream has now under the name of a kept file may be another one.
    if (field === undefined || companion !== undefined || kept || !passing.has(index)) return undefined;
    const last = lastByteOf({ field, sizeBytes });
    const arrives = last !== undefined && (readThrough.arrivedBytes(resource.key) ?? 0) > last;
    if (last === undefined || arrives || (await readThrough.held(resource)) !== undefined) return undefined;
    return passedPart({ field, sizeBytes, ask: () => source.part(url, field) });
  }

  async #readListed(wanted: Wanted, listing: FileListing, resource: Resource, file: ListedFile): Promise<Answer> {
    const { project } = listing;
    try {
      const answer = await this.#options.readThrough.read(resource);
      return hasOtherBytes(answer.entry, resource.expected)
        ? await this.#changed(wanted, listing, resource, answer)
        : answer;
    } catch (error) {
      if (!(error instanceof UpstreamFailure)) throw error;
      // The page must not claim what the wheel does not hold: pip fails the install.
      if (error.cause instanceof UnreadableWheel) this.#options.index.noteMetadata(listing, file, false);
      // The bytes that clients know are neither here nor upstream any more.
      if (file.kept && (error.kind === 'wrong-digest' || isGone(error))) throw changedFile(project, wanted.filename);
      if (!isGone(error)) throw error;
      return this.#retryListed(wanted, project, resource, file);
    }
  }

  /** Upstream refuses what its page lists: a signed URL may have run out, or the file has moved. Ask the page once. */
  async #retryListed(wanted: Wanted, project: ProjectName, resource: Resource, file: ListedFile): Promise<Answer> {
    const listing = await this.#options.index.findFile(wanted.request.indexes, project, wanted, {
      insist: true,
      patienceMs: Number.POSITIVE_INFINITY,
    });
    requireServable(project, listing.answer);
    const now = listing.at;
    const again =
      now === undefined || now.url === file.url ? resource : await this.#resource(listing.index, now, wanted.companion);
    try {
      return await this.#options.readThrough.read(again);
    } catch (error) {
      // Storage also says 403 of what it does not have; pip fails the install over a claim that comes to nothing.
      if (wanted.companion === '.metadata') this.#options.index.noteMetadata(listing, file, false);
      const status = error instanceof UpstreamFailure ? error.upstreamStatus : undefined;
      if (status === 404 || status === 410) throw fileNotFound();
      throw error;
    }
  }

  /**
   * The page gives another hash than the bytes have that we hold under this URL. Where that is accepted, the page's
   * change was told of when it came, and these are the bytes of today's page. Else no page was there to be measured by
   * (the project was gone for a while), and the bytes are what tells.
   */
  async #changed(wanted: Wanted, { index, project }: FileListing, resource: Resource, answer: Answer): Promise<Answer> {
    if (!this.#options.refusing.has(index)) return this.#options.readThrough.heal(resource, answer.entry);
    this.#options.onRefusedFile(project, wanted.filename);
    throw changedFile(project, wanted.filename);
  }

  /**
   * No page lists this URL (any more). What we hold under it stays available: an install may be running, and a lock file
   * may name the hash that the file of this name had before.
   */
  async #heldUnlisted(wanted: Wanted): Promise<FoundFile | undefined> {
    const project = projectOfFilename(wanted.filename);
    const { indexes } = wanted.request;
    const holders = project === undefined ? indexes : await this.#options.index.holders(indexes, project);
    for (const index of holders) {
      const resource = this.#options.source.resource({
        key: resourceKey(index, wanted.key, wanted.companion),
        index,
        url: urlOf(wanted.request),
        elsewhere: [],
        profile: this.#options.profiles.verified,
        expected: undefined,
        sizeBytes: undefined,
      });
      const held = await this.#options.readThrough.held(resource);
      if (held?.status === 200 && held.body?.verified === true) {
        const answer = await this.#options.readThrough.read(resource);
        return {
          kind: 'found',
          what: wanted.companion === undefined ? 'file' : 'metadata',
          resource,
          answer,
          file: undefined,
          listedSeconds: 0,
        };
      }
    }
    return undefined;
  }

  #extracts(index: string, file: ListedFile): boolean {
    return this.#options.extracting.has(index) && canExtract(file);
  }

  async #resource(index: string, file: ListedFile, companion: Companion | undefined): Promise<Resource> {
    const resource = this.#resourceOfUpstream(index, file, companion);
    if (companion !== '.metadata' || !/\.whl$/i.test(file.filename)) return resource;
    const wheel = this.#resourceOfUpstream(index, file, undefined);
    if (!this.#extracts(index, file)) return this.#wheelMetadata.orExtracted(resource, wheel);
    const { source } = this.#options;
    return this.#wheelMetadata.extracted(resource, { wheel, askPart: (signal) => source.partsOf(file.url, signal) });
  }

  #resourceOfUpstream(index: string, file: ListedFile, companion: Companion | undefined): Resource {
    const { profiles, source } = this.#options;
    const hashes = typeof file.coreMetadata === 'object' ? file.coreMetadata : {};
    const expected =
      companion === undefined
        ? expectationOf(file.hashes)
        : companion === '.metadata'
          ? expectationOf(hashes)
          : undefined;
    const known = expected !== undefined;
    const profile =
      companion === undefined
        ? known
          ? profiles.verified
          : profiles.unverified
        : known
          ? profiles.companion
          : profiles.unverifiedCompanion;
    return source.resource({
      key: resourceKey(index, fileKey(file.link), companion),
      index,
      url: withCompanion(file.url, companion),
      elsewhere: file.elsewhere.map((place) => withCompanion(place, companion)),
      profile,
      expected,
      sizeBytes: companion === undefined ? file.sizeBytes : undefined,
    });
  }
}

function parse(request: FileRequest): Wanted {
  const url = urlOf(request);
  const companion = COMPANIONS.find((ending) => url.endsWith(ending));
  const fileUrl = companion === undefined ? url : url.slice(0, -companion.length);
  return { request, companion, key: fileKey(fileUrl), filename: filenameOfUrl(fileUrl) };
}

function urlOf(request: FileRequest): string {
  const url = fileUrlOf(request.scheme, request.authority, request.rawPath);
  if (url === undefined) throw new BadRequest('This path names no file: /files/<scheme>/<host>/<path> is expected.');
  return url;
}

function resourceKey(index: string, key: string, companion: Companion | undefined): string {
  return `file:${index}:${key}${companion ?? ''}`;
}

/** Upstream's own query (a signature) stays behind the path, where upstream expects it. */
function withCompanion(url: string, companion: Companion | undefined): string {
  if (companion === undefined) return url;
  const query = url.indexOf('?');
  return query < 0 ? url + companion : url.slice(0, query) + companion + url.slice(query);
}

/** The page in hand is not the newest word, but upstream was reached: what it claims is only not believed yet. */
function isUnconfirmed(answer: Answer): boolean {
  return answer.stale?.reason === 'unconfirmed';
}

function unlisted(cause: unknown): Error {
  if (cause instanceof Error) return cause;
  return new UpstreamFailure('timeout', 'The stored page does not list this file, and the index cannot be asked now.');
}

/**
 * Whether the page speaks of other bytes than those we hold: by their digest, or by the hash that was promised when
 * they were fetched (the entry's facts, `<algorithm>:<hex>`).
 */
function hasOtherBytes({ body, facts }: Entry, expected: Expectation | undefined): boolean {
  if (body === undefined || expected === undefined) return false;
  if (expected.algorithm === 'sha256') return body.digest !== expected.hex;
  return facts !== null && facts !== undefined && facts !== `${expected.algorithm}:${expected.hex}`;
}

function changedFile(project: ProjectName, filename: string): ChangedFile {
  return new ChangedFile(
    `The index gives ${filename} another hash than it did before. Whoever runs this cache can look into it and accept ` +
      `what the index has now: wheelkeep purge ${project}`,
  );
}

function notListed(filename: string): NotFound {
  return new NotFound(`No page lists ${filename} at this address.`, 'file-not-listed');
}

function fileNotFound(): NotFound {
  return new NotFound('Upstream does not have this file.', 'file-not-found');
}

function isGone(error: UpstreamFailure): boolean {
  return error.upstreamStatus !== undefined && [401, 403, 404, 410].includes(error.upstreamStatus);
}
