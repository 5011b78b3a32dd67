// Sends a value of our own as JSON: for people and programs that watch us, so never from a cache.

import type { Exchange } from './exchange.ts';

export function sendJson(exchange: Exchange, value: unknown): void {
  const body = Buffer.from(`${JSON.stringify(value, undefined, 2)}\n`);
  exchange.send(
    200,
    [
      'content-type',
      'application/json',
      'content-length',
      String(body.length),
      'cache-control',
      'no-store',
      'x-content-type-options',
      'nosniff',
    ],
    body,
  );
}
