// A repository manager as companies run it: several private indexes on one host, files beside the pages of each
// (`/team-a/simple/`, `/team-a/files/`), and a token for each that opens nothing else.

import type { TestContext } from 'node:test';
import { fieldValue, type RequestHead } from '../../../src/core/http-message.ts';
import { type Answer, FakeServer, type FakeServerOptions } from './fake-server.ts';
import type { LoggedRequest } from './request-log.ts';
import type { Distribution } from './wheels.ts';

export interface Repository {
  /** The value of Authorization that opens it; undefined for one that is open to all. */
  authorization: string | undefined;
  readonly files: readonly Distribution[];
}

export interface RepositoryManager {
  readonly server: FakeServer;
  readonly repositories: Readonly<Record<string, Repository>>;
  /** The base of the simple API of a repository. */
  base(repository: string): string;
  /** What was asked below a repository's path, whatever it was answered. */
  asked(repository: string): readonly LoggedRequest[];
}

export async function repositoryManager(
  t: TestContext,
  repositories: Readonly<Record<string, Repository>>,
  options: Pick<FakeServerOptions, 'tls'> = {},
): Promise<RepositoryManager> {
  const server = await FakeServer.start({ respond: (request) => answerTo(request, repositories), ...options });
  t.after(() => server.close());
  return {
    server,
    repositories,
    base: (repository) => `${server.origin}/${repository}/simple/`,
    asked: (repository) => server.log.entries.filter(({ path }) => path.startsWith(`/${repository}/`)),
  };
}

/** The Authorization values that these requests carried, each once. */
export function authorizationsOf(requests: readonly LoggedRequest[]): (string | undefined)[] {
  return [...new Set(requests.map(({ fields }) => fieldValue(fields, 'authorization')))];
}

function answerTo({ url, method, fields }: RequestHead, repositories: Readonly<Record<string, Repository>>): Answer {
  const [, name = '', kind = '', ...rest] = (url.split('?')[0] ?? '').split('/');
  const repository = repositories[name];
  if (repository === undefined) return plain(404, 'no such repository');
  const { authorization, files } = repository;
  if (authorization !== undefined && fieldValue(fields, 'authorization') !== authorization) {
    return { status: 401, fields: ['www-authenticate', 'Basic realm="x"'], body: Buffer.from('who are you?') };
  }
  if (method === 'POST') return plain(200, 'taken');
  if (kind === 'simple') return pageOf(files.filter(({ filename }) => projectOf(filename) === rest[0]));
  const body = kind === 'files' ? bodyOf(files, rest[0] ?? '') : undefined;
  return body === undefined ? plain(404, 'nothing here') : fileAnswer(fields, body);
}

function pageOf(files: readonly Distribution[]): Answer {
  if (files.length === 0) return plain(404, 'no such project');
  // Sizes are not told, so a HEAD is asked of upstream too.
  const links = files.map(({ filename, sha256, metadataSha256 }) => {
    const metadata = filename.endsWith('.whl') ? ` data-core-metadata="sha256=${metadataSha256}"` : '';
    return `<a href="../../files/${filename}#sha256=${sha256}"${metadata} data-gpg-sig="true">${filename}</a>`;
  });
  const body = Buffer.from(`<!DOCTYPE html><html><body>${links.join('\n')}</body></html>`);
  return { status: 200, fields: ['content-type', 'text/html'], body };
}

function projectOf(filename: string): string {
  return filename.split('-')[0]!.replaceAll('_', '-');
}

function bodyOf(files: readonly Distribution[], name: string): Buffer | undefined {
  for (const { filename, bytes, metadata } of files) {
    if (name === filename) return bytes;
    if (name === `${filename}.metadata`) return metadata;
    if (name === `${filename}.asc`) return Buffer.from('-----BEGIN PGP SIGNATURE-----');
  }
  return undefined;
}

function fileAnswer(fields: RequestHead['fields'], bytes: Buffer): Answer {
  const range = /^bytes=(\d+)-(\d+)$/.exec(fieldValue(fields, 'range') ?? '');
  const type = ['content-type', 'application/octet-stream', 'etag', '"1"'];
  if (range === null) return { status: 200, fields: type, body: bytes };
  const [first, last] = [Number(range[1]), Math.min(Number(range[2]), bytes.length - 1)];
  const part = ['content-range', `bytes ${first}-${last}/${bytes.length}`];
  return { status: 206, fields: [...type, ...part], body: bytes.subarray(first, last + 1) };
}

function plain(status: number, text: string): Answer {
  return { status, fields: ['content-type', 'text/plain'], body: Buffer.from(text) };
}
