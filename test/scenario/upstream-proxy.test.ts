// Upstreams behind an HTTP proxy: CONNECT for https, the absolute form for http.

import assert from 'node:assert/strict';
import { createServer, request as httpRequest, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { bytesOf, failureOf, get, upstreamClient } from '../support/proxy/upstream-client.ts';
import { certificateAuthority } from '../support/upstream/certificates.ts';
import { FakeServer } from '../support/upstream/fake-server.ts';

const authority = certificateAuthority();

interface TestProxy {
  readonly url: string;
  /** Method, target and Proxy-Authorization of every request. */
  readonly asked: string[];
  /** Resolves when no client is connected any more. */
  left(): Promise<void>;
}

/** A proxy that takes every name for 127.0.0.1; with a password it answers 407 without it. */
async function proxy(context: TestContext, password?: string): Promise<TestProxy> {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const admitted = (request: IncomingMessage): boolean => {
    const given = request.headers['proxy-authorization'];
    asked.push([request.method, request.url, given].filter((part) => part !== undefined).join(' '));
    return password === undefined || given === `Basic ${Buffer.from(`me:${password}`).toString('base64')}`;
  };
  const server = createServer((request, response) => {
    if (!admitted(request)) return void response.writeHead(407).end();
    const { port, pathname } = new URL(request.url!);
    const onward = httpRequest({ host: '127.0.0.1', port, path: pathname }, (answer) => answer.pipe(response));
    return void onward.end();
  });
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
  });
  server.on('connect', (request, socket: Socket) => {
    if (!admitted(request)) {
      // It keeps the connection open, as proxies may: closing it is up to the client.
      socket.write('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
      socket.resume().on('end', () => socket.destroy());
      return;
    }
    const onward = connect(Number(request.url!.split(':').at(-1)), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connected\r\n\r\n');
      socket.pipe(onward).pipe(socket);
    });
    onward.on('error', () => socket.destroy());
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  context.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const left = async (): Promise<void> => {
    while (sockets.size > 0) await new Promise((turn) => setTimeout(turn, 5));
  };
  return { url: `127.0.0.1:${(server.address() as AddressInfo).port}`, asked, left };
}

async function server(context: TestContext, secure: boolean): Promise<FakeServer> {
  const respond = () => ({ status: 200, fields: [], body: Buffer.from('well') });
  const started = await FakeServer.start({ respond, ...(secure ? { tls: authority.issue(['files.example']) } : {}) });
  context.after(() => started.close());
  return started;
}

test("https goes through a tunnel in which the upstream's own certificate is verified", async (t) => {
  const it = await server(t, true);
  const between = await proxy(t, 'canary');
  const settings = { proxy: { https: `http://me:canary@${between.url}`, noProxy: '' } };
  const url = `https://files.example:${it.port}/a`;
  const client = upstreamClient(t, { ...settings, extraCertificates: { current: [authority.cert] } });
  for (let i = 0; i < 2; i += 1) {
    const { body } = await client.fetch(get(url, { trusted: 'listed' }));
    assert.equal(String(await bytesOf(body)), 'well');
  }
  const basic = `Basic ${Buffer.from('me:canary').toString('base64')}`;
  assert.deepEqual(between.asked, [`CONNECT files.example:${it.port} ${basic}`]);
  assert.ok(!JSON.stringify(it.log.entries).includes('canary'));
  assert.equal((await failureOf(upstreamClient(t, settings).fetch(get(url)))).kind, 'tls');
});

test('http is asked of the proxy by its whole URL', async (t) => {
  const it = await server(t, false);
  const between = await proxy(t);
  const client = upstreamClient(t, { proxy: { http: between.url, noProxy: '' } });
  const { body } = await client.fetch(get(`http://index.example:${it.port}/a`));
  assert.equal(String(await bytesOf(body)), 'well');
  assert.deepEqual(between.asked, [`GET http://index.example:${it.port}/a`]);
});

test('NO_PROXY is asked directly', async (t) => {
  const it = await server(t, false);
  const between = await proxy(t);
  const client = upstreamClient(t, { proxy: { http: between.url, noProxy: '127.0.0.1' } });
  await bytesOf((await client.fetch(get(it.origin))).body);
  assert.deepEqual(between.asked, []);
});

test('a proxy that is down or refuses us is a failure to connect', { timeout: 5_000 }, async (t) => {
  const between = await proxy(t, 'canary');
  const refusing = upstreamClient(t, { proxy: { https: between.url, noProxy: '' } });
  const refused = await failureOf(refusing.fetch(get('https://files.example/a')));
  assert.equal(refused.kind, 'connect');
  assert.match(refused.message, /407/);
  await between.left();
  const down = upstreamClient(t, { proxy: { https: 'http://127.0.0.1:1', noProxy: '' } });
  assert.equal((await failureOf(down.fetch(get('https://files.example/a')))).kind, 'connect');
});

test('behind a proxy private names and literal addresses are still refused', async (t) => {
  const between = await proxy(t);
  const client = upstreamClient(t, { proxy: { https: between.url, noProxy: '' } });
  for (const host of ['localhost', '10.0.0.1', '[::1]', 'db.internal']) {
    const failure = await failureOf(client.fetch(get(`https://${host}/`, { trusted: 'listed' })));
    assert.equal(failure.kind, 'forbidden-address');
  }
  assert.deepEqual(between.asked, []);
});
