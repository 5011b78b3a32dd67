// The runtime's limit for a crowd: a node:http server that fetches a file once, as soon as the first client asks for it,
// and writes every piece to all of them as it comes. It checks, stores and bounds nothing.

import { once } from 'node:events';
import { createServer, get, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { BareQuestion } from './bare-server.ts';
import { answerParent } from './child-calls.ts';

interface Arriving {
  readonly clients: ServerResponse[];
  readonly pieces: Buffer[];
  sizeBytes: number | undefined;
  isWhole: boolean;
}

/** Where the files are fetched, by their paths. */
const sources = new Map<string, string>();
const files = new Map<string, Arriving>();

const server = createServer((request, response) => {
  const path = request.url!;
  const file = files.get(path) ?? fetched(path);
  file.clients.push(response);
  if (file.sizeBytes !== undefined) begin(file, response);
});

answerParent<BareQuestion>(async (question) => {
  if (question === undefined) {
    await once(server.listen({ host: '127.0.0.1', port: 0, backlog: 1024 }), 'listening');
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
  sources.set(new URL(question.url).pathname, question.url);
  return;
});

function fetched(path: string): Arriving {
  const file: Arriving = { clients: [], pieces: [], sizeBytes: undefined, isWhole: false };
  files.set(path, file);
  get(sources.get(path)!, (answer) => {
    file.sizeBytes = Number(answer.headers['content-length']);
    for (const client of file.clients) begin(file, client);
    answer.on('data', (piece: Buffer) => {
      file.pieces.push(piece);
      for (const client of file.clients) client.write(piece);
    });
    answer.on('end', () => {
      file.isWhole = true;
      for (const client of file.clients) client.end();
    });
  });
  return file;
}

function begin({ pieces, sizeBytes, isWhole }: Arriving, client: ServerResponse): void {
  client.writeHead(200, { 'content-length': sizeBytes });
  for (const piece of pieces) client.write(piece);
  if (isWhole) client.end();
}
