// Fetches a body that is too large to wait for, or whose hash must be right: hashes on the way, continues by range
// where the transfer was cut, and tells readers the end only when every byte is right.

import { createHash, type Hash } from 'node:crypto';
import { settlesWithin } from '../core/deadline.ts';
import type { Digest } from '../core/digest.ts';
import { UpstreamFailure } from '../core/errors.ts';
import { fieldValue, type IncomingResponse } from '../core/http-message.ts';
import type { GrowingBody } from './growing-body.ts';
import type { Ask, Expectation, Resource } from './profile.ts';

/** How often a body that was cut short is continued before the fill gives up. */
const MAX_RESUMPTIONS = 4;
/** How often one that arrives too slowly is: each time costs its readers up to a minute. */
const MAX_SLOW_RESUMPTIONS = 1;
/** After so long without a byte the rest is asked for beside, over another connection: this one may be lost, or slow. */
const SILENCE_MS = 10_000;

/** A body that came whole: its digest, its size in bytes, whether its hash was known. */
export interface Filled {
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** Whether a hash that was known beforehand agrees. */
  readonly verified: boolean;
}

/** A body that is being received. */
export interface Filling {
  readonly resource: Resource;
  readonly response: IncomingResponse;
  /** The response's body, the part of it included that was read already. */
  readonly chunks: Chunks;
  readonly growing: GrowingBody;
  readonly maxBytes: number;
  readonly signal: AbortSignal;
}

/**
 * Pours the body into `growing`. Rejects with an UpstreamFailure when it cannot be had whole and right: `wrong-digest`
 * after all bytes came, the failure of the transfer otherwise. The caller ends `growing`.
 */
export async function fill(filling: Filling): Promise<Filled> {
  const { resource, growing } = filling;
  const hash = new BodyHash(resource.expected);
  let { response, chunks } = filling;
  let slow = 0;
  for (let resumptions = 0; ; resumptions++) {
    try {
      if (resumptions > 0) {
        response = await resume(filling, hash.bytes, response.source);
        chunks = response.body as Chunks;
      }
      await pour(heard(filling, { response, chunks }, hash), hash, filling);
      requireWhole(hash.bytes, growing.sizeBytes);
      break;
    } catch (error) {
      response.body.destroy();
      if (error instanceof UpstreamFailure && error.kind === 'too-slow') slow++;
      const isLast = resumptions === MAX_RESUMPTIONS || slow > MAX_SLOW_RESUMPTIONS;
      if (filling.signal.aborted || isLast || !canResume(error, filling)) throw error;
    }
  }
  const { digest, match } = hash.finish();
  if (match === 'wrong') {
    throw new UpstreamFailure('wrong-digest', 'Upstream sent bytes that do not match the hash its index gives.');
  }
  return { digest, sizeBytes: hash.bytes, verified: match === 'right' };
}

interface Transfer {
  readonly response: IncomingResponse;
  readonly chunks: Chunks;
}

/** The chunks of a transfer; where it falls silent, those of the one that is the first to go on, this one or another. */
async function* heard(filling: Filling, first: Transfer, hash: BodyHash): AsyncGenerator<Buffer> {
  let { response } = first;
  let source = first.chunks[Symbol.asyncIterator]();
  // Once: what holds bodies back does so again in each transfer, and this one has waited longest.
  let mayAsk = isResumable(filling);
  try {
    for (;;) {
      const pending = source.next();
      const isSilent = !(await settlesWithin(pending, SILENCE_MS));
      let next: IteratorResult<Buffer>;
      if (isSilent && mayAsk) {
        mayAsk = false;
        const other = resumed(filling, hash.bytes, response.source);
        const own = pending.then((value) => ({ next: value, transfer: undefined }));
        const winner = await Promise.any([own, other]).catch(() => own);
        if (winner.transfer === undefined)
          void other.then(({ transfer }) => transfer.response.body.destroy()).catch(none);
        else {
          response.body.destroy();
          ({ response, source } = winner.transfer);
        }
        next = winner.next;
      } else next = await pending;
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    response.body.destroy();
  }
}

function none(): void {}

/** The transfer goes on from that byte elsewhere, and has said something. */
async function resumed(filling: Filling, fromByte: number, silentSource: string) {
  const response = await resume(filling, fromByte, silentSource);
  const source = (response.body as Chunks)[Symbol.asyncIterator]();
  return { next: await source.next(), transfer: { response, source } };
}

/** The pieces of two transfers are known to belong together. */
function isResumable({ resource, response }: Filling): boolean {
  return resource.expected !== undefined || strongTag(response) !== undefined;
}

async function pour(chunks: Chunks, hash: BodyHash, { growing, maxBytes }: Filling): Promise<void> {
  const { sizeBytes } = growing;
  for await (const chunk of chunks) {
    const bytes = hash.bytes + chunk.length;
    if (sizeBytes !== undefined && bytes > sizeBytes) {
      throw new UpstreamFailure('wrong-digest', `Upstream sent more than the ${sizeBytes} bytes it should.`);
    }
    if (bytes > maxBytes) {
      throw new UpstreamFailure('too-large', `The body is larger than the limit of ${maxBytes} bytes.`);
    }
    hash.update(chunk);
    await growing.append(chunk);
  }
}

function requireWhole(received: number, announced: number | undefined): void {
  if (announced === undefined || received === announced) return;
  throw new UpstreamFailure('reset', `Upstream sent ${received} bytes instead of ${announced}.`);
}

/** A cut transfer can go on only where the pieces are known to belong together: by a hash, or by a strong validator. */
function canResume(error: unknown, filling: Filling): boolean {
  if (!(error instanceof UpstreamFailure)) return false;
  if (error.kind === 'too-large' || error.kind === 'wrong-digest') return false;
  return isResumable(filling);
}

async function resume(filling: Filling, fromByte: number, failedSource: string): Promise<IncomingResponse> {
  const { resource, signal } = filling;
  const tag = strongTag(filling.response);
  const ask: Ask = {
    // With a hash the pieces prove themselves, so any mirror may continue; without, If-Range ties them together.
    conditions: resource.expected === undefined && tag !== undefined ? ['if-range', tag] : [],
    ...(filling.response.base !== undefined && { conditionsFrom: filling.response.base }),
    fromByte,
    avoid: new Set([failedSource]),
    signal,
  };
  const response = await resource.fetch(ask);
  if (continues(response, fromByte) && (resource.expected !== undefined || strongTag(response) === tag))
    return response;
  response.body.destroy();
  throw new UpstreamFailure('reset', 'The transfer was cut short and upstream did not continue it.');
}

/** Whether the answer goes on at that byte; from the very beginning it is a whole answer. */
function continues({ status, fields }: IncomingResponse, fromByte: number): boolean {
  if (fromByte === 0) return status === 200;
  const range = /^bytes (\d+)-\d+\//.exec(fieldValue(fields, 'content-range') ?? '');
  return status === 206 && range !== null && Number(range[1]) === fromByte;
}

function strongTag(response: IncomingResponse): string | undefined {
  const tag = fieldValue(response.fields, 'etag');
  return tag?.startsWith('"') ? tag : undefined;
}

// The chunks of a body while they arrive. The first ones may be gathered for a while and, when the body proves to be
// too large or too slow for that, handed on as if nobody had looked.

/** The bytes of a body as they arrive. */
export type Chunks = AsyncIterable<Buffer>;

/** The body whole, or its beginning followed by what is still to come. */
export type Gathered = { readonly whole: readonly Buffer[] } | { readonly more: Chunks };

/** How much is gathered, in bytes, and for how long, in milliseconds. */
export interface GatherLimits {
  readonly maxBytes: number;
  readonly waitMs: number;
}

/**
 * Collects the body until it ends, holds more than `maxBytes`, or `waitMs` have passed. Rejects as the body does, and
 * with `too-slow` when not a single byte came in that time: another source may do better.
 */
export async function gather(response: IncomingResponse, { maxBytes, waitMs }: GatherLimits): Promise<Gathered> {
  const source = (response.body as Chunks)[Symbol.asyncIterator]();
  const chunks: Buffer[] = [];
  let received = 0;
  const late = Promise.withResolvers<'late'>();
  const timer = setTimeout(() => late.resolve('late'), waitMs);
  try {
    for (;;) {
      const pending = source.next();
      const next = await Promise.race([pending, late.promise]);
      if (next === 'late') {
        if (received > 0) return { more: replay(chunks, source, pending) };
        pending.catch(() => {});
        throw new UpstreamFailure('too-slow', `Upstream sent no byte of the body within ${waitMs / 1000} s.`);
      }
      if (next.done === true) return { whole: chunks };
      chunks.push(next.value);
      received += next.value.length;
      if (received > maxBytes) return { more: replay(chunks, source, source.next()) };
    }
  } finally {
    clearTimeout(timer);
  }
}

function replay(begun: readonly Buffer[], source: AsyncIterator<Buffer>, pending: Promise<IteratorResult<Buffer>>) {
  // It may fail before anybody has come to the end of what was gathered; who gets there hears of it.
  pending.catch(() => {});
  return replayed(begun, source, pending);
}

async function* replayed(
  begun: readonly Buffer[],
  source: AsyncIterator<Buffer>,
  pending: Promise<IteratorResult<Buffer>>,
): AsyncGenerator<Buffer> {
  yield* begun;
  for (let next = await pending; next.done !== true; next = await source.next()) yield next.value;
}

// Counts and hashes a body as it passes: our own sha256, which names the blob, and the expected hash beside it where
// the page knows another algorithm.

const NODE_NAMES: Readonly<Record<Expectation['algorithm'], string>> = {
  sha256: 'sha256',
  sha512: 'sha512',
  sha384: 'sha384',
  sha224: 'sha224',
  sha1: 'sha1',
  md5: 'md5',
};

/** Hashes a body while it arrives. */
export class BodyHash {
  readonly #sha256: Hash = createHash('sha256');
  readonly #other: Hash | undefined;
  readonly #expected: Expectation | undefined;
  #bytes = 0;

  constructor(expected: Expectation | undefined) {
    this.#expected = expected;
    this.#other =
      expected === undefined || expected.algorithm === 'sha256'
        ? undefined
        : createHash(NODE_NAMES[expected.algorithm]);
  }

  get bytes(): number {
    return this.#bytes;
  }

  update(chunk: Buffer): void {
    this.#bytes += chunk.length;
    this.#sha256.update(chunk);
    this.#other?.update(chunk);
  }

  /** The blob's name, and whether the bytes are those that were promised (`unknown`: nothing was). Call once. */
  finish(): { readonly digest: Digest; readonly match: 'right' | 'wrong' | 'unknown' } {
    const digest = this.#sha256.digest('hex') as Digest;
    if (this.#expected === undefined) return { digest, match: 'unknown' };
    const found = this.#other?.digest('hex') ?? digest;
    return { digest, match: found === this.#expected.hex.toLowerCase() ? 'right' : 'wrong' };
  }
}
