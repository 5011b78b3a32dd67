// A part of a file that is not here yet, passed on as upstream gives it where the operator chose that. Nothing proves
// such bytes: they are not stored, and whatever is odd about them makes the whole file be read as ever.

import { UpstreamFailure } from '../core/errors.ts';
import { contentCoding, fieldValue, type IncomingResponse } from '../core/http-message.ts';
import { type ContentRange, parseContentRange, parseRange } from '../http-semantics/byte-range.ts';
import { discard } from '../net/discard.ts';

/** A part of a file as upstream sends it, verified by nobody. */
export interface PassedPart {
  readonly kind: 'part';
  readonly range: ContentRange;
  /** Its body should be the part, as long as the range says. */
  readonly response: IncomingResponse;
}

/** A part that a client asks for. */
export interface PartRequest {
  /** The client's Range field. */
  readonly field: string;
  /** As the page tells; undefined when it does not. */
  readonly sizeBytes: number | undefined;
  readonly ask: () => Promise<IncomingResponse>;
}

/** The last byte that the field asks for; undefined when it asks for nothing that upstream can give as one part. */
export function lastByteOf({ field, sizeBytes }: Pick<PartRequest, 'field' | 'sizeBytes'>): number | undefined {
  const range = parseRange(field, sizeBytes ?? Number.MAX_SAFE_INTEGER);
  return typeof range === 'string' ? undefined : range.last;
}

/**
 * So many parts of one file are passed on at a time. Nobody shares them, so whoever comes then waits for the file, which
 * is fetched once: a fleet that reads the same wheel by ranges costs upstream no more than that.
 */
const MOST_OF_A_FILE = 4;

/** Passes parts of files on, a few of one file at a time. */
export class PassedParts {
  readonly #underWay = new Map<string, number>();

  /** The part that is asked for; undefined when it is one too many, or upstream fails, refuses or gives anything else. */
  async pass(key: string, request: PartRequest): Promise<PassedPart | undefined> {
    if ((this.#underWay.get(key) ?? 0) >= MOST_OF_A_FILE) return undefined;
    this.#count(key, 1);
    const part = await askFor(request).catch((error) => {
      this.#count(key, -1);
      throw error;
    });
    if (part === undefined) this.#count(key, -1);
    else part.response.body.once('close', () => this.#count(key, -1));
    return part;
  }

  #count(key: string, change: 1 | -1): void {
    const count = (this.#underWay.get(key) ?? 0) + change;
    if (count > 0) this.#underWay.set(key, count);
    else this.#underWay.delete(key);
  }
}

async function askFor(request: PartRequest): Promise<PassedPart | undefined> {
  try {
    const response = await request.ask();
    const range = rangeOf(response, request);
    if (range !== undefined) return { kind: 'part', range, response };
    discard(response.body);
    return undefined;
  } catch (error) {
    if (error instanceof UpstreamFailure) return undefined;
    throw error;
  }
}

function rangeOf({ status, fields }: IncomingResponse, { field, sizeBytes }: PartRequest): ContentRange | undefined {
  const given = parseContentRange(fieldValue(fields, 'content-range'));
  const isCoded = contentCoding(fields) !== undefined;
  if (status !== 206 || given === undefined || isCoded || given.sizeBytes !== (sizeBytes ?? given.sizeBytes)) {
    return undefined;
  }
  const asked = parseRange(field, given.sizeBytes);
  if (typeof asked === 'string' || asked.first !== given.first || asked.last !== given.last) return undefined;
  const length = fieldValue(fields, 'content-length') ?? String(given.last - given.first + 1);
  return Number(length) === given.last - given.first + 1 ? given : undefined;
}
