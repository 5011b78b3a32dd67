// Upstreams that are odd where the meaning is plain: installers take what they send, and so do we. Oddities that could
// hide something are refused as ever.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { fieldLines, withField } from '../../src/core/http-message.ts';
import { fileWorld, LARGE, SMALL } from '../support/proxy/file-world.ts';
import { fetchAll, get } from '../support/proxy/http-client.ts';
import { getPage, listed } from '../support/proxy/page-client.ts';
import type { Answer, Exchange } from '../support/upstream/fake-server.ts';
import type { Fault } from '../support/upstream/fault-plan.ts';
import { alter, redirect } from '../support/upstream/faults.ts';

/** The answer as bytes, with these lines before its head and among its fields. */
function onTheWire({ answer, socket }: Exchange, before: string, extra: (answer: Answer) => readonly string[]): void {
  const lines = [`HTTP/1.1 ${answer.status} OK`];
  for (let i = 0; i < answer.fields.length; i += 2) lines.push(`${answer.fields[i]}: ${answer.fields[i + 1]}`);
  lines.push(...extra(answer));
  socket.write(`${before}${lines.join('\r\n')}\r\n\r\n`);
  socket.write(answer.body);
}

const length = ({ body }: Answer) => `Content-Length: ${body.length}`;
const type = ({ fields }: Answer) => `content-type: ${fieldLines(fields, 'content-type')[0]}`;

/** The head in pieces of so many bytes, each by itself. */
function inPieces(bytes: number, head: (answer: Answer) => string): Fault {
  return async ({ answer, socket }) => {
    socket.setNoDelay(true);
    const text = head(answer);
    for (let at = 0; at < text.length; at += bytes) {
      socket.write(text.slice(at, at + bytes));
      await new Promise(setImmediate);
    }
    socket.write(answer.body);
  };
}

const ODDITIES: readonly (readonly [name: string, fault: Fault])[] = [
  ...['aws-chunked', 'AWS-Chunked', 'none', 'binary', 'utf-8', 'identity', ''].map(
    (label) => [`Content-Encoding: ${label}`, plainWith('content-encoding', label)] as const,
  ),
  ['Content-Encoding: gzip, aws-chunked on gzip', gzippedAs('gzip,aws-chunked')],
  ['status 203', alter(() => ({ status: 203 }))],
  ['100 Continue that nobody asked for', (it) => onTheWire(it, 'HTTP/1.1 100 Continue\r\n\r\n', (a) => [length(a)])],
  [
    '100, 103 and 100 again',
    (it) =>
      onTheWire(
        it,
        'HTTP/1.1 100\r\nx: y\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.0 100 Continue\r\n\r\n',
        (a) => [length(a)],
      ),
  ],
  ['Content-Type twice', (it) => onTheWire(it, '', (a) => [length(a), type(a)])],
  ['Content-Length twice', (it) => onTheWire(it, '', (a) => [length(a), length(a)])],
  ['Content-Length three times, in its own ways', (it) => onTheWire(it, '', lengthsInManyWays)],
  [
    'a 100 and two lengths in pieces of one byte',
    inPieces(1, (a) => {
      const fields = a.fields.map((text, i) => (i % 2 === 0 ? `${text}: ` : `${text}\r\n`)).join('');
      return `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n${fields}${length(a)}\r\n${length(a)}\r\n\r\n`;
    }),
  ],
];

function lengthsInManyWays({ body }: Answer): string[] {
  return [
    `content-length:${body.length}`,
    `CONTENT-LENGTH:  ${body.length} `,
    `content-length: ${body.length}, ${body.length}`,
  ];
}

/** The body without coding under that label. */
function plainWith(name: string, value: string): Fault {
  return (exchange) => {
    const { answer } = exchange;
    const isCoded = fieldLines(answer.fields, 'content-encoding').includes('gzip');
    const body = isCoded ? gunzipSync(answer.body) : answer.body;
    return exchange.send({ ...answer, fields: withField(answer.fields, name, value), body });
  };
}

function gzippedAs(label: string): Fault {
  return async (exchange) => {
    const { answer } = exchange;
    const isCoded = fieldLines(answer.fields, 'content-encoding').includes('gzip');
    const body = isCoded ? answer.body : gzipSync(answer.body);
    return exchange.send({ ...answer, fields: withField(answer.fields, 'content-encoding', label), body });
  };
}

describe('an upstream that sends', { concurrency: true }, () => {
  for (const [name, fault] of ODDITIES) {
    for (const sizeBytes of [SMALL, LARGE]) {
      it(`${name} is understood: its pages, and files of ${sizeBytes} bytes`, async (test) => {
        const { index, proxy, file, url } = await fileWorld(test, { sizeBytes });
        index.fault(/./, fault);
        const page = await getPage(proxy, 'demo');
        assert.equal(page.status, 200, page.text());
        assert.deepEqual(listed(page), [file.filename]);
        assert.equal((await get(url)).sha256, file.sha256);
        assert.equal((await get(`${url}.metadata`)).sha256, file.metadataSha256);
        // What was stored is what was understood.
        const again = await get(url);
        assert.equal(again.sha256, file.sha256);
        assert.match(again.field('cache-status') ?? '', /hit/);
      });
    }
  }

  for (const [name, extra] of [
    ['two lengths that differ', (a: Answer) => [length(a), `content-length: ${a.body.length + 1}`]],
    ['two types that differ', (a: Answer) => [length(a), 'content-type: application/octet-stream']],
    ['a list of lengths that differ', (a: Answer) => [`content-length: ${a.body.length}, ${a.body.length - 1}`]],
  ] as const) {
    it(`${name} is not guessed about`, async (test) => {
      const { index, proxy } = await fileWorld(test);
      index.fault(/^\/simple\//, (exchange) => onTheWire(exchange, '', extra));
      assert.equal((await getPage(proxy, 'demo')).status, 502);
    });
  }

  it('bytes that are really coded in a way nobody asked for is no page', async (test) => {
    const { index, proxy } = await fileWorld(test);
    index.fault(/^\/simple\//, gzippedAs('aws-chunked'));
    assert.equal((await getPage(proxy, 'demo')).status, 502);
  });
});

it('a request names us once in Via, however often it is redirected', async (t) => {
  const { index, file, path, proxy, url } = await fileWorld(t);
  index.fault('/simple/demo/', redirect('/simple/demo/?there'), { times: 1 });
  index.fault(path, redirect(`${path}?there`), { times: 1 });
  assert.equal((await getPage(proxy, 'demo')).status, 200);
  assert.equal((await get(url)).sha256, file.sha256);
  assert.equal(index.log.entries.length, 4);
  for (const { fields } of index.log.entries) {
    const via = fieldLines(fields, 'via');
    assert.equal(via.length, 1);
    assert.doesNotMatch(via[0]!, /,/);
  }
});

describe('If-Modified-Since', () => {
  it('counts as far as it is an HTTP date', async (test) => {
    const { url } = await fileWorld(test);
    const modified = (await get(url)).field('last-modified')!;
    for (const [since, code] of [
      [modified, 304],
      ['Fri, 01 Jan 2100 00:00:00 GMT', 304],
      ['Friday, 01-Jan-60 00:00:00 GMT', 304],
      ['Fri Jan  1 00:00:00 2100', 304],
      ['Thu, 01 Jan 2004 00:00:00 GMT', 200],
      ['tomorrow 2099-01-01', 200],
      ['2099-01-01', 200],
      ['2099', 200],
      ['Fri, 01 Jan 2100', 200],
      ['Fri, 31 Feb 2100 00:00:00 GMT', 200],
      ['', 200],
    ] as const) {
      assert.equal((await fetchAll(url, { fields: { 'if-modified-since': since } })).status, code, since);
    }
  });
});
