// Reads a file that a page lists, and settles what page, store and upstream say against one another: another hash than
// we hold, a file that upstream refuses, metadata that is claimed and not there.

import type { Answer } from '../cache/answer.ts';
import type { Expectation, Resource } from '../cache/profile.ts';
import type { ReadThrough } from '../cache/read-through.ts';
import { UpstreamFailure } from '../core/errors.ts';
import type { FileListing, IndexService } from '../index/index-service.ts';
import { addressOf } from '../pages/file-links.ts';
import type { ListedFile } from '../pages/page-reader.ts';
import type { ProjectName } from '../pages/project-name.ts';
import type { Entry } from '../store/entries/entry.ts';
import { changedFile, type FileFinder, fileNotFound } from './file-finder.ts';
import type { Wanted } from './file-request.ts';
import type { FileResources } from './file-resources.ts';
import { UnreadableWheel } from './zip-members.ts';

/** What a listed file is read with, and whom a refused one is told to. */
export interface ListedReadOptions {
  readonly index: IndexService;
  readonly readThrough: ReadThrough;
  readonly finder: FileFinder;
  readonly resources: FileResources;
  /** Indexes whose files must not change their hash. */
  readonly refusing: ReadonlySet<string>;
  /** Told when a page gives another hash than the bytes have that we have served before under the same URL. */
  readonly onRefusedFile: (project: ProjectName, filename: string) => void;
}

/** Reads a file that a page lists, and settles what page, store and upstream say against one another. */
export class ListedRead {
  readonly #options: ListedReadOptions;

  constructor(options: ListedReadOptions) {
    this.#options = options;
  }

  /** Rejects with ChangedFile, NotFound or an UpstreamFailure. */
  async read(wanted: Wanted, listing: FileListing, resource: Resource, file: ListedFile): Promise<Answer> {
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
      return this.#retryListed(wanted, listing, file, error);
    }
  }

  /** Upstream refuses what its page lists: a signed URL may have run out, or the file has moved. */
  async #retryListed(
    wanted: Wanted,
    listing: FileListing,
    file: ListedFile,
    refusal: UpstreamFailure,
  ): Promise<Answer> {
    try {
      const moved = await this.#moved(wanted, listing, file, refusal);
      if (moved === undefined) throw refusal;
      const again = await this.#options.resources.of(moved, moved.at, wanted.companion);
      return await this.#options.readThrough.read(again, { anew: true });
    } catch (error) {
      if (!isRefusal(refusal, file)) throw error;
      // Storage also says 403 of what it does not have; pip fails the install over a claim that comes to nothing.
      if (wanted.companion === '.metadata') this.#options.index.noteMetadata(listing, file, false);
      if (error instanceof UpstreamFailure && isMissing(error)) throw fileNotFound();
      throw error;
    }
  }

  /** Asks for the file by `ask`, and where upstream refuses its URL once more by the one that its page gives now. */
  async reread<T>(
    wanted: Wanted,
    listing: FileListing,
    file: ListedFile,
    ask: (file: ListedFile) => Promise<T>,
  ): Promise<T> {
    try {
      return await ask(file);
    } catch (error) {
      if (!(error instanceof UpstreamFailure)) throw error;
      const moved = await this.#moved(wanted, listing, file, error);
      if (moved === undefined) throw error;
      return ask(moved.at);
    }
  }

  /** Where the page lists the file now, when that is another URL than the one that was refused. */
  async #moved(
    wanted: Wanted,
    { project }: FileListing,
    file: ListedFile,
    refusal: UpstreamFailure,
  ): Promise<(FileListing & { readonly at: ListedFile }) | undefined> {
    if (!isRefusal(refusal, file)) return undefined;
    const listing = await this.#options.finder.again(wanted, project);
    const { at } = listing;
    return at !== undefined && addressOf(at) !== addressOf(file) ? { ...listing, at } : undefined;
  }

  /**
   * The page gives another hash than the bytes have that we hold under this URL. Where that is accepted, the page's
   * change was told of when it came, and these are the bytes of today's page. Else no page was there to be measured by
   * (the project was gone for a while), and the bytes are what tells.
   */
  async #changed(wanted: Wanted, { index, project }: FileListing, resource: Resource, answer: Answer): Promise<Answer> {
    // What a page says of core metadata was settled when the page came (changed-files.ts): the file itself is the same.
    const isFile = wanted.companion === undefined;
    if (!isFile || !this.#options.refusing.has(index)) return this.#options.readThrough.heal(resource, answer.entry);
    this.#options.onRefusedFile(project, wanted.filename);
    throw changedFile(project, wanted.filename);
  }
}

/**
 * Whether the page speaks of other bytes than those we hold: by their digest, or by the hash that was promised when
 * they were fetched (the entry's facts, `<algorithm>:<hex>`).
 */
export function hasOtherBytes({ body, facts }: Entry, expected: Expectation | undefined): boolean {
  if (body === undefined || expected === undefined) return false;
  if (expected.algorithm === 'sha256') return body.digest !== expected.hex;
  return facts !== null && facts !== undefined && facts !== `${expected.algorithm}:${expected.hex}`;
}

/** A query is a signature for all that we know, and then 400 may say that it has run out. */
function isSigned({ url }: ListedFile): boolean {
  return url.includes('?');
}

function isRefusal(error: UpstreamFailure, file: ListedFile): boolean {
  return isGone(error) || (error.upstreamStatus === 400 && isSigned(file));
}

function isGone(error: UpstreamFailure): boolean {
  return error.upstreamStatus !== undefined && [401, 403, 404, 410].includes(error.upstreamStatus);
}

function isMissing({ upstreamStatus }: UpstreamFailure): boolean {
  return upstreamStatus === 404 || upstreamStatus === 410;
}
