// The runtime's limit for what has to be fetched: a node:http server that asks upstream over connections it keeps, reads
// a page and writes it anew, hashes a file, and leaves either on the disk. It negotiates, judges and remembers nothing.

import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { Agent, createServer, get, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { BareQuestion } from './bare-server.ts';
import { PAGE_FIELDS } from './bench-context.ts';
import { answerParent } from './child-calls.ts';

const agent = new Agent({ keepAlive: true });
const folder = mkdtempSync(join(tmpdir(), 'wheelkeep-bench-bare-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
process.once('SIGTERM', () => process.exit());
/** Without a final slash. */
let upstream = '';

const server = createServer((request, response) => {
  const path = request.url!;
  const isPage = path.startsWith('/simple/');
  get(upstream + path, { agent, headers: isPage ? PAGE_FIELDS : {} }, (answer) => {
    (isPage ? passPage(answer, response) : passFile(answer, response)).catch(() => response.destroy());
  });
});

answerParent<BareQuestion>(async (question) => {
  if (question === undefined) {
    await once(server.listen({ host: '127.0.0.1', port: 0 }), 'listening');
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
  upstream = new URL(question.url).origin;
  return;
});

async function passPage(answer: IncomingMessage, response: ServerResponse): Promise<void> {
  const place = newPlace();
  const creating = open(place.temporary, 'wx');
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const digest = createHash('sha256').update(body).digest('hex');
  const bytes = gzipSync(JSON.stringify(JSON.parse(gunzipSync(body).toString())));
  const file = await creating;
  await file.writev([body, Buffer.from(digest)]);
  await rename(place.temporary, place.name);
  void file.close();
  const { 'content-type': type } = answer.headers;
  response.writeHead(200, { 'content-type': type, 'content-encoding': 'gzip', 'content-length': bytes.length });
  response.end(bytes);
}

async function passFile(answer: IncomingMessage, response: ServerResponse): Promise<void> {
  const place = newPlace();
  const creating = open(place.temporary, 'wx');
  response.writeHead(200, { 'content-length': answer.headers['content-length'] });
  const hash = createHash('sha256');
  for await (const chunk of answer) {
    hash.update(chunk);
    response.write(chunk);
    await (await creating).write(chunk);
  }
  response.end();
  await rename(place.temporary, place.name);
  await (await creating).close();
}

function newPlace(): { readonly temporary: string; readonly name: string } {
  const name = join(folder, randomUUID());
  return { temporary: `${name}-new`, name };
}
