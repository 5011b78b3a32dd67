// What a raw mount passes on, both ways: everything but what belongs to one hop.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { it, type TestContext } from 'node:test';
import type { RawMountConfig } from '../../src/config/config.ts';
import { fetchAll, get, sendRaw } from '../support/proxy/http-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';

type Respond = (request: IncomingMessage, response: ServerResponse, body: string) => void;

/** An origin that can do what a well-behaved fake server cannot: answer 1xx and read bodies. */
async function mount(test: TestContext, respond: Respond, more: Partial<RawMountConfig> = {}) {
  const asked: string[] = [];
  const serve = async (request: IncomingMessage, response: ServerResponse) => {
    asked.push(`${request.method} ${request.url}`);
    let body = '';
    for await (const chunk of request) body += chunk;
    respond(request, response, body);
  };
  const server = createServer(serve);
  server.on('checkContinue', (request, response) => {
    response.writeContinue();
    void serve(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const listen = { host: '127.0.0.1', port: 0 };
  const proxy = await startProxy({
    upstreams: [`${origin}simple/`],
    config: { raw: [{ name: 'origin', origin, listen, maxBodyBytes: 1e9, redirectOrigins: [], ...more }] },
  });
  test.after(async () => {
    await proxy.close();
    server.closeAllConnections();
    server.close();
  });
  return { asked, origin, proxy, url: proxy.app.rawUrls.get('origin')! };
}

it('serves a mount below /raw/<name>/ and at the root of its own listener, from one cache', async (test) => {
  const { asked, proxy, url } = await mount(test, (request, response) => {
    response.writeHead(200, { 'cache-control': 'max-age=60' }).end(request.url);
  });
  assert.equal((await get(`${proxy.url}/raw/origin/some/path?q=1&q=2`)).text(), '/some/path?q=1&q=2');
  assert.equal((await get(`${url}some/path?q=1&q=2`)).text(), '/some/path?q=1&q=2');
  assert.deepEqual(asked, ['GET /some/path?q=1&q=2']);
  assert.equal((await get(`${proxy.url}/raw/other/a`)).status, 404);
  assert.match((await get(`${url}simple/`)).text(), /simple/, 'the root of a mount has none of our own paths');
});

it('never leaves the base of the mount', async (test) => {
  const { asked, origin } = await mount(test, (_request, response) => void response.end('secret'));
  const { url } = await mount(test, (_request, response) => void response.end(), { origin: `${origin}public/` });
  for (const path of ['../secret', '%2e%2e/secret', 'a/../../secret', '.%2E/secret', '..\\secret']) {
    const answered = await sendRaw(url, `GET /${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`);
    assert.match(answered, /^HTTP\/1\.1 400 /, path);
  }
  assert.deepEqual(asked, []);
});

it('passes on what is end-to-end and nothing of one hop, in both directions', async (test) => {
  let seen: string[] = [];
  const { url } = await mount(test, (request, response) => {
    seen = request.rawHeaders;
    response.writeHead(200, [
      ...['set-cookie', 'a=1', 'set-cookie', 'b=2', 'x-own', '1', 'server', 'origin', 'cache-status', 'inner; hit'],
      ...['connection', 'x-hop', 'x-hop', '1', 'proxy-authenticate', 'Basic', 'cache-control', 'max-age=60'],
    ]);
    response.end('body');
  });
  const fields = {
    cookie: 'c=3',
    'x-forwarded-for': '10.0.0.1',
    'user-agent': 'uv/1',
    connection: 'x-mine',
    'x-mine': '1',
    te: 'trailers',
    'proxy-authorization': 'Basic eA==',
  };
  for (const [round, cached] of [
    ['from the origin', /^inner; hit, wheelkeep; fwd=uri-miss; fwd-status=200; stored/],
    ['from the cache', /^inner; hit, wheelkeep; hit; ttl=/],
  ] as const) {
    const response = await get(`${url}a`, fields);
    assert.equal(response.field('set-cookie'), 'a=1, b=2', round);
    assert.equal(response.field('x-own'), '1');
    assert.equal(response.field('server'), 'origin');
    assert.equal(response.field('x-hop'), undefined);
    assert.equal(response.field('proxy-authenticate'), undefined);
    assert.match(response.field('cache-status')!, cached);
    assert.equal(response.field('age'), round === 'from the cache' ? '0' : undefined);
  }
  const sent = new Map(seen.flatMap((name, i) => (i % 2 === 0 ? [[name.toLowerCase(), seen[i + 1]!]] : [])));
  assert.equal(sent.get('cookie'), 'c=3');
  assert.equal(sent.get('x-forwarded-for'), '10.0.0.1');
  assert.equal(sent.get('user-agent'), 'uv/1');
  assert.match(sent.get('via') ?? '', /wheelkeep/);
  for (const name of ['x-mine', 'te', 'proxy-authorization']) assert.equal(sent.get(name), undefined, name);
});

it('keeps what private="..." names from the cache, and gives it to the one who asked', async (test) => {
  const { url } = await mount(test, (_request, response) => {
    response.writeHead(200, { 'cache-control': 'max-age=60, private="x-mine"', 'x-mine': '1' }).end();
  });
  assert.equal((await get(`${url}a`)).field('x-mine'), '1');
  const second = await get(`${url}a`);
  assert.match(second.field('cache-status')!, /hit/);
  assert.equal(second.field('x-mine'), undefined);
});

it('passes 1xx on, and keeps only the final answer', async (test) => {
  const { asked, url } = await mount(test, (_request, response) => {
    response.writeProcessing();
    response.writeEarlyHints({ link: '</style.css>; rel=preload', 'x-hint': '1' }, () => {
      response.writeHead(200, { 'cache-control': 'max-age=60' }).end('final');
    });
  });
  const interim: unknown[] = [];
  const request = httpRequest(`${url}a`);
  request.on('information', ({ statusCode, headers }) => interim.push([statusCode, headers.link, headers['x-hint']]));
  await new Promise<void>((resolve) =>
    request.on('response', (response) => response.resume().on('end', resolve)).end(),
  );
  assert.deepEqual(interim, [
    [102, undefined, undefined],
    [103, '</style.css>; rel=preload', '1'],
  ]);
  assert.equal((await get(`${url}a`)).text(), 'final');
  assert.equal(asked.length, 1);
});

it('forwards an expectation, and the origin says whether to continue', async (test) => {
  const { url } = await mount(test, (_request, response, body) => void response.end(body));
  const request = httpRequest(`${url}a`, { method: 'PUT', headers: { expect: '100-continue', 'content-length': 4 } });
  request.flushHeaders();
  await new Promise<void>((resolve) => request.once('continue', resolve));
  const answered = new Promise<string>((resolve) =>
    request.on('response', async (response) => {
      let text = '';
      for await (const chunk of response) text += chunk;
      resolve(text);
    }),
  );
  request.end('body');
  assert.equal(await answered, 'body');
});

it('a write reaches the origin and drops what is stored of its target and of Location and Content-Location', async (test) => {
  const { asked, url } = await mount(test, (request, response, body) => {
    if (request.method === 'GET') response.writeHead(200, { 'cache-control': 'max-age=60' }).end();
    else if (request.url === '/failing') response.writeHead(500).end();
    else response.writeHead(201, { location: '/made', 'content-location': '/described' }).end(body);
  });
  const paths = ['target', 'made', 'described', 'other', 'failing'];
  for (const path of paths) await get(url + path);
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'M-SEARCH']) {
    const response = await fetchAll(`${url}target`, { method });
    assert.equal(response.status, 201, method);
    assert.match(response.field('cache-status')!, /wheelkeep; fwd=method/);
  }
  await fetchAll(`${url}failing`, { method: 'POST' });
  asked.length = 0;
  for (const path of paths) await get(url + path);
  assert.deepEqual(asked, ['GET /target', 'GET /made', 'GET /described']);
});

it("a GET with a body is the origin's to understand, and is not stored", async (test) => {
  const { asked, url } = await mount(test, (_request, response, body) => {
    response.writeHead(200, { 'cache-control': 'max-age=60' }).end(body);
  });
  assert.equal((await fetchAll(`${url}a`, { body: 'one', fields: { 'content-length': '3' } })).text(), 'one');
  assert.equal((await fetchAll(`${url}a`, { body: 'two', fields: { 'content-length': '3' } })).text(), 'two');
  assert.equal((await get(`${url}a`)).text(), '');
  assert.equal(asked.length, 3);
});

it("If-Match is the origin's to decide", async (test) => {
  const { asked, url } = await mount(test, (request, response) => {
    const status = request.headers['if-match'] === '"old"' ? 412 : 200;
    response.writeHead(status, { 'cache-control': 'max-age=60', etag: '"new"' }).end();
  });
  await get(`${url}a`);
  assert.equal((await get(`${url}a`, { 'if-match': '"old"' })).status, 412);
  assert.equal((await get(`${url}a`)).status, 200);
  assert.equal(asked.length, 2);
});

it('hands a redirect to the client, and keeps it where it may be kept', async (test) => {
  const { asked, url } = await mount(test, (request, response) => {
    response.writeHead(request.url === '/kept' ? 301 : 302, {
      location: 'https://elsewhere.example/x',
      ...(request.url === '/kept' ? { 'cache-control': 'max-age=60' } : {}),
    });
    response.end();
  });
  for (const path of ['kept', 'kept', 'not-kept', 'not-kept']) {
    assert.equal((await get(url + path)).field('location'), 'https://elsewhere.example/x');
  }
  assert.deepEqual(asked, ['GET /kept', 'GET /not-kept', 'GET /not-kept']);
});

it('follows redirects to the origins that the mount lists, and keeps what lies behind them', async (test) => {
  const bytes = await mount(test, (request, response) => {
    assert.equal(request.headers.authorization, undefined, 'credentials stay with the origin they were made for');
    response.writeHead(200, { etag: '"1"', 'cache-control': 'max-age=60' }).end(`bytes of ${request.url}`);
  });
  const { asked, url } = await mount(
    test,
    (request, response) => {
      const location = request.url === '/listed' ? `${bytes.origin}signed?x=1` : 'http://127.0.0.1:9/unlisted';
      response.writeHead(302, { location }).end();
    },
    {
      redirectOrigins: [new URL(bytes.origin).origin],
      credentials: { kind: 'bearer', token: 'secret' },
    },
  );
  for (const round of [1, 2]) {
    assert.equal((await get(`${url}listed`)).text(), 'bytes of /signed?x=1', `round ${round}`);
  }
  assert.equal((await get(`${url}unlisted`)).status, 302);
  assert.deepEqual(asked, ['GET /listed', 'GET /unlisted']);
});

it('proves itself to the origin with the credentials of the mount, and the client with its own', async (test) => {
  const { origin } = await mount(test, (request, response) => void response.end(request.headers.authorization));
  const { url } = await mount(test, () => {}, { origin, credentials: { kind: 'basic', user: 'us', password: 'x' } });
  const ours = `Basic ${Buffer.from('us:x').toString('base64')}`;
  for (const method of ['GET', 'POST']) {
    assert.equal((await fetchAll(`${url}a`, { method })).text(), ours);
    assert.equal((await fetchAll(`${url}a`, { method, fields: { authorization: 'Bearer y' } })).text(), 'Bearer y');
  }
});

it('adds no trailers to the header', async (test) => {
  const { url } = await mount(test, (_request, response) => {
    response.writeHead(200, { 'cache-control': 'max-age=60', trailer: 'x-trailer' });
    response.addTrailers({ 'x-trailer': '1' });
    response.end('body');
  });
  for (const _ of [1, 2]) assert.equal((await get(`${url}a`)).field('x-trailer'), undefined);
});

it('a client that speaks HTTP/1.0 hears of no 1xx', async (test) => {
  const { url } = await mount(test, (_request, response) => {
    response.writeProcessing();
    response.end('final');
  });
  const { port } = new URL(url);
  const socket = connect(Number(port), '127.0.0.1');
  socket.write('GET /a HTTP/1.0\r\n\r\n');
  let text = '';
  for await (const chunk of socket) text += chunk;
  assert.match(text, /^HTTP\/1\.1 200 /);
});

it('gives back the address it listens on when a mount cannot have its own', async (test) => {
  const taken = createServer().listen(0, '127.0.0.1');
  test.after(() => taken.close());
  await once(taken, 'listening');
  const free = createServer().listen(0, '127.0.0.1');
  await once(free, 'listening');
  const { port } = free.address() as AddressInfo;
  free.close();
  await once(free, 'close');
  const listen = { host: '127.0.0.1', port: (taken.address() as AddressInfo).port };
  const origin = 'http://127.0.0.1:9/';
  const config = { port, raw: [{ name: 'origin', origin, listen, maxBodyBytes: 1e9, redirectOrigins: [] }] };
  await assert.rejects(startProxy({ upstreams: [`${origin}simple/`], config }), { code: 'EADDRINUSE' });
  const socket = connect(port, '127.0.0.1');
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
  assert.equal(error.code, 'ECONNREFUSED');
});
