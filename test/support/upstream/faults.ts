// The catalogue of what an upstream can do wrong in one answer. Each is a value to be set on a FakeServer or FakeIndex;
// the numbers in brackets are the rows of the fault matrix that it plays. Closed ports are FakeServer.down().

import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import { fieldValue, withField, withoutFields } from '../../../src/core/http-message.ts';
import { type Answer, type Exchange, headBytes } from './fake-server.ts';
import type { Fault } from './fault-plan.ts';

/** Answers well, but with these parts of the answer changed: the base of most faults below. */
export function alter(change: (answer: Answer) => Partial<Answer>): Fault {
  return ({ answer, send }) => send({ ...answer, ...change(answer) });
}

/** Another status with its own fields and body, the healthy answer thrown away. */
export function status(code: number, fields: readonly string[] = [], body = `fault ${code}`): Fault {
  const typed = fieldValue(fields, 'content-type') === undefined ? ['content-type', 'text/plain', ...fields] : fields;
  return alter(() => ({ status: code, fields: typed, body: Buffer.from(body) }));
}

/** Takes the request and never answers. */
export function silence(): Fault {
  return () => {};
}

/** The header section and `bytes` of the body, then nothing for ever. */
export function silenceAfter(bytes = 0): Fault {
  return ({ answer, socket }) => {
    socket.write(declaringLength(answer));
    socket.write(answer.body.subarray(0, bytes));
  };
}

/** Closes or resets the connection instead of answering. */
export function hangUp(ending: 'fin' | 'rst' = 'fin'): Fault {
  return (exchange) => {
    if (ending === 'rst') exchange.reset();
    else exchange.socket.end();
  };
}

/** A right answer at this rate: a drip for 1, a slow line for 10_000_000. */
export function rate(bytesPerSecond: number): Fault {
  return async ({ answer, socket }) => {
    socket.write(declaringLength(answer));
    const start = performance.now();
    for (let sent = 0; sent < answer.body.length && !socket.destroyed; ) {
      // What is due by now, one byte at least; a late timer is made up for by a larger slice.
      const due = Math.max(sent + 1, Math.floor(((performance.now() - start) / 1000) * bytesPerSecond));
      if (!socket.write(answer.body.subarray(sent, due))) await drained(socket);
      sent = due;
      await sleep(Math.max(5, start + (sent / bytesPerSecond) * 1000 - performance.now()), undefined, { ref: false });
    }
  };
}

/** The head at once, the body after that time. */
export function lateBody(ms: number): Fault {
  return async ({ answer, socket }) => {
    socket.write(declaringLength(answer));
    await sleep(ms, undefined, { ref: false });
    socket.write(answer.body);
  };
}

/** The head and `bytes` of the body at once, the rest after that time. */
export function pauseAfter(bytes: number, ms: number): Fault {
  return async ({ answer, socket }) => {
    socket.write(declaringLength(answer));
    socket.write(answer.body.subarray(0, bytes));
    await sleep(ms, undefined, { ref: false });
    socket.write(answer.body.subarray(bytes));
  };
}

/** `bytes` of the body every `everyMs` for so long, then the rest at once: a virus scanner reads it first. */
export function trickle(forMs: number, bytes = 10, everyMs = 2_000): Fault {
  return async ({ answer, socket }) => {
    socket.write(declaringLength(answer));
    const end = performance.now() + forMs;
    let sent = 0;
    for (; performance.now() < end && !socket.destroyed; sent += bytes) {
      socket.write(answer.body.subarray(sent, sent + bytes));
      await sleep(everyMs, undefined, { ref: false });
    }
    socket.write(answer.body.subarray(sent));
  };
}

/** Announces the whole length, sends `bytes`, then ends or resets the connection. */
export function truncated(bytes: number, ending: 'fin' | 'rst' = 'fin'): Fault {
  return async (exchange) => {
    await flushed(exchange, declaringLength(exchange.answer), exchange.answer.body.subarray(0, bytes));
    hangUp(ending)(exchange);
  };
}

/** Chunked, ended by closing the connection after `bytes`, without the last chunk. */
export function unfinishedChunks(bytes: number): Fault {
  return async (exchange) => {
    const head = headBytes({ ...exchange.answer, fields: [...exchange.answer.fields, 'transfer-encoding', 'chunked'] });
    const part = exchange.answer.body.subarray(0, bytes);
    await flushed(
      exchange,
      head,
      Buffer.concat([Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n')]),
    );
    exchange.socket.end();
  };
}

/** No length and no chunks: the end of the connection is the end of the body, after `bytes`. */
export function closeDelimited(bytes: number): Fault {
  return async (exchange) => {
    const head = headBytes({ ...exchange.answer, fields: [...exchange.answer.fields, 'connection', 'close'] });
    await flushed(exchange, head, exchange.answer.body.subarray(0, bytes));
    exchange.socket.end();
  };
}

/** The whole body and `extra` bytes more than announced. */
export function tooLong(extra = 100): Fault {
  return async (exchange) => {
    const body = Buffer.concat([exchange.answer.body, Buffer.alloc(extra, 'x')]);
    await flushed(exchange, declaringLength(exchange.answer), body);
    exchange.socket.end();
  };
}

/** The right length with one byte flipped; negative offsets count from the end. */
export function wrongByte(offset: number): Fault {
  return alter(({ body }) => {
    const wrong = Buffer.from(body);
    wrong[offset < 0 ? body.length + offset : offset]! ^= 0xff;
    return { body: wrong };
  });
}

/** The first `bytes` of the body, not coded, as if they were all of it: a JSON page cut short. */
export function cutBody(bytes: number): Fault {
  return (exchange) => replacedBody(plainBody(exchange.answer).subarray(0, bytes))(exchange);
}

/** 200 with the right type and no body. */
export function emptyBody(): Fault {
  return cutBody(0);
}

/** Another body, not coded, under otherwise the same fields: for pages that are to be wrong in one detail. */
export function replacedBody(body: string | Buffer): Fault {
  return alter(({ fields }) => ({
    fields: withoutFields(fields, new Set(['content-encoding'])),
    body: Buffer.from(body),
  }));
}

/** The page of a captive portal or a single sign-on, with status 200. */
export function loginPage(): Fault {
  const page = '<!doctype html><title>Sign in</title><form><input name="user"><a href="/help">Help</a></form>';
  return status(200, ['content-type', 'text/html; charset=utf-8'], page);
}

/** The same body under another Content-Type; undefined leaves the field out. */
export function contentType(value: string | undefined): Fault {
  return alter(({ fields }) => ({
    fields:
      value === undefined ? withoutFields(fields, new Set(['content-type'])) : withField(fields, 'content-type', value),
  }));
}

/** A field set to another value: a Date that is days off, an unexpected Set-Cookie, a foreign ETag. */
export function withAnswerField(name: string, value: string): Fault {
  return alter(({ fields }) => ({ fields: withField(fields, name, value) }));
}

/** Rightly labelled gzip, asked for or not: also what a file host must not do to a wheel. */
export function gzipped(): Fault {
  return alter((answer) => ({
    fields: withField(answer.fields, 'content-encoding', 'gzip'),
    body: gzipSync(plainBody(answer)),
  }));
}

/** Says gzip, sends the plain bytes. */
export function mislabelledGzip(): Fault {
  return alter((answer) => ({
    fields: withField(answer.fields, 'content-encoding', 'gzip'),
    body: plainBody(answer),
  }));
}

/** A gzip page of `bytes` zeros when decoded, a thousandth of it on the wire. */
export function gzipBomb(bytes: number): Fault {
  // Gzip members may follow one another (RFC 1952 2.2), so one is made and repeated.
  const member = gzipSync(Buffer.alloc(16 << 20));
  const body = Buffer.concat(Array(Math.ceil(bytes / (16 << 20))).fill(member));
  return alter(({ fields }) => ({ fields: withField(fields, 'content-encoding', 'gzip'), body }));
}

export function redirect(location: string, code = 302): Fault {
  return status(code, ['location', location], '');
}

/** Redirects to itself, with a query that counts so that no cache ends it. */
export function redirectLoop(): Fault {
  let count = 0;
  return (exchange) => redirect(`${exchange.request.url.split('?')[0]}?loop=${++count}`)(exchange);
}

/** 304 whether or not the request was conditional. */
export function notModified(etag?: string): Fault {
  return alter(() => ({ status: 304, fields: etag === undefined ? [] : ['etag', etag], body: Buffer.alloc(0) }));
}

/** 206 with the first half, to a request that named no range. */
export function unaskedPartial(): Fault {
  return alter(({ fields, body }) => {
    const half = body.length >> 1;
    const range = withField(fields, 'content-range', `bytes 0-${half - 1}/${body.length}`);
    return { status: 206, fields: range, body: body.subarray(0, half) };
  });
}

/** Answers, or meets `then`, after `ms` milliseconds. */
export function delay(ms: number, then: Fault = alter(() => ({}))): Fault {
  return async (exchange) => {
    await sleep(ms, undefined, { ref: false });
    if (!exchange.socket.destroyed) await then(exchange);
  };
}

/** Answers the first request of a connection and closes it when a second one arrives. */
export function closeAtReuse(): Fault {
  return (exchange) => {
    if (exchange.requestOnConnection === 1) return exchange.send(exchange.answer);
    exchange.reset();
    return undefined;
  };
}

/** Interim answers before the real one, which clients must skip (RFC 9110 15.2). */
export function informational(code = 103, times = 1): Fault {
  return ({ answer, socket, send }) => {
    for (let i = 0; i < times; i += 1)
      socket.write(`HTTP/1.1 ${code} Interim\r\nlink: </style.css>; rel=preload\r\n\r\n`);
    return send(answer);
  };
}

/** Bytes of one's own instead of an HTTP answer; the connection is closed after them. */
export function rawBytes(bytes: string | Buffer): Fault {
  return ({ socket }) => {
    socket.end(bytes);
  };
}

/** The body without the coding that a healthy page already has for a client that asked for gzip. */
function plainBody({ fields, body }: Answer): Buffer {
  return fieldValue(fields, 'content-encoding') === 'gzip' ? gunzipSync(body) : body;
}

function declaringLength(answer: Answer): string {
  return headBytes({ ...answer, fields: withField(answer.fields, 'content-length', String(answer.body.length)) });
}

/** Resolves when the kernel has the bytes, so that a reset afterwards does not take them along. */
async function flushed({ socket }: Exchange, head: string, body: Buffer): Promise<void> {
  socket.write(head);
  await new Promise<void>((resolve) => {
    socket.write(body, () => resolve());
  });
}

async function drained(socket: Exchange['socket']): Promise<void> {
  if (socket.destroyed) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.once('drain', resolve);
  socket.once('close', resolve);
  await promise;
  socket.off('drain', resolve);
  socket.off('close', resolve);
}
