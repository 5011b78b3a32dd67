// The stored body of a page or document as bytes in hand, and the page as its readers take it.

import type { Answer } from '../cache/answer.ts';
import type { Blob } from '../cache/blob-store.ts';
import type { Digest } from '../cache/digest.ts';
import type { Entry } from '../cache/entry.ts';
import { bodyMemory } from '../cache/large-bytes.ts';
import type { Resource } from '../cache/profile.ts';
import type { ReadThrough } from '../cache/read-through.ts';
import { UpstreamFailure } from '../errors.ts';
import { contentCoding, fieldValue, type ResponseHead } from '../http-message.ts';
import type { PageFacts } from './page.ts';
import type { PageSource } from './page-reader.ts';
import type { ProjectName } from './project-name.ts';

/**
 * Calls `use` with the body behind a 200 answer; one that is lost is fetched again, once, and `use` gets that answer.
 * Throws UpstreamFailure when it cannot be had again.
 */
export async function withBody<T>(
  readThrough: ReadThrough,
  resource: Resource,
  found: Answer,
  use: (body: Buffer, answer: Answer) => Promise<T>,
): Promise<T> {
  const { answer, blob } = await readThrough.body(resource, found);
  if (blob === undefined || answer.entry.status !== 200) {
    blob?.release();
    throw new UpstreamFailure('invalid-body', 'The stored page was lost and could not be had again.');
  }
  try {
    return await use(await readAll(blob), answer);
  } finally {
    blob.release();
  }
}

/** All bytes of an open body. */
export async function readAll(blob: Blob): Promise<Buffer> {
  if (blob.bytes !== undefined) return blob.bytes;
  const bytes = bodyMemory(blob.sizeBytes);
  for (let position = 0; position < bytes.length; ) {
    const count = await blob.read(bytes.subarray(position), position);
    if (count === 0) throw new Error('a stored page is shorter than it was');
    position += count;
  }
  return bytes;
}

/** A page as it is stored, with what was found out about its files when it came. */
export function storedSource(entry: Entry, body: Buffer, project: ProjectName | undefined): PageSource {
  const { moves, kept, departed } = (entry.facts ?? {}) as Partial<PageFacts>;
  return {
    ...pageSource(entry, body, project, entry.body!.digest),
    ...(moves !== undefined && { moves }),
    ...(kept !== undefined && { kept }),
    ...(departed !== undefined && { departed }),
  };
}

/** Names all that what clients see of `storedSource` depends on. */
export function sourceName({ body, url, facts }: Entry): string {
  const { moves, kept } = (facts ?? {}) as Partial<PageFacts>;
  const found = moves === undefined && kept === undefined ? '' : ` ${JSON.stringify([moves, kept?.page])}`;
  return `${body?.digest ?? ''} ${url}${found}`;
}

/** The page we hold, which candidates are measured by. */
export interface HeldPage {
  readonly entry: Entry;
  readonly source: PageSource;
}

/** A page as it came or is stored; `project` is undefined for the list of projects. */
export function pageSource(
  page: ResponseHead & { readonly url: string },
  body: Buffer,
  project: ProjectName | undefined,
  digest: Digest,
): PageSource {
  return {
    digest,
    body,
    contentType: fieldValue(page.fields, 'content-type'),
    contentEncoding: contentCoding(page.fields),
    serialHeader: fieldValue(page.fields, 'x-pypi-last-serial'),
    url: page.url,
    project,
  };
}
