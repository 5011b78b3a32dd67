// Core metadata that upstream does not give although it has the wheel in which it is packed (PEP 658): cut out of the
// wheel, whose hash proves what is in it.

import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { Arriving } from '../cache/answer.ts';
import type { Entry } from '../cache/entry.ts';
import type { Ask, Resource } from '../cache/profile.ts';
import type { ReadThrough } from '../cache/read-through.ts';
import { UpstreamFailure } from '../errors.ts';
import type { IncomingResponse } from '../http-message.ts';
import { discard } from '../upstream/discard.ts';
import { metadataOfWheel, UnreadableWheel } from './core-metadata.ts';

/** How long a request for core metadata waits for the wheel that holds it. */
const WHEEL_WAIT_MS = 9_000;

export class WheelMetadata {
  readonly #readThrough: ReadThrough;

  constructor(readThrough: ReadThrough) {
    this.#readThrough = readThrough;
  }

  /** `metadata`, cut out of the wheel as if upstream had sent it. The wheel is fetched where it is not here. */
  extracted(metadata: Resource, wheel: Resource): Resource {
    return {
      ...metadata,
      fetch: async (ask) => {
        const entry = await this.#fetched(wheel, ask);
        const bytes = await this.#read(wheel, entry);
        return response(metadata, entry, bytes);
      },
    };
  }

  /**
   * `metadata` as upstream sends it; where it has none or cannot be asked, out of the wheel if that is here and holds
   * what was promised.
   */
  orExtracted(metadata: Resource, wheel: Resource): Resource {
    return {
      ...metadata,
      fetch: async (ask) => {
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

  async #packed(metadata: Resource, wheel: Resource): Promise<IncomingResponse | undefined> {
    const entry = await this.#readThrough.held(wheel);
    if (entry?.body?.verified !== true) return undefined;
    const bytes = await this.#read(wheel, entry).catch(asValue);
    if (bytes instanceof UpstreamFailure || !isPromised(bytes, metadata)) return undefined;
    return response(metadata, entry, bytes);
  }

  async #fetched(wheel: Resource, { signal }: Ask): Promise<Entry> {
    const { entry, arriving } = await this.#readThrough.read(wheel);
    // Followed by nobody, a large wheel would not be fetched to its end.
    return arriving === undefined ? entry : arrivedWithin(WHEEL_WAIT_MS, arriving, signal);
  }

  /** Rejects with an UpstreamFailure when the wheel is lost or holds no METADATA that can be read. */
  async #read(wheel: Resource, entry: Entry): Promise<Buffer> {
    const blob = await this.#readThrough.open(wheel, entry);
    if (blob === undefined) throw new UpstreamFailure('invalid-body', 'The wheel was lost before it could be read.');
    try {
      return await metadataOfWheel(blob);
    } catch (error) {
      if (!(error instanceof UnreadableWheel)) throw error;
      throw new UpstreamFailure('invalid-body', `The wheel gives no core metadata: ${error.message}.`, {
        cause: error,
      });
    } finally {
      blob.release();
    }
  }
}

function response(metadata: Resource, entry: Entry, bytes: Buffer): IncomingResponse {
  const { requestTime, responseTime, source } = entry;
  const body = Readable.from([bytes]);
  return { status: 200, fields: [], url: metadata.request.url, source, requestTime, responseTime, body };
}

function isPromised(bytes: Buffer, { expected }: Resource): boolean {
  return expected === undefined || createHash(expected.algorithm).update(bytes).digest('hex') === expected.hex;
}

/** A failure that the caller decides about; any other error is thrown on. */
function asValue(error: unknown): UpstreamFailure {
  if (!(error instanceof UpstreamFailure)) throw error;
  return error;
}

/** The stored entry of a body that is on its way. Rejects with an UpstreamFailure when it takes longer than `ms`. */
async function arrivedWithin(ms: number, { reader, arrived }: Arriving, signal: AbortSignal): Promise<Entry> {
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
    reader.leave();
  }
}
