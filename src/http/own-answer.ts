// Sends what Wheelkeep says of itself, to the people and programs that watch it. No cache has a part in it, and
// Cache-Status says so.

import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { NotFound } from '../core/errors.ts';
import type { Fields } from '../core/http-message.ts';
import { cacheStatus } from '../http-semantics/cache-status.ts';
import type { Log } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Exchange } from './exchange.ts';

/** An answer that Wheelkeep makes itself. */
export interface OwnAnswer {
  /** 200 where nothing is said. */
  readonly status?: number;
  /** The media type, and how long the answer may be kept; no field of those that all own answers have. */
  readonly fields: Fields;
  readonly body: Buffer;
}

const OWN = ['x-content-type-options', 'nosniff', 'cache-status', cacheStatus({ detail: 'own' })];

/** Sends it; nobody may store it. */
export function sendOwn(exchange: Exchange, { status = 200, fields, body }: OwnAnswer): void {
  exchange.send(status, [...fields, 'content-length', String(body.length), ...OWN], body);
}

/** Sends a value as JSON, pretty-printed for the person that may read it. */
export function sendJson(exchange: Exchange, value: unknown): void {
  const body = Buffer.from(`${JSON.stringify(value, undefined, 2)}\n`);
  sendOwn(exchange, { fields: ['content-type', 'application/json', 'cache-control', 'no-store'], body });
}

// `/last-modified`: how current this mirror is, as the mirrors of 2010 told it.

/** Sends the time (milliseconds since the epoch) as `20261122T16:05:09`, UTC. Throws NotFound when there is none. */
export function sendLastModified(exchange: Exchange, time: number | undefined): void {
  if (time === undefined) throw new NotFound('One of the indexes behind has never answered yet.', 'never-agreed');
  const text = `${new Date(time).toISOString().slice(0, 19).replaceAll('-', '')}\n`;
  sendOwn(exchange, {
    fields: ['content-type', 'text/plain; charset=utf-8', 'cache-control', 'no-cache'],
    body: Buffer.from(text),
  });
}

// Liveness and readiness, for orchestrators and load balancers. They say nothing of the configuration, and
// neither depends on an upstream or Redis: a proxy that serves its copies through an outage is ready.

/** Whether this process can serve now; the reasons are short phrases of ours, without names or addresses. */
export interface Readiness {
  readonly ready: boolean;
  readonly reasons: readonly string[];
}

/** `/-/live`: answering at all is the proof that the event loop turns. */
export function answerLive(exchange: Exchange): void {
  send(exchange, 200, 'text/plain; charset=utf-8', 'ok\n');
}

/** `/-/ready`: 200 or 503 with `{"ready":…,"reasons":[…]}`. A 503 takes this node out of a balancer's rotation. */
export function answerReady(exchange: Exchange, readiness: Readiness): void {
  const { ready, reasons } = readiness;
  send(exchange, ready ? 200 : 503, 'application/json', `${JSON.stringify({ ready, reasons })}\n`);
}

function send(exchange: Exchange, status: number, type: string, text: string): void {
  sendOwn(exchange, { status, fields: ['content-type', type, 'cache-control', 'no-store'], body: Buffer.from(text) });
}

// `/metrics`: the registry in Prometheus' text format, compressed when the scraper can take it.

const compress = promisify(gzip);

/** Where metrics come from. */
export interface MetricsEndpointOptions {
  readonly metrics: Metrics;
  readonly log: Log;
  /** What to show: this process's metrics, or those of all workers together. */
  readonly render: () => Promise<string>;
}

/** Answers one scrape. A registry that cannot be rendered is a 500, counted and logged, and harms nothing else. */
export async function answerMetrics(
  exchange: Exchange,
  { metrics, log, render }: MetricsEndpointOptions,
): Promise<void> {
  let text: string;
  try {
    text = await render();
  } catch (error) {
    metrics.meters.scrapeErrors.inc({});
    log.error('metrics could not be rendered', { error: error instanceof Error ? error : String(error) });
    const fields = ['content-type', 'text/plain; charset=utf-8', 'cache-control', 'no-store'];
    const body = Buffer.from('metrics could not be rendered, see the log\n');
    return sendOwn(exchange, { status: 500, fields, body });
  }
  const zipped = acceptsGzip(exchange.request.headers['accept-encoding']);
  const body = zipped ? await compress(text, { level: 1 }) : Buffer.from(text);
  const fields = ['content-type', metrics.contentType, 'cache-control', 'no-store', 'vary', 'accept-encoding'];
  if (zipped) fields.push('content-encoding', 'gzip');
  sendOwn(exchange, { fields, body });
}

/** RFC 9110 12.5.3, for the one coding we offer: named, and not with a quality of zero. */
function acceptsGzip(acceptEncoding: string | string[] | undefined): boolean {
  return /(?:^|,)\s*gzip\s*(?:$|,|;(?!\s*q=0(?:\.0*)?\s*(?:$|,)))/i.test(String(acceptEncoding ?? ''));
}
