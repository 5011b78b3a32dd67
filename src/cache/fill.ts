// Fetches a body that is too large to wait for, or whose hash must be right: hashes on the way, continues by range
// where the transfer was cut, and tells readers the end only when every byte is right.

import { UpstreamFailure } from '../errors.ts';
import type { IncomingResponse } from '../http-message.ts';
import { fieldValue } from '../http-message.ts';
import { BodyHash } from './body-hash.ts';
import type { Digest } from './digest.ts';
import type { GrowingBody } from './growing-body.ts';
import type { Ask, Resource } from './profile.ts';

/** How often a body that was cut short is continued before the fill gives up. */
const MAX_RESUMPTIONS = 3;

export interface Filled {
  readonly digest: Digest;
  readonly sizeBytes: number;
  /** Whether a hash that was known beforehand agrees. */
  readonly verified: boolean;
}

/**
 * Pours the response into `growing`. Rejects with an UpstreamFailure when the body cannot be had whole and right:
 * `wrong-digest` after all bytes came, the failure of the transfer otherwise. The caller ends `growing`.
 */
export async function fill(
  resource: Resource,
  first: IncomingResponse,
  growing: GrowingBody,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Filled> {
  const hash = new BodyHash(resource.expected);
  let response = first;
  for (let resumption = 0; ; resumption++) {
    try {
      await pour(response, hash, growing, maxBytes);
      requireWhole(hash.bytes, growing.sizeBytes, response.source);
      break;
    } catch (error) {
      response.body.destroy();
      if (signal.aborted || resumption === MAX_RESUMPTIONS || !canResume(error, hash.bytes, resource, first))
        throw error;
      response = await resume(resource, first, hash.bytes, response.source, signal);
    }
  }
  const { digest, match } = hash.finish();
  if (match === 'wrong') {
    throw new UpstreamFailure('wrong-digest', 'Upstream sent bytes that do not match the hash its index gives.');
  }
  return { digest, sizeBytes: hash.bytes, verified: match === 'right' };
}

async function pour(response: IncomingResponse, hash: BodyHash, growing: GrowingBody, maxBytes: number): Promise<void> {
  for await (const chunk of response.body as AsyncIterable<Buffer>) {
    if (hash.bytes + chunk.length > maxBytes) {
      throw new UpstreamFailure('too-large', `The body is larger than the limit of ${maxBytes} bytes.`);
    }
    hash.update(chunk);
    await growing.append(chunk);
  }
}

function requireWhole(received: number, announced: number | undefined, source: string): void {
  if (announced === undefined || received === announced) return;
  const kind = received < announced ? 'reset' : 'wrong-digest';
  throw new UpstreamFailure(kind, `${source} sent ${received} bytes instead of ${announced}.`);
}

/** A cut transfer can go on only where the pieces are known to belong together: by a hash, or by a strong validator. */
function canResume(error: unknown, received: number, resource: Resource, first: IncomingResponse): boolean {
  if (!(error instanceof UpstreamFailure) || error.kind === 'too-large' || error.kind === 'wrong-digest') return false;
  return received > 0 && (resource.expected !== undefined || strongTag(first) !== undefined);
}

async function resume(
  resource: Resource,
  first: IncomingResponse,
  fromByte: number,
  failedSource: string,
  signal: AbortSignal,
): Promise<IncomingResponse> {
  const tag = strongTag(first);
  const ask: Ask = {
    // With a hash the pieces prove themselves, so any mirror may continue; without, If-Range ties them together.
    conditions: resource.expected === undefined && tag !== undefined ? ['if-range', tag] : [],
    fromByte,
    avoid: new Set([failedSource]),
    signal,
  };
  const response = await resource.fetch(ask);
  const range = /^bytes (\d+)-\d+\//.exec(fieldValue(response.fields, 'content-range') ?? '');
  if (response.status === 206 && range !== null && Number(range[1]) === fromByte) return response;
  response.body.destroy();
  throw new UpstreamFailure('reset', 'The transfer was cut short and upstream did not continue it.');
}

function strongTag(response: IncomingResponse): string | undefined {
  const tag = fieldValue(response.fields, 'etag');
  return tag?.startsWith('"') ? tag : undefined;
}
