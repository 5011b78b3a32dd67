// The documents that an index serves beside its pages, set on a fake index as answers of its own.

import { createHash } from 'node:crypto';
import { fieldValue } from '../../../src/core/http-message.ts';
import type { FakeIndex } from './fake-index.ts';
import type { Fault } from './fault-plan.ts';

/** A JSON document with a strong validator, 304 included. */
export function jsonDocument(value: unknown, type = 'application/json'): Fault {
  const body = Buffer.from(JSON.stringify(value));
  const etag = `"${createHash('md5').update(body).digest('hex')}"`;
  return ({ request, send }) => {
    const fields = ['content-type', type, 'etag', etag, 'cache-control', 'max-age=900, public'];
    const known = fieldValue(request.fields, 'if-none-match') === etag;
    return send(known ? { status: 304, fields, body: Buffer.alloc(0) } : { status: 200, fields, body });
  };
}

/** What the legacy JSON says of a project's files, given as filename and absolute URL. */
export function legacyJson(name: string, files: readonly { readonly filename: string; readonly url: string }[]) {
  const records = files.map((file) => ({ ...file, digests: {}, packagetype: 'bdist_wheel' }));
  return {
    info: { name, version: '1.0', home_page: 'https://home.example/' },
    urls: records,
    releases: { '1.0': records },
  };
}

/** Serves the document at `path` of the index from now on. */
export function serveDocument(index: FakeIndex, path: string, value: unknown, type?: string): void {
  index.fault(path, jsonDocument(value, type));
}
