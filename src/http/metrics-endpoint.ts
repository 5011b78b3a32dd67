// `/metrics`: the registry in Prometheus' text format, compressed when the scraper can take it.

import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Log } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { Exchange } from './exchange.ts';
import { sendOwn } from './own-answer.ts';

const compress = promisify(gzip);

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
