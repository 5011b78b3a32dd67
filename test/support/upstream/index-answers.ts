// How the fake index speaks HTTP: negotiation, validators and coding of its pages, ranges of its files, as the public
// index and its file host do it (protocol.md section 3). Pure: a request in, an answer out.

import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { fieldValue, type RequestHead } from '../../../src/core/http-message.ts';
import type { Answer } from './fake-server.ts';
import { CONTENT_TYPES, type PageFormat } from './simple-pages.ts';
import { sha256 } from './wheels.ts';

export interface PageManners {
  /** How it treats Accept: by its q values, one format only (406 for others), or HTML whatever is asked. */
  readonly formats: 'negotiated' | 'json-only' | 'html-only' | 'ignores-accept';
  readonly validators: 'etag' | 'last-modified' | 'both' | 'none';
  /** Cache-Control of pages. */
  readonly pageCacheControl: string;
  /** False: none in the fields and none on a project's page, as with most products. */
  readonly serials: boolean;
}

export const PUBLIC_MANNERS: PageManners = {
  formats: 'negotiated',
  validators: 'both',
  pageCacheControl: 'max-age=600, public',
  serials: true,
};

export interface Page {
  readonly serial: number;
  readonly lastModified: Date;
  readonly render: (format: PageFormat) => string;
}

/** A page in the format and coding that the request prefers, or 304, or 406. */
export function pageAnswer(request: RequestHead, manners: PageManners, page: Page): Answer {
  const format = chosenFormat(fieldValue(request.fields, 'accept') ?? '*/*', manners.formats);
  if (format === undefined) return plain(406, 'not acceptable');
  const { validators, pageCacheControl, serials } = manners;
  const zipped = /\bgzip\b(?!;q=0)/.test(fieldValue(request.fields, 'accept-encoding') ?? '');
  const body = Buffer.from(page.render(format));
  const etag = `"${createHash('md5').update(body).update(format).update(String(zipped)).digest('hex')}"`;
  const fields = ['content-type', CONTENT_TYPES[format], 'cache-control', pageCacheControl];
  fields.push('vary', 'Accept, Accept-Encoding');
  if (validators === 'etag' || validators === 'both') fields.push('etag', etag);
  if (validators === 'last-modified' || validators === 'both') {
    fields.push('last-modified', page.lastModified.toUTCString());
  }
  if (serials) fields.push('x-pypi-last-serial', String(page.serial));
  if (isUnchanged(request, fields)) return { status: 304, fields, body: Buffer.alloc(0) };
  if (zipped) fields.push('content-encoding', 'gzip');
  return { status: 200, fields, body: zipped ? gzipSync(body) : body };
}

function chosenFormat(accept: string, formats: PageManners['formats']): PageFormat | undefined {
  if (formats === 'ignores-accept') return 'legacy-html';
  // On a tie the first counts, which is what clients without preferences can read.
  const offered: PageFormat[] = ['legacy-html', 'html', 'json'];
  const ranked = offered
    .filter((format) => formats === 'negotiated' || (formats === 'json-only') === (format === 'json'))
    .map((format) => ({ format, quality: quality(accept, format) }));
  const best = ranked.reduce((a, b) => (b.quality > a.quality ? b : a));
  return best.quality > 0 ? best.format : undefined;
}

/** RFC 9110 13.1: If-None-Match counts alone where it is present; else If-Modified-Since to the second. */
function isUnchanged({ fields: asked }: RequestHead, fields: readonly string[]): boolean {
  const etag = fieldValue(fields, 'etag');
  const tags = fieldValue(asked, 'if-none-match');
  if (tags !== undefined) return etag !== undefined && tags.includes(etag);
  const since = fieldValue(asked, 'if-modified-since');
  const changed = fieldValue(fields, 'last-modified');
  return since !== undefined && changed !== undefined && Date.parse(changed) <= Date.parse(since);
}

/** The q value that `accept` gives to a format (RFC 9110 12.5.1); the most specific range counts. */
function quality(accept: string, format: PageFormat): number {
  const [type = ''] = CONTENT_TYPES[format].split(';');
  const latest = type.replace('.v1+', '.latest+');
  const found = new Map<string, number>();
  for (const part of accept.split(',')) {
    const [range = '', ...parameters] = part.trim().split(/\s*;\s*/);
    const q = parameters.find((parameter) => parameter.startsWith('q='));
    found.set(range.toLowerCase(), q === undefined ? 1 : Number(q.slice(2)));
  }
  return found.get(type) ?? found.get(latest) ?? found.get(`${type.split('/')[0]}/*`) ?? found.get('*/*') ?? 0;
}

/** A file of the file host: immutable, ranges with If-Range, never 304 (its edge drops the validators). */
export function fileAnswer(request: RequestHead, path: string, bytes: Buffer): Answer {
  const etag = `"${sha256(bytes).slice(0, 32)}"`;
  const fields = ['content-type', path.endsWith('.metadata') ? 'text/plain' : 'application/octet-stream'];
  fields.push('cache-control', 'max-age=365000000, immutable, public', 'accept-ranges', 'bytes', 'etag', etag);
  fields.push('last-modified', 'Fri, 02 Jan 2026 03:04:05 GMT');
  const range = /^bytes=(\d*)-(\d*)$/.exec(fieldValue(request.fields, 'range') ?? '');
  const condition = fieldValue(request.fields, 'if-range');
  if (range === null || (condition !== undefined && condition !== etag)) return { status: 200, fields, body: bytes };
  const [, first = '', last = ''] = range;
  const start = first === '' ? Math.max(0, bytes.length - Number(last)) : Number(first);
  const end = first === '' || last === '' ? bytes.length - 1 : Math.min(Number(last), bytes.length - 1);
  if (start > end) return { status: 416, fields: ['content-range', `bytes */${bytes.length}`], body: Buffer.alloc(0) };
  fields.push('content-range', `bytes ${start}-${end}/${bytes.length}`);
  return { status: 206, fields, body: bytes.subarray(start, end + 1) };
}

export function plain(status: number, text: string): Answer {
  return { status, fields: ['content-type', 'text/plain'], body: Buffer.from(text) };
}
