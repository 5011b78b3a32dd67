// The chunks of a body while they arrive. The first ones may be gathered for a while and, when the body proves to be
// too large or too slow for that, handed on as if nobody had looked.

import { UpstreamFailure } from '../core/errors.ts';
import type { IncomingResponse } from '../core/http-message.ts';

export type Chunks = AsyncIterable<Buffer>;

/** The body whole, or its beginning followed by what is still to come. */
export type Gathered = { readonly whole: readonly Buffer[] } | { readonly more: Chunks };

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
