// Answers index pages: from one index or from an ordered list of them, in the format and coding a client wants.

import type { Answer } from '../cache/answer.ts';
import type { Blob } from '../cache/blob-store.ts';
import type { Entry } from '../cache/entry.ts';
import type { Resource } from '../cache/profile.ts';
import type { ReadOptions, ReadThrough } from '../cache/read-through.ts';
import { NotFound, UnavailableForLegalReasons, UpstreamFailure } from '../errors.ts';
import { fieldValue } from '../http-message.ts';
import type { NameRouting } from './name-routing.ts';
import type { PageCoding, PageFormat } from './negotiate.ts';
import type { ListedFile, PageSource } from './page-reader.ts';
import type { PageResources } from './page-resources.ts';
import type { PageWorkshop } from './page-workshop.ts';
import type { ProjectName } from './project-name.ts';
import { ProjectNotFound } from './project-not-found.ts';
import type { RenderedPage, RenderedPages } from './rendered-pages.ts';

/** A page as it goes to a client: how it was answered, and its bytes. */
export interface PageAnswer {
  readonly answer: Answer;
  readonly page: RenderedPage;
}

/** A file's record, on which page it stands and in which index. */
export interface FileListing {
  readonly index: string;
  readonly project: ProjectName;
  /** The record at the URL that was asked for; or, elsewhere on the page, the record of the same filename. */
  readonly at?: ListedFile;
  readonly named?: ListedFile;
  /** The page's answer: when it is stale, what it does not list may exist all the same. */
  readonly answer: Answer;
}

export interface IndexServiceOptions {
  readonly resources: PageResources;
  readonly readThrough: ReadThrough;
  readonly routing: NameRouting;
  readonly rendered: RenderedPages;
  readonly workshop: PageWorkshop;
}

interface FoundPage {
  readonly index: string;
  readonly resource: Resource;
  readonly answer: Answer;
}

export class IndexService {
  readonly #options: IndexServiceOptions;

  constructor(options: IndexServiceOptions) {
    this.#options = options;
  }

  /** The project's page if it is fresh and its bytes are ready: the hot path. */
  peekDetail(indexes: readonly string[], name: ProjectName, format: PageFormat, coding: PageCoding) {
    const allowed = this.#options.routing.allowed(name, indexes);
    const first = allowed[0];
    return first === undefined ? undefined : this.#peek(this.#options.resources.detail(first, name), format, coding);
  }

  /**
   * The project's page. Throws NotFound only when every index that may be asked said so cleanly, UpstreamFailure when
   * one that had to be asked could not answer.
   */
  async projectDetail(
    indexes: readonly string[],
    name: ProjectName,
    format: PageFormat,
    coding: PageCoding,
    options: ReadOptions = {},
  ): Promise<PageAnswer> {
    return this.#rendered(await this.#findPage(indexes, name, options), name, format, coding);
  }

  /** The list of projects of the first of the indexes that has one. */
  async projectList(
    indexes: readonly string[],
    format: PageFormat,
    coding: PageCoding,
    options: ReadOptions = {},
  ): Promise<PageAnswer> {
    const index = indexes[0]!;
    const resource = this.#options.resources.list(index);
    const answer = await this.#options.readThrough.read(resource, options);
    if (answer.entry.status === 451) {
      throw new UnavailableForLegalReasons('Upstream withholds its list of projects for legal reasons.');
    }
    if (answer.entry.status !== 200) throw new NotFound('This index has no list of projects.');
    return this.#rendered({ index, resource, answer }, undefined, format, coding);
  }

  /** Looks a file up on its project's page. Throws as `projectDetail` does. */
  async findFile(
    indexes: readonly string[],
    name: ProjectName,
    file: { readonly key: string; readonly filename: string },
    options: ReadOptions = {},
  ): Promise<FileListing> {
    const found = await this.#findPage(indexes, name, options);
    return this.#withSource(found, name, async (source, answer) => ({
      index: found.index,
      project: name,
      answer,
      ...(await this.#options.workshop.find(source, file.key, file.filename)),
    }));
  }

  /** The project whose page lists this filename although its name leads elsewhere; undefined when none is known. */
  alias(indexes: readonly string[], filename: string): Promise<ProjectName | undefined> {
    return this.#options.resources.alias(indexes, filename);
  }

  #peek(resource: Resource, format: PageFormat, coding: PageCoding): PageAnswer | undefined {
    const answer = this.#options.readThrough.peek(resource);
    if (answer === undefined || answer.entry.status !== 200) return undefined;
    const page = this.#options.rendered.peek(answer.entry, format, coding);
    return page === undefined ? undefined : { answer, page };
  }

  async #findPage(indexes: readonly string[], name: ProjectName, options: ReadOptions): Promise<FoundPage> {
    let unsure: UpstreamFailure | undefined;
    const missing: Answer[] = [];
    for (const index of this.#options.routing.allowed(name, indexes)) {
      const resource = this.#options.resources.detail(index, name);
      const answer = await this.#readUnlessMissing(resource, options);
      if (answer instanceof UpstreamFailure) {
        unsure ??= answer;
        continue;
      }
      const { status } = answer.entry;
      if (status === 200) return { index, resource, answer };
      if (status === 451) throw new UnavailableForLegalReasons(`Upstream withholds ${name} for legal reasons.`);
      missing.push(answer);
    }
    if (unsure !== undefined) throw unsure;
    throw new ProjectNotFound(name, missing);
  }

  /**
   * An index that cannot be asked now but said earlier that it has no such project lets a later index answer, as it
   * did before the outage. Its failure is returned, not thrown: if no later index has the project either, it must not
   * become a 404, for the project may have been created since.
   */
  async #readUnlessMissing(resource: Resource, options: ReadOptions): Promise<Answer | UpstreamFailure> {
    try {
      return await this.#options.readThrough.read(resource, options);
    } catch (error) {
      const held = error instanceof UpstreamFailure ? await this.#options.readThrough.held(resource) : undefined;
      if (held?.status !== 404 && held?.status !== 410) throw error;
      return error as UpstreamFailure;
    }
  }

  async #rendered(
    found: FoundPage,
    name: ProjectName | undefined,
    format: PageFormat,
    coding: PageCoding,
  ): Promise<PageAnswer> {
    const ready = this.#options.rendered.peek(found.answer.entry, format, coding);
    if (ready !== undefined) return { answer: found.answer, page: ready };
    return this.#withSource(found, name, async (source, answer) => {
      const render = (wanted: PageFormat) => this.#options.workshop.render(source, wanted);
      return { answer, page: await this.#options.rendered.get(answer.entry, format, coding, render) };
    });
  }

  /** Opens the stored body and hands it on; a body that is lost is fetched again, once. */
  async #withSource<T>(
    found: FoundPage,
    name: ProjectName | undefined,
    use: (source: PageSource, answer: Answer) => Promise<T>,
  ): Promise<T> {
    let { answer } = found;
    let blob = await this.#options.readThrough.open(found.resource, answer.entry);
    if (blob === undefined) {
      answer = await this.#options.readThrough.heal(found.resource, answer.entry);
      blob = await this.#options.readThrough.open(found.resource, answer.entry);
    }
    if (blob === undefined || answer.entry.status !== 200) {
      blob?.release();
      throw new UpstreamFailure('invalid-body', 'The stored page was lost and could not be had again.');
    }
    try {
      return await use(sourceOf(answer.entry, await readAll(blob), name), answer);
    } finally {
      blob.release();
    }
  }
}

function sourceOf(entry: Entry, body: Buffer, project: ProjectName | undefined): PageSource {
  return {
    digest: entry.body!.digest,
    body,
    contentType: fieldValue(entry.fields, 'content-type'),
    contentEncoding: fieldValue(entry.fields, 'content-encoding'),
    serialHeader: fieldValue(entry.fields, 'x-pypi-last-serial'),
    url: entry.url,
    project,
  };
}

async function readAll(blob: Blob): Promise<Buffer> {
  if (blob.bytes !== undefined) return blob.bytes;
  const bytes = Buffer.allocUnsafe(blob.sizeBytes);
  for (let position = 0; position < bytes.length; ) {
    const count = await blob.read(bytes.subarray(position), position);
    if (count === 0) throw new Error('a stored page is shorter than it was');
    position += count;
  }
  return bytes;
}
