// The runtime's limit: a node:http server that knows its answers by heart. It is told addresses, fetches each once, and
// from then on sends the same fields and bytes, and 304 where the tag is the client's.

import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { answerParent } from './child-calls.ts';
import { fetchWhole } from './fetch-whole.ts';

/** An answer to learn; undefined asks where the server listens. */
export type BareQuestion = { readonly url: string; readonly fields: Readonly<Record<string, string>> } | undefined;

interface Known {
  readonly bytes: Buffer;
  readonly etag: string;
  readonly fields: string[];
  readonly notModifiedFields: string[];
}

const answers = new Map<string, Known>();

const server = createServer((request, response) => {
  const known = answers.get(request.url!);
  if (known === undefined) {
    response.writeHead(404).end();
  } else if (request.headers['if-none-match'] === known.etag) {
    response.writeHead(304, known.notModifiedFields).end();
  } else {
    response.writeHead(200, known.fields).end(known.bytes);
  }
});
server.keepAliveTimeout = 120_000;

answerParent<BareQuestion>(async (question) => {
  if (question === undefined) {
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }
  const { url, fields } = question;
  const whole = await fetchWhole(url, fields);
  const etag = whole.fields.etag ?? '';
  const unchanged = await fetchWhole(url, { ...fields, 'if-none-match': etag });
  answers.set(new URL(url).pathname, {
    bytes: whole.body,
    etag,
    fields: flat(whole.fields),
    notModifiedFields: flat(unchanged.fields),
  });
  return;
});

/** Without what Node writes itself. */
function flat(fields: Readonly<Record<string, string>>): string[] {
  return Object.entries(fields)
    .filter(([name]) => !['date', 'connection', 'keep-alive'].includes(name))
    .flat();
}
