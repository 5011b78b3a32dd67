// What the upstream client makes of every kind of answer.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { fieldLines, fieldValue } from '../../src/core/http-message.ts';
import { bytesOf, failureOf, get, upstreamClient } from '../support/proxy/upstream-client.ts';
import { type Answer, FakeServer } from '../support/upstream/fake-server.ts';
import * as faults from '../support/upstream/faults.ts';

const BODY = Buffer.alloc(100_000, 'wheel');
const ANSWER: Answer = { status: 200, fields: ['content-type', 'text/plain', 'X-Two', 'a', 'x-two', 'b'], body: BODY };

async function server(context: TestContext, answer: Answer = ANSWER): Promise<FakeServer> {
  const started = await FakeServer.start({ respond: () => answer });
  context.after(() => started.close());
  return started;
}

test('an answer arrives with its fields in order, names in lower case, lines kept apart, and its source', async (t) => {
  const it = await server(t);
  const response = await upstreamClient(t).fetch(get(`${it.origin}/a?b#c`));
  assert.equal(response.status, 200);
  assert.deepEqual(fieldLines(response.fields, 'x-two'), ['a', 'b']);
  assert.equal(response.url, `${it.origin}/a?b`);
  assert.equal(response.source, `127.0.0.1:${it.port}/127.0.0.1:${it.port}`);
  assert.ok(response.requestTime <= response.responseTime);
  assert.deepEqual(await bytesOf(response.body), BODY);
});

test('exactly the given fields are sent, with Host and our User-Agent, and nothing more', async (t) => {
  const it = await server(t);
  const response = await upstreamClient(t).fetch(get(it.origin, { fields: ['accept', 'a/b', 'host', 'evil.example'] }));
  await bytesOf(response.body);
  const { fields } = it.log.entries[0]!;
  assert.equal(fieldValue(fields, 'host'), `127.0.0.1:${it.port}`);
  assert.equal(fieldValue(fields, 'accept'), 'a/b');
  assert.equal(fieldValue(fields, 'user-agent'), 'wheelkeep-test/1 (+https://project.example)');
  assert.deepEqual(
    new Set(fields.filter((_, i) => i % 2 === 0)),
    new Set(['host', 'connection', 'accept', 'user-agent']),
  );
});

test('a gzip body stays as it was sent, also when the label lies', async (t) => {
  const it = await server(t);
  const client = upstreamClient(t);
  it.fault('/a', faults.gzipped());
  assert.deepEqual(await bytesOf((await client.fetch(get(`${it.origin}/a`))).body), gzipSync(BODY));
  it.fault('/b', faults.mislabelledGzip());
  assert.deepEqual(await bytesOf((await client.fetch(get(`${it.origin}/b`))).body), BODY);
});

test('a head of hundreds of kilobytes is a failure at once', async (t) => {
  const it = await server(t);
  const line = `x-large: ${'a'.repeat(100)}\r\n`;
  it.fault('/a', faults.rawBytes(`HTTP/1.1 200 OK\r\n${line.repeat(3_000)}`));
  const startedAt = performance.now();
  const failure = await failureOf(upstreamClient(t).fetch(get(`${it.origin}/a`)));
  assert.deepEqual(
    [failure.kind, failure.message],
    ['protocol', `127.0.0.1:${it.port}: the head or the trailers of the answer are too large`],
  );
  assert.ok(performance.now() - startedAt < 1_000);
});

test('interim answers are skipped, and told to whoever wants them', async (t) => {
  const it = await server(t);
  it.fault('/a', faults.informational(103, 2));
  const told: number[] = [];
  const response = await upstreamClient(t).fetch(
    get(`${it.origin}/a`, { onInformational: (status, fields) => told.push(status, fields.length) }),
  );
  assert.equal(response.status, 200);
  assert.deepEqual(told, [103, 2, 103, 2]);
});

test('HEAD, 204 and 304 have no body; after the last two the connection is used again', async (t) => {
  const it = await server(t);
  const client = upstreamClient(t);
  it.fault(
    '/204',
    faults.alter(() => ({ status: 204, body: Buffer.alloc(0) })),
  );
  it.fault('/304', faults.notModified('"a"'));
  for (const [path, method] of [
    ['/204', 'GET'],
    ['/304', 'GET'],
    ['/304', 'GET'],
    ['/a', 'HEAD'],
  ] as const) {
    const response = await client.fetch(get(it.origin + path, { method }));
    assert.equal((await bytesOf(response.body)).length, 0);
  }
  assert.equal(new Set(it.log.entries.map(({ connection }) => connection)).size, 1);
});

for (const [what, fault] of [
  ['is cut before its Content-Length', faults.truncated(50_000)],
  ['is reset before its Content-Length', faults.truncated(50_000, 'rst')],
  ['is chunked without a last chunk', faults.unfinishedChunks(50_000)],
  ['has only the end of the connection to end it, and that is a reset', resetWithoutLength()],
] as const) {
  test(`a body that ${what} errors and never ends cleanly`, async (t) => {
    const it = await server(t);
    it.fault('/a', fault);
    const response = await upstreamClient(t).fetch(get(`${it.origin}/a`));
    const failure = await failureOf(bytesOf(response.body));
    assert.ok(failure.kind === 'reset' || failure.kind === 'protocol', failure.kind);
  });
}

function resetWithoutLength(): ReturnType<typeof faults.silence> {
  return async ({ socket, reset }) => {
    await new Promise<void>((done) => socket.write(`HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhalf`, () => done()));
    await new Promise((done) => setTimeout(done, 50));
    reset();
  };
}

test('bytes beyond the Content-Length are not believed, and that connection is never used again', async (t) => {
  const it = await server(t);
  it.fault('/a', faults.tooLong());
  const client = upstreamClient(t);
  const first = await client.fetch(get(`${it.origin}/a`));
  assert.deepEqual(await bytesOf(first.body), BODY);
  const second = await client.fetch(get(`${it.origin}/b`));
  assert.deepEqual(await bytesOf(second.body), BODY);
  assert.deepEqual(
    it.log.entries.map(({ connection }) => connection),
    [1, 2],
  );
});

test('a body larger than allowed is refused by its announced length, and by its bytes when it announces none', async (t) => {
  const it = await server(t);
  const client = upstreamClient(t);
  assert.equal((await failureOf(client.fetch(get(it.origin, { maxBodyBytes: 99_999 })))).kind, 'too-large');
  it.fault('/a', faults.unfinishedChunks(100_000));
  const response = await client.fetch(get(`${it.origin}/a`, { maxBodyBytes: 1_000 }));
  assert.equal((await failureOf(bytesOf(response.body))).kind, 'too-large');
  assert.equal((await bytesOf((await client.fetch(get(it.origin, { maxBodyBytes: 100_000 }))).body)).length, 100_000);
});

for (const [what, bytes] of [
  ['no HTTP at all', 'SSH-2.0-OpenSSH_9.2\r\n'],
  ['a line feed without carriage return in the head', 'HTTP/1.1 200 OK\ncontent-length: 0\n\n'],
  ['a folded field line', 'HTTP/1.1 200 OK\r\nx-a: b\r\n c\r\ncontent-length: 0\r\n\r\n'],
  ['a NUL in a field value', 'HTTP/1.1 200 OK\r\nx-a: b\0c\r\ncontent-length: 0\r\n\r\n'],
  ['a bare carriage return in a field value', 'HTTP/1.1 200 OK\r\nx-a: b\rset-cookie: c\r\ncontent-length: 0\r\n\r\n'],
  ['two lengths', 'HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab'],
  ['a length and chunks', 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['a space before the colon', 'HTTP/1.1 200 OK\r\ncontent-length : 0\r\n\r\n'],
  ['a chunk size that is no number', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n\r\n'],
  ['a head of 65 KB', `HTTP/1.1 200 OK\r\nx-a: ${'a'.repeat(66_000)}\r\ncontent-length: 0\r\n\r\n`],
  ['300 field lines', `HTTP/1.1 200 OK\r\n${'x-a: b\r\n'.repeat(300)}content-length: 0\r\n\r\n`],
  ['a switch of protocols nobody asked for', 'HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n'],
] as const) {
  test(`an answer with ${what} is refused`, async (t) => {
    const it = await server(t);
    it.fault('/a', faults.rawBytes(bytes));
    const failure = await failureOf(
      upstreamClient(t)
        .fetch(get(`${it.origin}/a`))
        .then(({ body }) => bytesOf(body)),
    );
    assert.ok(failure.kind === 'protocol' || failure.kind === 'reset', failure.kind);
  });
}

test('a 5xx is asked once more over a new connection; when that is one too, it is the answer', async (t) => {
  const it = await server(t);
  const client = upstreamClient(t);
  for (const code of [500, 502, 503, 504]) {
    it.log.clear();
    it.fault('/once', faults.status(code), { times: 1 });
    it.fault('/ever', faults.status(code));
    assert.equal((await client.fetch(get(`${it.origin}/once`))).status, 200);
    assert.equal((await client.fetch(get(`${it.origin}/ever`))).status, code);
    assert.equal(it.log.count('/once'), 2);
    assert.equal(it.log.count('/ever'), 2);
    const [first, second] = it.log.entries.map(({ connection }) => connection);
    assert.notEqual(first, second);
  }
});

test('nothing is asked twice that asked us to wait, that may change something, or whose caller said no', async (t) => {
  const it = await server(t);
  const client = upstreamClient(t);
  it.fault('/wait', faults.status(503, ['retry-after', '5']));
  it.fault('/error', faults.status(500));
  it.fault('/cut', faults.hangUp('rst'));
  assert.equal((await client.fetch(get(`${it.origin}/wait`))).status, 503);
  assert.equal((await client.fetch(get(`${it.origin}/error`, { method: 'POST' }))).status, 500);
  assert.equal((await client.fetch(get(`${it.origin}/error`, { retry: false }))).status, 500);
  await failureOf(client.fetch(get(`${it.origin}/cut`, { method: 'POST' })));
  await failureOf(client.fetch(get(`${it.origin}/cut`, { retry: false, freshConnection: true })));
  assert.equal(it.log.count(), 5);
});

test('an exchange that breaks before the answer is tried once more', async (t) => {
  const it = await server(t);
  it.fault('/a', faults.hangUp('rst'), { times: 1 });
  assert.equal((await upstreamClient(t).fetch(get(`${it.origin}/a`))).status, 200);
  it.fault('/b', faults.hangUp('fin'));
  assert.equal((await failureOf(upstreamClient(t).fetch(get(`${it.origin}/b`)))).kind, 'reset');
  assert.equal(it.log.count('/b'), 2);
});

test('a connection that the server closes just as it is used again costs no error, not even without retries', async (t) => {
  const it = await server(t);
  it.fault(/./, faults.closeAtReuse());
  const client = upstreamClient(t);
  for (let i = 0; i < 4; i += 1) {
    const response = await client.fetch(get(it.origin, { retry: false }));
    assert.deepEqual(await bytesOf(response.body), BODY);
  }
  assert.equal(it.log.count(), 7);
});

test('a connection that was idle for more than 4 s is not used again', async (t) => {
  const it = await server(t);
  let now = Date.now();
  const client = upstreamClient(t, { now: () => now });
  for (const pause of [0, 3_900, 4_100]) {
    now += pause;
    await bytesOf((await client.fetch(get(it.origin))).body);
  }
  assert.deepEqual(
    it.log.entries.map(({ connection }) => connection),
    [1, 1, 2],
  );
});
