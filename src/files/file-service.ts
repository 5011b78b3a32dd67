// Answers distribution files and what belongs to them (core metadata, signatures). A file is served only because a
// page lists it: the page gives its URL, hash and status, so we are no open proxy and every rule for the project holds
// for its files.

import type { Answer } from '../cache/answer.ts';
import type { Resource } from '../cache/profile.ts';
import type { AnswerBody } from '../cache/read-through.ts';
import { NotFound, UnavailableForLegalReasons, UpstreamFailure } from '../core/errors.ts';
import type { FileListing, IndexService } from '../index/index-service.ts';
import { refused, unlistedVerdict } from '../index/verdicts.ts';
import { projectsOfFilename } from '../pages/distribution-name.ts';
import { addressOf, filenameOfUrl } from '../pages/file-links.ts';
import type { Departure } from '../pages/known-hashes.ts';
import type { ListedFile } from '../pages/page-reader.ts';
import type { ProjectName } from '../pages/project-name.ts';
import type { ScreenedFile } from '../pages/screen.ts';
import type { RefusalRule } from '../policy/judge.ts';
import type { Policies } from '../policy/policies.ts';
import type { Policy } from '../policy/policy.ts';
import type { Blob } from '../store/blobs/blob-store.ts';
import type { BodyReference, Entry } from '../store/entries/entry.ts';
import { changedFile, FileFinder, fileNotFound, notListed } from './file-finder.ts';
import { type FileRequest, type Wanted, wantedOf } from './file-request.ts';
import { expectationOf, FileResources, type FileResourcesOptions } from './file-resources.ts';
import { hasOtherBytes, ListedRead, type ListedReadOptions } from './listed-read.ts';
import { lastByteOf, type PassedPart, PassedParts } from './passed-part.ts';

/** A file of which only is told what its page says. */
export interface KnownFile {
  readonly kind: 'known';
  readonly file: ListedFile;
  /** Undefined when neither page nor upstream tells. */
  readonly sizeBytes: number | undefined;
}

/** A file or companion that is being answered, with its bytes to come. */
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

/** What a request for a file comes to. */
export type FileAnswer =
  | FoundFile
  | PassedPart
  /** The page lists the file elsewhere: a path of ours to redirect to, relative to our root. */
  | { readonly kind: 'elsewhere'; readonly url: string };

/** What files are answered with. */
export interface FileServiceOptions
  extends FileResourcesOptions,
    Pick<ListedReadOptions, 'refusing' | 'onRefusedFile'> {
  readonly index: IndexService;
  /** When a file left its page; undefined while one lists it, or nothing is known of it. */
  readonly departureOf: (index: string, project: ProjectName, filename: string) => Promise<Departure | undefined>;
  readonly policies: Policies;
  readonly now: () => number;
  /** Told of a file that the policy kept out, or with `report` would have, by the rule. */
  readonly onRefused: (rule: RefusalRule, mode: Policy['mode']) => void;
  /** Indexes of whose files a part is passed on as long as they are not here. */
  readonly passing: ReadonlySet<string>;
}

/**
 * Answers files, their metadata and signatures. Rejects with NotFound, ChangedFile, Quarantined or an
 * UpstreamFailure.
 */
export class FileService {
  readonly #options: FileServiceOptions;
  readonly #finder: FileFinder;
  readonly #resources: FileResources;
  readonly #listed: ListedRead;
  readonly #parts = new PassedParts();

  constructor(options: FileServiceOptions) {
    this.#options = options;
    this.#finder = new FileFinder(options.index);
    this.#resources = new FileResources(options);
    this.#listed = new ListedRead({ ...options, finder: this.#finder, resources: this.#resources });
  }

  /**
   * The file. Throws BadRequest for a path that cannot be a file's, NotFound when its fresh page does not list it,
   * Forbidden when its project is quarantined, ChangedFile when the index has another file there, UpstreamFailure when
   * the page or the file cannot be had.
   */
  async open(request: FileRequest): Promise<FileAnswer> {
    const wanted = wantedOf(request);
    const listing = await this.#finder.find(wanted).catch(asFailure);
    if (!(listing instanceof UpstreamFailure) && listing?.at !== undefined) {
      return this.#answer(wanted, listing, listing.at);
    }
    // At this URL the index has another file now: what is held has to be the known one.
    const refused = !(listing instanceof UpstreamFailure) && listing?.refused === true ? listing : undefined;
    const held = await this.#heldUnlisted(wanted, refused?.named);
    if (held !== undefined) return held;
    if (listing instanceof UpstreamFailure) throw listing;
    if (listing === undefined) throw notListed(wanted.filename);
    if (refused !== undefined) throw changedFile(refused.project, wanted.filename);
    return { kind: 'elsewhere', url: listing.named!.link + (wanted.companion ?? '') };
  }

  /**
   * For HEAD: what is stored or known of the file, without fetching it. Where the page does not tell its size upstream
   * is asked, also without the body.
   */
  async describe(request: FileRequest): Promise<FileAnswer | KnownFile> {
    const wanted = wantedOf(request);
    const listing = await this.#finder.find(wanted).catch(asFailure);
    if (listing instanceof UpstreamFailure || listing?.at === undefined || wanted.companion !== undefined) {
      return this.open(request);
    }
    this.#requireAllowed(listing, listing.at);
    const resource = this.#resources.ofUpstream(listing.index, listing.at, undefined);
    if ((await this.#options.readThrough.held(resource)) !== undefined) return this.open(request);
    if (listing.at.sizeBytes !== undefined) return { kind: 'known', file: listing.at, sizeBytes: listing.at.sizeBytes };
    try {
      return await this.#listed.reread(wanted, listing, listing.at, async (file) => {
        return { kind: 'known', file, sizeBytes: await this.#sizeOf(listing.index, resource.key, file) };
      });
    } catch (error) {
      if (!(error instanceof UpstreamFailure) || error.kind !== 'timeout') throw error;
      // Its client comes back for it: what is begun now it finds then.
      return this.open(request);
    }
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
    const resource = this.#resources.ofUpstream(index, file, undefined);
    const entry = await this.#options.readThrough.held(resource);
    const blob = entry === undefined ? undefined : await this.#options.readThrough.open(resource, entry);
    blob?.release();
    return blob === undefined ? undefined : entry?.body;
  }

  /**
   * What the core metadata of a listed wheel has to be, as `<algorithm>:<hex>`, after its page has changed what it says
   * of it: what the wheel holds where that is here, else what is `known` where that is here; undefined otherwise.
   */
  async metadataHere(
    index: string,
    project: ProjectName,
    filename: string,
    known: string,
  ): Promise<string | undefined> {
    const file = (await this.#options.index.findHeld(index, project, { key: '', filename }))?.named;
    return file === undefined ? undefined : this.#resources.metadataHere(index, file, known);
  }

  /** What becomes of a file that no page lists any more, in one sentence; undefined when nothing is known of it. */
  async left(indexes: readonly string[], project: ProjectName, filename: string): Promise<string | undefined> {
    for (const index of indexes) {
      const departed = await this.#options.departureOf(index, project, filename);
      if (departed === undefined) continue;
      const view = this.#options.policies.view(index, project);
      const found = unlistedVerdict(view, filename, departed, this.#options.now());
      const day = new Date(departed.at).toISOString().slice(0, 10);
      return found === undefined ? `it left on ${day}, and what is here of it is served` : `refused: ${found.text}`;
    }
    return undefined;
  }

  #sizeOf(index: string, key: string, file: ListedFile): Promise<number | undefined> {
    const { readThrough, source } = this.#options;
    return readThrough.askUnkept(`size:${key} ${file.url}`, index, () => source.sizeOf(index, file));
  }

  async #answer(wanted: Wanted, listing: FileListing, file: ListedFile): Promise<FileAnswer> {
    const { index } = listing;
    const { companion } = wanted;
    this.#requireAllowed(listing, file);
    const offered = file.coreMetadata !== undefined && file.coreMetadata !== false;
    if (companion === '.metadata' && !offered && !this.#resources.extracts(index, file)) {
      throw new NotFound('The index does not offer core metadata for this file.', 'metadata-not-found');
    }
    const resource = await this.#resources.of(listing, file, companion);
    const part = await this.#part(wanted, listing, resource, file);
    if (part !== undefined) return part;
    const answer = await this.#listed.read(wanted, listing, resource, file);
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
    file: ListedFile,
  ): Promise<PassedPart | undefined> {
    const { passing, readThrough, source } = this.#options;
    const { sizeBytes, kept } = file;
    // What upstream has now under the name of a kept file may be another one.
    if (field === undefined || companion !== undefined || kept || !passing.has(index)) return undefined;
    const last = lastByteOf({ field, sizeBytes });
    // It failed a moment ago: that is what the client is to hear, and upstream is not asked.
    if (readThrough.trouble(resource.key)?.waiting === true) return undefined;
    const arrives = last !== undefined && (readThrough.arrivedBytes(resource.key) ?? 0) > last;
    if (last === undefined || arrives || (await readThrough.held(resource)) !== undefined) return undefined;
    return this.#parts.pass(resource.key, { field, sizeBytes, ask: () => source.part(index, addressOf(file), field) });
  }

  /**
   * No page lists this URL (any more), or none can be had. What we hold under it stays available: an install may be
   * running, and a lock file may name the hash that the file of this name had before. `known`: it has to be this file.
   */
  async #heldUnlisted(wanted: Wanted, known: ListedFile | undefined): Promise<FoundFile | undefined> {
    const { indexes } = wanted.request;
    const { index: service } = this.#options;
    const readings = projectsOfFilename(wanted.filename);
    const alias = await service.alias(indexes, wanted.filename);
    const projects = alias === undefined ? readings : [...readings, alias];
    const askable = service.askableForAny(readings, indexes);
    const holders = readings.length === 0 ? [indexes] : readings.map((project) => service.holders(askable, project));
    for (const index of new Set((await Promise.all(holders)).flat())) {
      for (const project of projects) await this.#requireUnlistedAllowed(index, project, wanted.filename);
      const resource = this.#resources.unlisted(index, wanted);
      const held = await this.#options.readThrough.held(resource);
      const isKnown = known === undefined || wanted.companion !== undefined || isFile(held, known);
      if (held?.status === 200 && held.body?.verified === true && isKnown) {
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

  /** Throws Refused when the policy keeps out what no page lists any more: it was pulled, or a rule denies it. */
  async #requireUnlistedAllowed(index: string, project: ProjectName, filename: string): Promise<void> {
    const departed = await this.#options.departureOf(index, project, filename);
    const view = this.#options.policies.view(index, project);
    const found = unlistedVerdict(view, filename, departed, this.#options.now());
    if (found !== undefined) this.#refuse(found);
  }

  /** Throws Refused when the policy keeps the file out. */
  #requireAllowed({ index, screen }: FileListing, { filename }: ListedFile): void {
    const found = screen.refused.get(filename);
    if (found === undefined || found.served) return;
    if (this.#options.policies.of(index).mode === 'report') this.#options.onRefused(found.refusal.rule, 'report');
    else this.#refuse(found);
  }

  #refuse(found: Pick<ScreenedFile, 'refusal' | 'text'>): never {
    this.#options.onRefused(found.refusal.rule, 'enforce');
    throw refused(found);
  }
}

/** Whether the bytes that are held are those of the record. */
function isFile(held: Entry | undefined, { hashes }: ListedFile): boolean {
  const expected = expectationOf(hashes);
  return held !== undefined && expected !== undefined && !hasOtherBytes(held, expected);
}

/** A failure that the caller decides about; any other error is thrown on. */
function asFailure(error: unknown): UpstreamFailure {
  if (!(error instanceof UpstreamFailure)) throw error;
  return error;
}
