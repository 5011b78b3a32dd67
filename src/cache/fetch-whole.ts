// Bodies that are read whole into memory before anything is said about them.

import { gunzipSync } from 'node:zlib';
import { UpstreamFailure } from '../core/errors.ts';
import { contentLength } from '../core/http-body.ts';
import { contentCoding, type IncomingResponse } from '../core/http-message.ts';
import type { Expectation, Resource } from './profile.ts';
import { BodyHash } from './resume.ts';

/**
 * The bytes that the page promises: they have its hash, or where it gives none its size. Throws an UpstreamFailure of kind
 * `wrong-digest` otherwise, `reset` when bytes are missing.
 */
export function requireRight(
  sent: Buffer,
  response: IncomingResponse,
  resource: Pick<Resource, 'expected' | 'expectedSizeBytes'>,
  maxBytes: number,
): Buffer {
  const announced = contentLength(response);
  if (announced !== undefined && announced !== sent.length) {
    throw new UpstreamFailure('reset', `Upstream sent ${sent.length} bytes instead of ${announced}.`);
  }
  const bytes = undoUnaskedCoding(sent, contentCoding(response.fields), resource.expected, maxBytes);
  const { expected, expectedSizeBytes = bytes.length } = resource;
  if (expected === undefined ? bytes.length !== expectedSizeBytes : !matches(bytes, expected)) {
    throw new UpstreamFailure('wrong-digest', 'Upstream sent bytes that do not match what its index says of the file.');
  }
  return bytes;
}

/**
 * A file that came with a content coding although none was asked for: the decoded bytes when they are the promised
 * ones, else the bytes as sent (a `.tar.gz` whose coding merely describes the file).
 */
function undoUnaskedCoding(
  body: Buffer,
  coding: string | undefined,
  expected: Expectation | undefined,
  maxBytes: number,
): Buffer {
  if (expected === undefined || (coding !== 'gzip' && coding !== 'x-gzip')) return body;
  const decoded = gunzipOrUndefined(body, maxBytes);
  return decoded !== undefined && matches(decoded, expected) ? decoded : body;
}

function gunzipOrUndefined(body: Buffer, maxBytes: number): Buffer | undefined {
  try {
    return gunzipSync(body, { maxOutputLength: maxBytes });
  } catch {
    // Not gzip after all: the label was wrong, the bytes may still be right.
    return undefined;
  }
}

function matches(bytes: Buffer, expected: Expectation): boolean {
  const hash = new BodyHash(expected);
  hash.update(bytes);
  return hash.finish().match === 'right';
}
