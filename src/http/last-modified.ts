// `/last-modified`: how current this mirror is, as the mirrors of 2010 told it.

import { NotFound } from '../core/errors.ts';
import type { Exchange } from './exchange.ts';
import { sendOwn } from './own-answer.ts';

/** Sends the time (milliseconds since the epoch) as `20261122T16:05:09`, UTC. Throws NotFound when there is none. */
export function sendLastModified(exchange: Exchange, time: number | undefined): void {
  if (time === undefined) throw new NotFound('One of the indexes behind has never answered yet.', 'never-agreed');
  const text = `${new Date(time).toISOString().slice(0, 19).replaceAll('-', '')}\n`;
  sendOwn(exchange, {
    fields: ['content-type', 'text/plain; charset=utf-8', 'cache-control', 'no-cache'],
    body: Buffer.from(text),
  });
}
