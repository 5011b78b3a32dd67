// Core metadata that upstream does not give although it has the wheel in which it is packed (PEP 658). Cut out of the
// stored wheel it is proven by the wheel's hash. As long as the wheel is not here it is read out of it by ranges, which
// nothing proves: it is kept apart, for a short time, and the wheel's word wins as soon as it is here.

import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { Arriving } from '../cache/answer.ts';
import type { Ask, Profile, Resource } from '../cache/profile.ts';
import type { ReadThrough } from '../cache/read-through.ts';
import { digestOf } from '../core/digest.ts';
import { UpstreamFailure } from '../core/errors.ts';
import type { IncomingResponse } from '../core/http-message.ts';
import { discard } from '../net/discard.ts';
import type { Blob } from '../store/blobs/blob-store.ts';
import { UnreadableBlob } from '../store/blobs/stored-blob.ts';
import type { Entry } from '../store/entries/entry.ts';
import { type AskPart, NoRanges, needsWhole, RangedWheel } from './ranged-wheel.ts';
import { UnreadableWheel, type WheelBytes, zipContent, zipMembers } from './zip-members.ts';

/** How long a request for core metadata waits for the wheel that holds it. */
const WHEEL_WAIT_MS = 9_000;

/** Where wheels and their metadata are read. */
export interface WheelMetadataOptions {
  readonly readThrough: ReadThrough;
  /** For what the hash of the wheel proves. */
  readonly provenProfile: Profile;
  /** Told when the wheel holds other metadata than was read of it by ranges. */
  readonly onWrongPart: (wheel: Resource) => void;
}

/** A wheel and how to ask for parts of it. */
export interface WheelUpstream {
  readonly wheel: Resource;
  readonly askPart: (signal: AbortSignal) => AskPart;
}

/** Core metadata: as upstream sends them, out of the wheel that is here, or by ranges. */
export class WheelMetadata {
  readonly #options: WheelMetadataOptions;

  constructor(options: WheelMetadataOptions) {
    this.#options = options;
  }

  /** `metadata`, cut out of the wheel as if upstream had sent it: of the stored one where it is here. */
  async extracted(metadata: Resource, { wheel, askPart }: WheelUpstream): Promise<Resource> {
    // Another wheel under the same URL has other metadata.
    const key = `${metadata.key}#${wheel.expected?.hex}`;
    const byRanges: Resource = {
      ...metadata,
      key: `${key}-by-ranges`,
      fetch: (ask) => this.#byRanges(metadata, wheel, askPart, ask),
    };
    const proven: Resource = {
      ...metadata,
      key,
      profile: this.#options.provenProfile,
      fetch: (ask) => this.#proven(metadata, wheel, byRanges, ask),
    };
    const isProven = (await this.#options.readThrough.held(proven)) !== undefined || (await this.#isHere(wheel));
    return isProven ? proven : byRanges;
  }

  /**
   * `metadata` as upstream sends it; where it has none, has other bytes or cannot be asked, out of the wheel if that is
   * here and holds what was promised.
   */
  orExtracted(metadata: Resource, wheel: Resource): Resource {
    return {
      ...metadata,
      fetch: async (ask) => {
        // Upstream may have made it anew: what the wheel proves needs no asking.
        const proven = metadata.expected === undefined ? undefined : await this.#packed(metadata, wheel);
        if (proven !== undefined) return proven;
        const answer = await metadata.fetch(ask).catch(asValue);
        // What is withheld for legal reasons (451) is not given out by another way.
        if (!(answer instanceof UpstreamFailure) && (answer.status < 400 || answer.status === 451)) return answer;
        const packed = await this.#packed(metadata, wheel);
        if (answer instanceof UpstreamFailure) {
          if (packed === undefined) throw answer;
          return packed;
        }
        if (packed === undefined) return answer;
        discard(answer.body);
        return packed;
      },
    };
  }

  async #byRanges(metadata: Resource, wheel: Resource, askPart: WheelUpstream['askPart'], ask: Ask) {
    try {
      const ranged = await RangedWheel.open(askPart(ask.signal), wheel.expectedSizeBytes);
      const { whole } = ranged;
      if (whole !== undefined && !isPromised(whole, wheel)) throw new NoRanges('the wheel has another hash');
      return response(metadata, ranged.head, await metadataOfWheel(ranged));
    } catch (error) {
      if (!needsWhole(error)) throw error;
      return this.#cut(metadata, wheel, ask);
    }
  }

  /** Out of the wheel that is here, or, where it has just been lost, is fetched. What was read by ranges must agree. */
  async #proven(metadata: Resource, wheel: Resource, byRanges: Resource, ask: Ask): Promise<IncomingResponse> {
    const { readThrough, onWrongPart } = this.#options;
    return this.#cut(metadata, wheel, ask, async (bytes) => {
      const part = await readThrough.held(byRanges);
      if (part === undefined) return;
      if (part.body?.digest !== digestOf(bytes)) onWrongPart(wheel);
      await readThrough.purge([byRanges.key]);
    });
  }

  async #cut(
    metadata: Resource,
    wheel: Resource,
    ask: Ask,
    witness: (bytes: Buffer) => Promise<void> = async () => {},
  ): Promise<IncomingResponse> {
    const { readThrough } = this.#options;
    const { answer, blob } = await readThrough.body(wheel, await readThrough.read(wheel));
    const { arriving } = answer;
    try {
      const entry = arriving === undefined ? answer.entry : await arrivedWithin(WHEEL_WAIT_MS, arriving, ask.signal);
      if (entry.status !== 200) return response(metadata, entry, Buffer.alloc(0), entry.status);
      const bytes = await readMetadata(blob ?? (await readThrough.open(wheel, entry)));
      await witness(bytes);
      return response(metadata, entry, bytes);
    } finally {
      // As long as somebody reads it, a large wheel is fetched to its end, and cannot be evicted before it is opened.
      arriving?.reader.leave();
    }
  }

  /** The METADATA of the wheel; undefined when its bytes are not here, not verified, or hold none. */
  async packedHere(wheel: Resource): Promise<Buffer | undefined> {
    const entry = await this.#options.readThrough.held(wheel);
    return entry?.body?.verified === true ? this.#metadataIn(wheel, entry) : undefined;
  }

  async #packed(metadata: Resource, wheel: Resource): Promise<IncomingResponse | undefined> {
    const entry = await this.#options.readThrough.held(wheel);
    const bytes = entry?.body?.verified === true ? await this.#metadataIn(wheel, entry) : undefined;
    if (entry === undefined || bytes === undefined || !isPromised(bytes, metadata)) return undefined;
    return response(metadata, entry, bytes);
  }

  async #metadataIn(wheel: Resource, entry: Entry): Promise<Buffer | undefined> {
    return this.#options.readThrough.open(wheel, entry).then(readMetadata).catch(notHere);
  }

  /** Whether the bytes of the wheel are here, not only what is known of them. */
  async #isHere(wheel: Resource): Promise<boolean> {
    const { readThrough } = this.#options;
    const entry = await readThrough.held(wheel);
    if (entry?.body?.verified !== true) return false;
    const blob = await readThrough.open(wheel, entry).catch(notHere);
    blob?.release();
    return blob !== undefined;
  }
}

/** Releases the wheel. Rejects with an UpstreamFailure when it is lost or holds no METADATA that can be read. */
async function readMetadata(wheel: Blob | undefined): Promise<Buffer> {
  if (wheel === undefined) throw new UpstreamFailure('invalid-body', 'The wheel was lost before it could be read.');
  try {
    return await metadataOfWheel(storedWheel(wheel));
  } catch (error) {
    if (!(error instanceof UnreadableWheel)) throw error;
    throw new UpstreamFailure('invalid-body', `The wheel gives no core metadata: ${error.message}.`, { cause: error });
  } finally {
    wheel.release();
  }
}

/** Who answered, and when. */
type Head = Pick<IncomingResponse, 'source' | 'requestTime' | 'responseTime'>;

function response(metadata: Resource, head: Head, bytes: Buffer, status = 200): IncomingResponse {
  const { requestTime, responseTime, source } = head;
  const body = Readable.from([bytes]);
  return { status, fields: [], url: metadata.request.url, source, requestTime, responseTime, body };
}

function isPromised(bytes: Buffer, { expected }: Resource): boolean {
  return expected === undefined || createHash(expected.algorithm).update(bytes).digest('hex') === expected.hex;
}

/** A failure that the caller decides about; any other error is thrown on. */
function asValue(error: unknown): UpstreamFailure {
  if (!(error instanceof UpstreamFailure)) throw error;
  return error;
}

/** A wheel that holds nothing to read, or that the disk does not give now: as if it were not here. */
function notHere(error: unknown): undefined {
  if (!(error instanceof UpstreamFailure) && !(error instanceof UnreadableBlob)) throw error;
}

/** The stored entry of a body that is on its way. Rejects with an UpstreamFailure when it takes longer than `ms`. */
async function arrivedWithin(ms: number, { arrived }: Arriving, signal: AbortSignal): Promise<Entry> {
  const late = Promise.withResolvers<never>();
  const giveUp = () =>
    late.reject(new UpstreamFailure('timeout', 'The wheel is still on its way, and its core metadata with it.'));
  const timer = setTimeout(giveUp, ms);
  signal.addEventListener('abort', giveUp);
  try {
    return await Promise.race([arrived, late.promise]);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', giveUp);
  }
}

// METADATA out of a wheel (PEP 427), for indexes that offer none of their own (PEP 658).

/** The one METADATA of a wheel lies in the one `.dist-info` folder at its top. */
const METADATA = /^[^/]+\.dist-info\/METADATA$/;
const METADATA_ENDING = '.dist-info/METADATA';

/** The bytes of the wheel's METADATA. Rejects with UnreadableWheel. */
export async function metadataOfWheel(wheel: WheelBytes): Promise<Buffer> {
  const found = (await zipMembers(wheel, METADATA_ENDING)).filter(({ path }) => METADATA.test(path));
  const [member] = found;
  if (member === undefined || found.length > 1) throw new UnreadableWheel(`it has ${found.length} METADATA, not one`);
  return zipContent(wheel, member);
}

/** A wheel that is stored here. */
export function storedWheel(blob: Blob): WheelBytes {
  return {
    sizeBytes: blob.sizeBytes,
    bytesAt: async (position, length) => {
      if (blob.bytes !== undefined) return blob.bytes.subarray(position, position + length);
      const bytes = Buffer.alloc(length);
      for (let filled = 0; filled < length; ) {
        const count = await blob.read(bytes.subarray(filled), position + filled);
        if (count === 0) throw new UnreadableWheel('it ends too early');
        filled += count;
      }
      return bytes;
    },
  };
}
