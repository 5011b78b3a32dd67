// Gets rid of a body nobody wants: a short one is read to its end, which keeps the connection, a long one is cut.

import type { Readable } from 'node:stream';

const SHORT_BYTES = 64 * 1024;
const SHORT_MS = 1_000;

/** Reads a small rest of the body so that its connection can be reused; ends a large one. */
export function discard(body: Readable): void {
  let seen = 0;
  const timer = setTimeout(() => body.destroy(), SHORT_MS).unref();
  body.once('close', () => clearTimeout(timer));
  body.on('data', (chunk: Buffer) => {
    seen += chunk.length;
    if (seen > SHORT_BYTES) body.destroy();
  });
}
