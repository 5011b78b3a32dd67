// Reading and writing through a raw mount take the same way: the operator's HTTP proxy and the operator's authorities.

import assert from 'node:assert/strict';
import { createServer, request as httpRequest } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { it, type TestContext } from 'node:test';
import type { Config } from '../../src/config/config.ts';
import { fetchAll } from '../support/proxy/http-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { certificateAuthority } from '../support/upstream/certificates.ts';
import { FakeServer, type Identity } from '../support/upstream/fake-server.ts';

const authority = certificateAuthority();

async function mount(test: TestContext, tls: Identity | undefined, config: Partial<Config>) {
  const origin = await FakeServer.start({
    respond: ({ method }) => ({ status: 200, fields: [], body: Buffer.from(method) }),
    ...(tls === undefined ? {} : { tls }),
  });
  const raw = { name: 'origin', origin: `${origin.origin}/`, maxBodyBytes: 1e6, redirectOrigins: [] };
  const proxy = await startProxy({ upstreams: ['http://127.0.0.1:9/'], config: { raw: [raw], ...config } });
  test.after(() => Promise.all([proxy.close(), origin.close()]));
  return { origin, url: `${proxy.url}/raw/origin/a` };
}

/** An HTTP proxy that wants a password and notes what it is asked for. */
async function httpProxy(test: TestContext) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url} ${request.headers['proxy-authorization']}`);
    const onward = httpRequest(request.url!, { method: request.method }, (answer) => {
      response.writeHead(answer.statusCode!);
      answer.pipe(response);
    });
    request.pipe(onward);
  });
  server.on('connect', (request, socket: Socket) => {
    asked.push(`${request.method} ${request.url} ${request.headers['proxy-authorization']}`);
    const onward = connect(Number(request.url!.split(':').at(-1)), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connected\r\n\r\n');
      socket.pipe(onward).pipe(socket);
    });
    onward.on('error', () => socket.destroy());
    socket.on('error', () => onward.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  test.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { asked, url: `http://me:secret@127.0.0.1:${port}` };
}

const BASIC = `Basic ${Buffer.from('me:secret').toString('base64')}`;

it('trusts the authorities of the configuration for writes as for reads, and no others', async (test) => {
  const identity = authority.issue(['127.0.0.1']);
  const trusting = await mount(test, identity, { extraCertificates: [authority.cert] });
  const distrustful = await mount(test, identity, {});
  for (const method of ['GET', 'POST']) {
    assert.equal((await fetchAll(trusting.url, { method })).text(), method);
    assert.equal((await fetchAll(distrustful.url, { method })).status, 502);
  }
  assert.equal(distrustful.origin.log.count(), 0);
});

it('asks an http origin through the HTTP proxy by its whole URL', async (test) => {
  const proxy = await httpProxy(test);
  const { origin, url } = await mount(test, undefined, { proxy: { http: proxy.url, noProxy: '' } });
  for (const method of ['GET', 'POST']) assert.equal((await fetchAll(url, { method })).text(), method);
  assert.deepEqual(proxy.asked, [`GET ${origin.origin}/a ${BASIC}`, `POST ${origin.origin}/a ${BASIC}`]);
});

it('asks an https origin through a tunnel of the HTTP proxy', async (test) => {
  const proxy = await httpProxy(test);
  const { origin, url } = await mount(test, authority.issue(['127.0.0.1']), {
    proxy: { https: proxy.url, noProxy: '' },
    extraCertificates: [authority.cert],
  });
  for (const method of ['GET', 'POST']) assert.equal((await fetchAll(url, { method })).text(), method);
  const tunnel = `CONNECT ${new URL(origin.origin).host} ${BASIC}`;
  assert.deepEqual(proxy.asked, [tunnel, tunnel]);
});
