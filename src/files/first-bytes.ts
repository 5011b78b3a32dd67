// Whether an answer can be the file that was asked for, where no hash tells: by its first bytes and its content type. A
// login page, an error document and an empty body are answered with 200 as well, and must not be kept as a wheel.

import { Readable } from 'node:stream';
import { UpstreamFailure } from '../core/errors.ts';
import { fieldValue, type IncomingResponse } from '../core/http-message.ts';

/** Enough for every signature below. */
const LOOKED_AT_BYTES = 512;

type Signature = (start: Buffer) => boolean;
const begins =
  (...signatures: readonly string[]): Signature =>
  (start) =>
    signatures.some((text) => start.subarray(0, text.length).equals(Buffer.from(text, 'latin1')));
const isZip = begins('PK\x03\x04', 'PK\x05\x06');
/** A tar archive has its signature at 257 (POSIX, GNU); those of before 1988 have none and begin with a file's name. */
const isTar: Signature = (start) =>
  start.subarray(257, 262).equals(Buffer.from('ustar')) || /^[!-~]+\0/.test(start.toString('latin1'));

/** How files begin, by the end of their name. A self-extracting zip has a program before it. */
const SIGNATURES: readonly (readonly [RegExp, Signature])[] = [
  [/\.(?:whl|zip|egg)$/i, (start) => isZip(start) || begins('MZ', '#!')(start)],
  [/\.(?:tar\.gz|tgz)$/i, begins('\x1f\x8b')],
  [/\.(?:tar\.bz2|tbz2?)$/i, begins('BZh')],
  [/\.(?:tar\.xz|txz|tar\.lzma)$/i, begins('\xfd7zXZ\0', '\x5d\0\0')],
  [/\.tar\.zst$/i, begins('\x28\xb5\x2f\xfd')],
  [/\.tar\.Z$/, begins('\x1f\x9d')],
  [/\.tar$/i, isTar],
  [/\.(?:exe|msi)$/i, begins('MZ', '\xd0\xcf\x11\xe0')],
  // Core metadata is a list of fields (RFC 822), of which this one is mandatory; its order is not.
  [/\.metadata$/i, (start) => /^\uFEFF?[A-Za-z][A-Za-z-]*:/.test(start.toString('utf8'))],
];

/** What no distribution file is sent as, whatever its name. */
const DOCUMENT_TYPES = /^(?:text\/html|application\/xhtml\+xml|application\/(?:problem\+)?json)\b/i;

/** Whether a body that begins so can be the file of this name. */
export function canBe(filename: string, start: Buffer, contentType: string | undefined): boolean {
  if (start.length === 0) return false;
  const signature = SIGNATURES.find(([ending]) => ending.test(filename))?.[1];
  if (signature !== undefined) return signature(start);
  return (
    !DOCUMENT_TYPES.test(contentType?.trim() ?? '') && !/^\s*<(?:!doctype|html|\?xml)/i.test(start.toString('latin1'))
  );
}

/**
 * The answer, when its body can be the file of this name. Rejects with an UpstreamFailure of kind 'invalid-body' when it
 * cannot, or as the body does.
 */
export async function requirePossible(response: IncomingResponse, filename: string): Promise<IncomingResponse> {
  const { body, fields } = response;
  const chunks = (body as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  const begun: Buffer[] = [];
  for (let bytes = 0; bytes < LOOKED_AT_BYTES; ) {
    const next = await chunks.next();
    if (next.done === true) break;
    begun.push(next.value);
    bytes += next.value.length;
  }
  const start = Buffer.concat(begun);
  if (canBe(filename, start, fieldValue(fields, 'content-type')))
    return { ...response, body: resumed(body, begun, chunks) };
  body.destroy();
  const what = start.length === 0 ? 'nothing' : `what begins with ${JSON.stringify(start.toString('latin1', 0, 16))}`;
  throw new UpstreamFailure('invalid-body', `Upstream sent ${what} for ${filename}: it cannot be that file.`);
}

/** The body as if nobody had looked. */
function resumed(body: Readable, begun: readonly Buffer[], rest: AsyncIterator<Buffer>): Readable {
  const whole = Readable.from(
    (async function* () {
      yield* begun;
      for (let next = await rest.next(); next.done !== true; next = await rest.next()) yield next.value;
    })(),
    { objectMode: false },
  );
  whole.once('close', () => body.destroy());
  // A body that nobody reads any more may still fail; readers see the error as usual.
  return whole.on('error', () => {});
}
