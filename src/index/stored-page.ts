// The stored body of a page or document as bytes in hand, and the page as its readers take it.

import type { Answer } from '../cache/answer.ts';
import type { Resource } from '../cache/profile.ts';
import type { ReadThrough } from '../cache/read-through.ts';
import { type Digest, digestOf } from '../core/digest.ts';
import { UpstreamFailure } from '../core/errors.ts';
import { contentCoding, fieldValue, type ResponseHead } from '../core/http-message.ts';
import { bodyMemory } from '../core/large-bytes.ts';
import { oncePer } from '../http-semantics/memoize.ts';
import type { PageFacts } from '../pages/page.ts';
import type { PageSource } from '../pages/page-reader.ts';
import type { ProjectName } from '../pages/project-name.ts';
import type { Blob } from '../store/blobs/blob-store.ts';
import { UnreadableBlob } from '../store/blobs/stored-blob.ts';
import type { Entry } from '../store/entries/entry.ts';

/**
 * Calls `use` with the body behind a 200 answer; one that is lost, or that the disk does not give now, is fetched again,
 * once, and `use` gets that answer. Throws UpstreamFailure or UnreadableBlob when it cannot be had.
 */
export async function withBody<T>(
  readThrough: ReadThrough,
  resource: Resource,
  found: Answer,
  use: (body: Buffer, answer: Answer) => Promise<T>,
): Promise<T> {
  const read = async () => {
    const { answer, blob } = await readThrough.body(resource, found);
    if (blob === undefined || answer.entry.status !== 200) {
      blob?.release();
      throw new UpstreamFailure('invalid-body', 'The stored page was lost and could not be had again.');
    }
    try {
      return { answer, body: await readAll(blob) };
    } finally {
      blob.release();
    }
  };
  const { answer, body } = await read().catch((error: unknown) => {
    // The file opened and could not be read to its end; the next open reports that at once.
    if (!(error instanceof UnreadableBlob)) throw error;
    return read();
  });
  return use(body, answer);
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
  const { moves, kept, pinned, metadata, departed } = (entry.facts ?? {}) as Partial<PageFacts>;
  return {
    ...pageSource(entry, body, project, entry.body!.digest),
    ...(moves !== undefined && { moves }),
    ...(kept !== undefined && { kept }),
    ...(pinned !== undefined && { pinned }),
    ...(metadata !== undefined && { metadata }),
    ...(departed !== undefined && { departed }),
  };
}

/**
 * Names all that what clients see of `storedSource` depends on, for keys of what is made of it: a digest, for what it
 * stands for may hold a whole page of files that are kept as they were.
 */
export const sourceName: (entry: Entry) => Digest = oncePer(({ body, url, facts }: Entry) => {
  const { moves, kept, pinned, metadata } = (facts ?? {}) as Partial<PageFacts>;
  return digestOf(JSON.stringify([body?.digest, url, moves, kept?.page, pinned, metadata]));
});

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
