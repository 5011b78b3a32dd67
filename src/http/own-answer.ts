// Sends what Wheelkeep says of itself, to the people and programs that watch it. No cache has a part in it, and
// Cache-Status says so.

import type { Fields } from '../core/http-message.ts';
import { cacheStatus } from '../http-semantics/cache-status.ts';
import type { Exchange } from './exchange.ts';

export interface OwnAnswer {
  /** 200 where nothing is said. */
  readonly status?: number;
  /** The media type, and how long the answer may be kept; no field of those that all own answers have. */
  readonly fields: Fields;
  readonly body: Buffer;
}

const OWN = ['x-content-type-options', 'nosniff', 'cache-status', cacheStatus({ detail: 'own' })];

export function sendOwn(exchange: Exchange, { status = 200, fields, body }: OwnAnswer): void {
  exchange.send(status, [...fields, 'content-length', String(body.length), ...OWN], body);
}

/** Sends a value as JSON, pretty-printed for the person that may read it. */
export function sendJson(exchange: Exchange, value: unknown): void {
  const body = Buffer.from(`${JSON.stringify(value, undefined, 2)}\n`);
  sendOwn(exchange, { fields: ['content-type', 'application/json', 'cache-control', 'no-store'], body });
}
