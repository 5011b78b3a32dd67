// Distribution files over HTTP: validators, ranges, HEAD. A part of a file (206) is made of verified bytes only, but where
// the operator has ranges passed on.

import type { Answer } from '../cache/answer.ts';
import { settlesWithin } from '../core/deadline.ts';
import { StillOnItsWay } from '../core/errors.ts';
import { fieldValue } from '../core/http-message.ts';
import { withFirstByteBy } from '../core/request-context.ts';
import { UNVERIFIED_CONTROL, VERIFIED_CONTROL } from '../files/file-profile.ts';
import type { FileRequest } from '../files/file-request.ts';
import type { FileService, FoundFile, KnownFile } from '../files/file-service.ts';
import { cacheStatus } from '../http-semantics/cache-status.ts';
import { fileLink } from '../pages/file-links.ts';
import type { ListedFile } from '../pages/page-reader.ts';
import { readInstant } from '../policy/since.ts';
import type { Blob } from '../store/blobs/blob-store.ts';
import { UnreadableBlob } from '../store/blobs/stored-blob.ts';
import type { Entry } from '../store/entries/entry.ts';
import { contentFields, statusOf } from './cache-fields.ts';
import { notModified, plainRange, requestedRange, wantsPart } from './client-conditions.ts';
import type { Exchange } from './exchange.ts';
import type { ReadyAnswers } from './ready-answers.ts';
import { sendBody } from './send-body.ts';
import { sendPassedPart } from './send-passed-part.ts';

/** The files, and how their answers are sent. */
export interface FileHandlerOptions {
  readonly service: FileService;
  readonly defaultIndexes: readonly string[];
  /** Small files are repeated from there while their page is fresh. */
  readonly ready: ReadyAnswers;
  readonly now: () => number;
  /** Whether a policy may refuse tomorrow what is served today: caches in front then ask again. */
  readonly mayRefuse: () => boolean;
}

/** The route's part of a request for a file. */
export interface FileTarget {
  readonly index: string | undefined;
  readonly scheme: string;
  readonly authority: string;
  readonly rawPath: string;
}

/** A file's client hears of bytes or of an error within 14 s, its page included: pip gives up at 15 s. */
const FIRST_BYTE_MS = 13_500;
/** How long a range of a file that is still arriving waits for it; then the whole file is sent from the start. */
const RANGE_WAIT_MS = 9_000;

/** Answers files over HTTP: conditions, ranges, HEAD. */
export class FileHandler {
  readonly #options: FileHandlerOptions;

  constructor(options: FileHandlerOptions) {
    this.#options = options;
  }

  file(exchange: Exchange, target: FileTarget): Promise<void> {
    return withFirstByteBy(exchange.startedAt + FIRST_BYTE_MS, () => this.#file(exchange, target));
  }

  async #file(exchange: Exchange, target: FileTarget): Promise<void> {
    exchange.kind = 'file';
    const { index, scheme, authority, rawPath } = target;
    const indexes = index === undefined ? this.#options.defaultIndexes : [index];
    const range = plainRange(exchange);
    const request: FileRequest = { indexes, scheme, authority, rawPath, ...(range === undefined ? {} : { range }) };
    const found = exchange.isHead
      ? await this.#options.service.describe(request)
      : await this.#options.service.open(request);
    switch (found.kind) {
      case 'elsewhere':
        return redirect(exchange, fileLink(found.url, rootFrom(target)));
      case 'known':
        return describeKnown(exchange, found);
      case 'part':
        return sendPassedPart(exchange, found);
      case 'found':
        exchange.kind = found.what;
        return found.answer.arriving === undefined
          ? this.#stored(exchange, found)
          : this.#arriving(exchange, found, found.answer.arriving);
    }
  }

  async #stored(exchange: Exchange, found: FoundFile): Promise<void> {
    try {
      await this.#sendStored(exchange, found);
    } catch (error) {
      if (!(error instanceof UnreadableBlob) || exchange.response.headersSent) throw error;
      await this.#sendStored(exchange, found);
    }
  }

  async #sendStored(exchange: Exchange, found: FoundFile): Promise<void> {
    const { answer, blob } = await this.#options.service.body(found);
    exchange.outcome = answer.outcome;
    if (blob !== undefined) {
      if (blob.bytes !== undefined) this.#keepReady(exchange, { ...found, answer }, blob.bytes);
      return sendBlob(exchange, answer, blob, found.file, this.#options.mayRefuse());
    }
    // Lost a moment ago and being fetched again.
    return this.#arriving(exchange, { ...found, answer }, answer.arriving!);
  }

  /** Leaves a small stored file where the next request for it finds it, as long as its page is fresh. */
  #keepReady(exchange: Exchange, found: FoundFile, bytes: Buffer): void {
    const { answer, listedSeconds } = found;
    const lifetimeSeconds = Math.min(listedSeconds, answer.remainingSeconds);
    if (answer.outcome !== 'hit' || lifetimeSeconds <= 0) return;
    const head = headOf(exchange, answer, found.file, this.#options.mayRefuse());
    this.#options.ready.keep(exchange, {
      kind: found.what,
      outcome: 'hit',
      etag: head.etag,
      bytes,
      fields: [...head.fields, 'content-length', String(bytes.length)],
      notModifiedFields: head.fields,
      freshUntil: this.#options.now() + lifetimeSeconds * 1000,
      // It rests on its page as well, and on the indexes before that page's: the ordinary way looks at all of them.
      holds: () => false,
      agingFields: () => {
        // What is repeated is in use, and must not look forgotten when room has to be made.
        this.#options.service.storedBody(found, answer.entry).then(
          (blob) => blob?.release(),
          () => {},
        );
        return agingFields(answer, (this.#options.now() - answer.entry.responseTime) / 1000);
      },
    });
  }

  /** The body is on its way: followed from the start, or waited for when only a part of it is wanted. */
  async #arriving(exchange: Exchange, found: FoundFile, arriving: NonNullable<Answer['arriving']>): Promise<void> {
    const { reader } = arriving;
    try {
      const etag = promisedTag(found.file);
      const aging = [
        'cache-control',
        exchange.cacheControl(UNVERIFIED_CONTROL),
        'cache-status',
        statusOf(found.answer),
      ];
      if (etag !== undefined && notModified(exchange, etag, undefined)) {
        return exchange.send(304, ['etag', etag, ...aging]);
      }
      const leftMs = () => Math.max(1, arriving.firstByteBy - performance.now());
      const part = wantsPart(exchange, etag);
      const entry = part ? await within(Math.min(RANGE_WAIT_MS, leftMs()), arriving.arrived, exchange) : undefined;
      exchange.outcome = found.answer.outcome;
      const blob = entry === undefined ? undefined : await this.#options.service.storedBody(found, entry);
      if (blob !== undefined)
        return await sendBlob(
          exchange,
          { ...found.answer, entry: entry! },
          blob,
          found.file,
          this.#options.mayRefuse(),
        );
      const fields = [...contentFields(), 'etag', arriving.tag, ...aging];
      if (reader.sizeBytes !== undefined) fields.push('content-length', String(reader.sizeBytes));
      if (exchange.isHead) return exchange.send(200, fields);
      if (!(await settlesWithin(reader.ready(), leftMs()))) throw new StillOnItsWay();
      await sendBody(exchange, async (lend) => {
        const bytes = await reader.next(lend);
        // Not before there is something to send: what fails until then is told by a status.
        if (!exchange.response.headersSent) exchange.head(200, fields);
        return bytes;
      });
    } finally {
      reader.leave();
    }
  }
}

/** Sends the blob, or the part of it that is asked for, and releases it. */
async function sendBlob(
  exchange: Exchange,
  answer: Answer,
  blob: Blob,
  file: ListedFile | undefined,
  mayRefuse: boolean,
): Promise<void> {
  try {
    await sendOpenBlob(exchange, answer, blob, file, mayRefuse);
  } finally {
    blob.release();
  }
}

async function sendOpenBlob(
  exchange: Exchange,
  answer: Answer,
  blob: Blob,
  file: ListedFile | undefined,
  mayRefuse: boolean,
): Promise<void> {
  const { etag, lastModified, fields: lasting } = headOf(exchange, answer, file, mayRefuse);
  const fields = [...lasting, ...agingFields(answer, answer.ageSeconds)];
  if (notModified(exchange, etag, lastModified)) return exchange.send(304, fields);

  const range = requestedRange(exchange, blob.sizeBytes, etag);
  if (range === 'unsatisfiable') {
    fields.push('content-range', `bytes */${blob.sizeBytes}`, 'content-length', '0');
    return exchange.send(416, fields);
  }
  const { first, last } = range ?? { first: 0, last: blob.sizeBytes - 1 };
  if (range !== undefined) fields.push('content-range', `bytes ${first}-${last}/${blob.sizeBytes}`);
  fields.push('content-length', String(last - first + 1));
  const status = range === undefined ? 200 : 206;
  if (exchange.isHead) return exchange.send(status, fields);
  if (blob.bytes !== undefined) return exchange.send(status, fields, blob.bytes.subarray(first, last + 1));
  let position = first;
  await sendBody(exchange, async (lend) => {
    const left = last + 1 - position;
    if (left <= 0) return undefined;
    const target = lend();
    const count = await blob.read(left < target.length ? target.subarray(0, left) : target, position);
    // Not before there is something to send: what fails until then is mended.
    if (position === first) exchange.head(status, fields);
    position += count;
    return target.subarray(0, count);
  });
}

/** The head of a stored file's answer, but for what changes with time. */
function headOf(exchange: Exchange, { entry }: Answer, file: ListedFile | undefined, mayRefuse: boolean) {
  const etag = `"${entry.body!.digest}"`;
  const lastModified = modifiedAt(entry, file);
  const lasting = entry.body!.verified ? VERIFIED_CONTROL : UNVERIFIED_CONTROL;
  const control = exchange.cacheControl(mayRefuse ? `${lasting}, s-maxage=60` : lasting);
  const fields = [...contentFields(), 'etag', etag, 'cache-control', control];
  if (lastModified !== undefined) fields.push('last-modified', lastModified);
  return { etag, lastModified, fields };
}

function agingFields(answer: Answer, ageSeconds: number): string[] {
  return ['age', String(Math.max(0, Math.floor(ageSeconds))), 'cache-status', statusOf(answer)];
}

/** What a HEAD tells of a file that is not stored: its page gives size and hash, no upstream need be asked. */
function describeKnown(exchange: Exchange, { file, sizeBytes }: KnownFile): void {
  const fields = [...contentFields(), 'cache-control', exchange.cacheControl(UNVERIFIED_CONTROL)];
  if (sizeBytes !== undefined) fields.push('content-length', String(sizeBytes));
  const etag = promisedTag(file);
  if (etag !== undefined) fields.push('etag', etag);
  exchange.send(200, [...fields, 'cache-status', cacheStatus({ hit: true, detail: 'listed' })]);
}

/** The tag that the file will have once its bytes are verified. */
function promisedTag(file: ListedFile | undefined): string | undefined {
  const digest = file?.hashes.sha256;
  return digest === undefined ? undefined : `"${digest.toLowerCase()}"`;
}

function modifiedAt(entry: Entry, file: ListedFile | undefined): string | undefined {
  const uploaded = readInstant(file?.uploadTime);
  if (uploaded !== undefined) return new Date(uploaded).toUTCString();
  return fieldValue(entry.fields, 'last-modified');
}

/** The entry if it arrives in time and the client is still there. */
async function within(ms: number, arrived: Promise<Entry>, exchange: Exchange): Promise<Entry | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(resolve, ms, undefined);
  exchange.response.once('close', () => resolve(undefined));
  try {
    const entry = await Promise.race([arrived, promise]);
    return entry?.body === undefined ? undefined : entry;
  } finally {
    clearTimeout(timer);
  }
}

function redirect(exchange: Exchange, location: string): void {
  exchange.send(302, [
    'location',
    location,
    'content-length',
    '0',
    'cache-control',
    'max-age=60',
    'cache-status',
    cacheStatus({ hit: true }),
  ]);
}

/** The way from the directory of the requested file up to the root below which `files/` lies. */
function rootFrom(target: FileTarget): string {
  const directories = ['files', target.scheme, target.authority, ...target.rawPath.split('/').slice(1, -1)];
  return '../'.repeat(directories.length);
}
