// The bench's upstream, a process of its own: an index with ready bytes that does nothing it need not do, so that it is
// never what limits. Its answers can be delayed, slowed and withheld by a part of their path, and it counts requests.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { answerParent } from '../child-calls.ts';
import { fileChunks, projectDetail } from './projects.ts';

/** How requests are answered whose path contains `part`; the last shape that fits counts. */
export interface Shape {
  readonly part: string;
  readonly delayMs?: number;
  /** Of one answer; unlimited when absent. */
  readonly bytesPerSecond?: number;
  /** Never answers. */
  readonly hang?: boolean;
}

export type UpstreamQuestion =
  | { readonly kind: 'listen' }
  | { readonly kind: 'shape'; readonly shape: Shape }
  | { readonly kind: 'count'; readonly part: string };

interface Page {
  readonly plain: Buffer;
  readonly zipped: Buffer;
  readonly etag: string;
}

const PAGE_TYPE = 'application/vnd.pypi.simple.v1+json';
const LAST_MODIFIED = 'Sun, 01 Nov 2026 12:00:00 GMT';
/** A slowed body is sent in steps of this length. */
const STEP_MS = 20;

const shapes: Shape[] = [];
const requested: string[] = [];
const pages = new Map<string, Page>();
let origin = '';

const server = createServer((request, response) => {
  requested.push(request.url!);
  // A client that went away is nobody's problem here.
  answer(request, response).catch(() => response.destroy());
});
server.keepAliveTimeout = 120_000;

answerParent<UpstreamQuestion>(async (question) => {
  switch (question.kind) {
    case 'listen':
      await once(server.listen(0, '127.0.0.1'), 'listening');
      origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      return origin;
    case 'shape':
      shapes.unshift(question.shape);
      return;
    case 'count':
      return requested.filter((url) => url.includes(question.part)).length;
  }
});

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const url = request.url!;
  const shape = shapes.find(({ part }) => url.includes(part));
  // Made before the delay: a real index has its pages ready.
  const page = url.startsWith('/simple/') ? pageOf(url) : undefined;
  if (shape?.hang) return;
  if (shape?.delayMs) await sleep(shape.delayMs);
  if (page !== undefined) return sendPage(request, response, page);
  response.writeHead(200, {
    'content-type': 'application/octet-stream',
    'content-length': Number(url.split('/')[2]),
    etag: `"${url.split('/')[5]}"`,
    'last-modified': LAST_MODIFIED,
    'cache-control': 'max-age=365000000, immutable, public',
  });
  const chunks = fileChunks(url);
  await pipeline(shape?.bytesPerSecond === undefined ? chunks : slowed(chunks, shape.bytesPerSecond), response);
}

function pageOf(url: string): Page {
  const project = url.split('/')[2]!;
  let page = pages.get(project);
  if (page === undefined) {
    const plain = projectDetail(project, origin);
    const etag = `"${createHash('sha256').update(plain).digest('hex').slice(0, 32)}"`;
    page = { plain, zipped: gzipSync(plain, { level: 1 }), etag };
    pages.set(project, page);
  }
  return page;
}

function sendPage(request: IncomingMessage, response: ServerResponse, page: Page): void {
  const validators = { etag: page.etag, 'last-modified': LAST_MODIFIED, 'cache-control': 'max-age=600, public' };
  if (request.headers['if-none-match']?.includes(page.etag)) {
    response.writeHead(304, validators).end();
    return;
  }
  const zipped = request.headers['accept-encoding']?.includes('gzip') ?? false;
  const body = zipped ? page.zipped : page.plain;
  response.writeHead(200, {
    ...validators,
    'content-type': PAGE_TYPE,
    'content-length': body.length,
    vary: 'Accept-Encoding',
    ...(zipped ? { 'content-encoding': 'gzip' } : {}),
  });
  response.end(body);
}

/** By the clock, not by steps: a timer that is late is made up for by a larger piece. */
async function* slowed(chunks: Iterable<Buffer>, bytesPerSecond: number): AsyncGenerator<Buffer> {
  const startedAt = performance.now();
  let sent = 0;
  for (const chunk of chunks) {
    for (let from = 0; from < chunk.length; ) {
      const due = ((performance.now() - startedAt) / 1000) * bytesPerSecond - sent;
      const piece = chunk.subarray(from, from + Math.max(0, Math.floor(due)));
      from += piece.length;
      sent += piece.length;
      if (piece.length > 0) yield piece;
      else await sleep(STEP_MS);
    }
  }
}
