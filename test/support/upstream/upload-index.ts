// An index that takes uploads, as a private one does: what it was sent it lists at once. Written over node:http, because
// the fake index of all other tests takes none.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { fetchAll } from '../proxy/http-client.ts';

export interface UploadIndex {
  /** The base of its simple API. */
  readonly url: string;
  /** Every request: method and target. */
  readonly asked: string[];
  /** The Authorization of the uploads. */
  readonly authorizations: (string | undefined)[];
  /** What the next uploads are answered with; they are listed when it is below 300, or when `always`. */
  refuse(status: number | 'reset', always?: boolean): void;
  /** The next page waits for this, with what it lists now. */
  holdPage(until: Promise<void>): void;
  /** The file names that the project's page lists. */
  list(project: string): string[];
  down(): void;
}

/** Uploads go to `uploadPath`. */
export async function uploadIndex(t: TestContext, uploadPath = '/legacy/'): Promise<UploadIndex> {
  const files = new Map<string, Map<string, Buffer>>();
  const asked: string[] = [];
  const authorizations: (string | undefined)[] = [];
  let refusal: { readonly status: number | 'reset'; readonly always: boolean } | undefined;
  let held: Promise<void> | undefined;
  const take = async (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    authorizations.push(request.headers.authorization);
    const body = Buffer.concat(chunks).toString('latin1');
    const name = /name="name"\r\n(?:[^\r\n]+\r\n)*\r\n([^\r\n]+)/.exec(body)?.[1] ?? '';
    const [, filename = '', content = ''] =
      /filename="([^"]+)"\r\n(?:[^\r\n]+\r\n)*\r\n([\s\S]*?)\r\n--/.exec(body) ?? [];
    const project = name.toLowerCase().replace(/[-_.]+/g, '-');
    if (refusal === undefined || refusal.always) {
      const known = files.get(project) ?? new Map<string, Buffer>();
      files.set(project, known.set(filename, Buffer.from(content, 'latin1')));
    }
    if (refusal?.status === 'reset') return request.socket.destroy();
    response.writeHead(refusal?.status ?? 200).end('said');
  };
  const server = createServer(async (request, response) => {
    asked.push(`${request.method} ${request.url}`);
    if (request.method === 'POST' && request.url === uploadPath) return void take(request, response);
    const [, page, file] = /^\/(?:simple\/([^/]+)\/|files\/(.+))$/.exec(request.url!) ?? [];
    if (file !== undefined) {
      const bytes = [...files.values()].find((known) => known.has(file))?.get(file);
      response.writeHead(bytes === undefined ? 404 : 200).end(bytes);
      return;
    }
    const known = page === undefined ? undefined : files.get(page);
    if (known === undefined) return void response.writeHead(404).end('none');
    const body = JSON.stringify({
      meta: { 'api-version': '1.0' },
      name: page,
      files: [...known].map(([filename, bytes]) => ({
        filename,
        url: `/files/${filename}`,
        hashes: { sha256: createHash('sha256').update(bytes).digest('hex') },
      })),
    });
    const etag = `"${createHash('sha256').update(body).digest('hex')}"`;
    const isSame = request.headers['if-none-match'] === etag;
    const waiting = held;
    held = undefined;
    await waiting;
    response.writeHead(isSame ? 304 : 200, { etag, 'content-type': 'application/vnd.pypi.simple.v1+json' });
    response.end(isSame ? '' : body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const down = () => {
    server.closeAllConnections();
    server.close();
  };
  t.after(down);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/simple/`,
    asked,
    authorizations,
    refuse: (status, always = false) => {
      refusal = { status, always };
    },
    holdPage: (until) => {
      held = until;
    },
    list: (project) => [...(files.get(project)?.keys() ?? [])],
    down,
  };
}

/** Uploads a file of the project as twine does; resolves with the status. */
export async function upload(url: string, name: string, filename: string): Promise<number> {
  const boundary = 'c0ffee';
  const fields = Object.entries({ ':action': 'file_upload', protocol_version: '1', name, version: '1.0' }).map(
    ([key, value]) => `--${boundary}\r\nContent-Disposition: form-data; name="${key}"\r\n\r\n${value}\r\n`,
  );
  const head = `--${boundary}\r\nContent-Disposition: form-data; name="content"; filename="${filename}"\r\n`;
  const content = `Content-Type: application/octet-stream\r\n\r\nbytes of ${filename}\r\n--${boundary}--\r\n`;
  const answer = await fetchAll(url, {
    method: 'POST',
    fields: { 'content-type': `multipart/form-data; boundary=${boundary}`, authorization: 'Basic bWU6c2VjcmV0' },
    body: fields.join('') + head + content,
  });
  return answer.status;
}
