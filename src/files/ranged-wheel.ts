// A wheel that lies upstream, read in parts (RFC 9110 14), so that its METADATA costs a few kilobytes and not the whole
// file. Nothing proves such bytes: whatever about them is odd makes the caller take the whole wheel instead.

import { UpstreamFailure } from '../core/errors.ts';
import { collect } from '../core/http-body.ts';
import { contentCoding, fieldValue, type IncomingResponse } from '../core/http-message.ts';
import { type ByteRange, parseContentRange } from '../http-semantics/byte-range.ts';
import { discard } from '../net/discard.ts';
import { TAIL_BYTES, UnreadableWheel, type WheelBytes } from './zip-members.ts';

/** Upstream gives no parts of this file, or none that fit together. */
export class NoRanges extends Error {
  override readonly name = 'NoRanges';
}

/** Asks for a part of the file; `ifRange` is the tag that the parts before had. */
export type AskPart = (range: ByteRange, ifRange: string | undefined) => Promise<IncomingResponse>;

/** Read beyond what is asked for: METADATA follows its header. */
const AHEAD_BYTES = 16 * 1024;
/** Of a wheel that needs more than this, in bytes and requests, the whole is taken. */
const MOST_BYTES = 8 * 1024 * 1024;
const MOST_PARTS = 8;

/** Statuses by which servers say that they do not give this part, or no parts at all. */
const REFUSALS: ReadonlySet<number> = new Set([200, 400, 405, 416, 501]);

interface Part {
  readonly first: number;
  readonly bytes: Buffer;
}

/** A wheel that is read by ranges, without fetching it whole. Rejects with UnreadableWheel or an UpstreamFailure. */
export class RangedWheel implements WheelBytes {
  readonly sizeBytes: number;
  readonly #ask: AskPart;
  readonly #parts: Part[] = [];
  #head: IncomingResponse | undefined;

  private constructor(ask: AskPart, sizeBytes: number) {
    this.#ask = ask;
    this.sizeBytes = sizeBytes;
  }

  /**
   * Reads the end of the wheel. `sizeBytes`: as its page tells; undefined when it does not. Rejects with NoRanges, or
   * with the UpstreamFailure of a request.
   */
  static async open(ask: AskPart, sizeBytes: number | undefined): Promise<RangedWheel> {
    const wheel = new RangedWheel(ask, sizeBytes ?? (await sizeOf(ask)));
    if (wheel.sizeBytes === 0) throw new NoRanges('the file is empty');
    await wheel.#fetch(Math.max(0, wheel.sizeBytes - TAIL_BYTES), wheel.sizeBytes - 1);
    return wheel;
  }

  /** The answer that brought the newest part. */
  get head(): IncomingResponse {
    return this.#head!;
  }

  /** All bytes, when the wheel is so small that its end is all of it. */
  get whole(): Buffer | undefined {
    return this.#parts.find(({ bytes }) => bytes.length === this.sizeBytes)?.bytes;
  }

  async bytesAt(position: number, length: number): Promise<Buffer> {
    const held = this.#held(position, length);
    if (held !== undefined) return held;
    await this.#fetch(position, Math.min(this.sizeBytes, position + length + AHEAD_BYTES) - 1);
    return this.#held(position, length)!;
  }

  #held(position: number, length: number): Buffer | undefined {
    const part = this.#parts.find(({ first, bytes }) => first <= position && position + length <= first + bytes.length);
    return part?.bytes.subarray(position - part.first, position - part.first + length);
  }

  async #fetch(first: number, last: number): Promise<void> {
    const bytesBefore = this.#parts.reduce((sum, { bytes }) => sum + bytes.length, 0);
    if (this.#parts.length === MOST_PARTS || bytesBefore + last - first + 1 > MOST_BYTES) {
      throw new NoRanges('too much of the file would have to be read');
    }
    const before = this.#head === undefined ? undefined : validators(this.#head);
    const response = await this.#ask({ first, last }, before?.strong);
    const total = totalOf(response, { first, last });
    const { etag, lastModified } = validators(response);
    const isAnother = before !== undefined && (before.etag !== etag || before.lastModified !== lastModified);
    if (total !== this.sizeBytes || isAnother) {
      discard(response.body);
      throw new NoRanges('the parts are not of the file that the page lists');
    }
    const bytes = await collect(response, last - first + 1);
    if (bytes.length !== last - first + 1) throw new NoRanges('a part has another length than it says');
    this.#parts.push({ first, bytes });
    this.#head = response;
  }
}

/** Its first byte tells how many there are. */
async function sizeOf(ask: AskPart): Promise<number> {
  const response = await ask({ first: 0, last: 0 }, undefined);
  const total = totalOf(response, { first: 0, last: 0 });
  discard(response.body);
  return total;
}

/** The size of the file of which this answer is exactly that part. Throws NoRanges or UpstreamFailure when it is none. */
function totalOf(response: IncomingResponse, { first, last }: ByteRange): number {
  const { status, fields } = response;
  const part = parseContentRange(fieldValue(fields, 'content-range'));
  const isCoded = contentCoding(fields) !== undefined;
  if (status === 206 && part?.first === first && part.last === last && !isCoded) return part.sizeBytes;
  discard(response.body);
  if (status < 400 || REFUSALS.has(status)) throw new NoRanges(`the answer to a range was ${status}`);
  throw new UpstreamFailure('status', `Upstream answered with status ${status}.`, { upstreamStatus: status });
}

function validators({ fields }: IncomingResponse) {
  const etag = fieldValue(fields, 'etag');
  // A weak tag does not name bytes (RFC 9110 13.1.5).
  const strong = etag?.startsWith('"') ? etag : undefined;
  return { etag, strong, lastModified: fieldValue(fields, 'last-modified') };
}

/** Whether the wheel cannot be read in parts, for whatever reason, so that only the whole of it can tell. */
export function needsWhole(error: unknown): boolean {
  return error instanceof NoRanges || error instanceof UnreadableWheel;
}
