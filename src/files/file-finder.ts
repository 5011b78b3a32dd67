// Which page lists a file: that of the project its name leads to, by the likeliest reading, of the one that was seen to
// list it, or of any other that the name allows. What the stored page does not list makes it be asked again, for a lock file may name a release that is seconds old.

import type { Answer } from '../cache/answer.ts';
import { ChangedFile, NotFound, UpstreamFailure } from '../core/errors.ts';
import type { FileListing, IndexService } from '../index/index-service.ts';
import { requireServable } from '../index/page-errors.ts';
import { projectsOfFilename } from '../pages/distribution-name.ts';
import type { ProjectName } from '../pages/project-name.ts';
import type { Wanted } from './file-request.ts';

/** Of the readings of a name so many are asked for, where nothing is held that lists the file. */
const MOST_ASKED = 4;

/** Finds the page that lists a file. Rejects with Quarantined or an UpstreamFailure. */
export class FileFinder {
  readonly #index: IndexService;

  constructor(index: IndexService) {
    this.#index = index;
  }

  /**
   * Where the file stands; undefined when no page lists it although the pages could be asked. Rejects with Forbidden
   * when its project is quarantined, UpstreamFailure when a page cannot be had.
   */
  async find(wanted: Wanted): Promise<FileListing | undefined> {
    const { indexes } = wanted.request;
    const readings = projectsOfFilename(wanted.filename);
    // Clients have read the page of what they install: it is here, and the other readings are nobody's business.
    const lister = readings.length > 1 ? await this.#index.heldLister(indexes, readings, wanted) : undefined;
    const held = lister === undefined ? undefined : await this.#onPage(wanted, lister, indexes);
    if (held?.at !== undefined) return held;
    const alias = await this.#index.alias(indexes, wanted.filename);
    const askable = this.#index.askableForAny(readings, indexes);
    const places = readings.slice(0, MOST_ASKED).map((project) => ({ project, at: askable }));
    if (alias !== undefined && !readings.includes(alias)) places.splice(1, 0, { project: alias, at: indexes });
    let listed: FileListing | undefined;
    let failure: UpstreamFailure | undefined;
    for (const { project, at } of places) {
      try {
        const found = await this.#onPage(wanted, project, at);
        if (found?.at !== undefined) return found;
        listed ??= found;
      } catch (error) {
        // Another reading may be the right one; without it nobody can say that there is no such file.
        if (!(error instanceof UpstreamFailure)) throw error;
        failure ??= error;
      }
    }
    if (failure !== undefined) throw failure;
    return listed;
  }

  /** The file on one project's page, which is asked again when it does not list it: the release may be seconds old. */
  async #onPage(wanted: Wanted, project: ProjectName, indexes: readonly string[]): Promise<FileListing | undefined> {
    try {
      // What a page lists it may list while it is being refreshed: nobody waits for that.
      const held = await this.#index.findFile(indexes, project, wanted, { patienceMs: 0 });
      requireServable(project, held.answer);
      if (held.at !== undefined) return held;
      const asked = await this.again(wanted, project, indexes);
      if (asked.at !== undefined) return asked;
      if (asked.refused) return asked;
      if (asked.answer.stale !== undefined && !isUnconfirmed(asked.answer)) throw unlisted(asked.answer.stale.cause);
      return asked.named === undefined ? undefined : asked;
    } catch (error) {
      if (error instanceof NotFound) return undefined;
      throw error;
    }
  }

  /**
   * Where the file stands on the project's page as upstream has it now. It is asked for the page itself: a server that
   * forgets to change its ETag would confirm the one that does not list the file, or lists a signature that has run out.
   */
  async again(
    wanted: Wanted,
    project: ProjectName,
    indexes: readonly string[] = wanted.request.indexes,
  ): Promise<FileListing> {
    const listing = await this.#index.findFile(indexes, project, wanted, {
      insist: true,
      unconditional: true,
      patienceMs: Number.POSITIVE_INFINITY,
    });
    requireServable(project, listing.answer);
    return listing;
  }
}

/** The page in hand is not the newest word, but upstream was reached: what it claims is only not believed yet. */
function isUnconfirmed(answer: Answer): boolean {
  return answer.stale?.reason === 'unconfirmed';
}

function unlisted(cause: unknown): Error {
  if (cause instanceof Error) return cause;
  return new UpstreamFailure('timeout', 'The stored page does not list this file, and the index cannot be asked now.');
}

// The answers that refuse a file, in the words that its client reads.

/** 502: the index gives a known file name other bytes. */
export function changedFile(project: ProjectName, filename: string): ChangedFile {
  return new ChangedFile(
    `The index gives ${filename} another hash than it did before. Whoever runs this cache can look into it and accept ` +
      `what the index has now: wheelkeep purge ${project}`,
  );
}

/** 404: no page lists a file at this address. */
export function notListed(filename: string): NotFound {
  return new NotFound(`No page lists ${filename} at this address.`, 'file-not-listed');
}

/** 404: a page lists the file, and upstream does not have it. */
export function fileNotFound(): NotFound {
  return new NotFound('Upstream does not have this file.', 'file-not-found');
}
