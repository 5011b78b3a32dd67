// TLS to upstreams: always verified, certificate authorities can be added, one bad address of two does no harm.

import assert from 'node:assert/strict';
import { createSecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { bytesOf, failureOf, get, upstreamClient } from '../support/proxy/upstream-client.ts';
import { type Authority, certificateAuthority } from '../support/upstream/certificates.ts';
import { FakeServer, type FakeServerOptions } from '../support/upstream/fake-server.ts';

const authority: Authority = certificateAuthority();
const lookup = async (): Promise<string[]> => ['127.0.0.2', '127.0.0.1'];

async function server(context: TestContext, tls: NonNullable<FakeServerOptions['tls']>): Promise<FakeServer> {
  const respond = () => ({ status: 200, fields: [], body: Buffer.from('well') });
  const started = await FakeServer.start({ respond, tls, addresses: ['127.0.0.1', '127.0.0.2'] });
  context.after(() => started.close());
  return started;
}

test('a certificate authority of the operator is accepted beside the others, for names and for addresses', async (t) => {
  const it = await server(t, authority.issue(['files.example', '127.0.0.1']));
  const client = upstreamClient(t, { lookup, extraCertificates: { current: [authority.cert] } });
  for (const host of ['files.example', '127.0.0.1']) {
    const { body } = await client.fetch(get(`https://${host}:${it.port}/`));
    assert.equal(String(await bytesOf(body)), 'well');
  }
});

const day = 86_400_000;
for (const [what, identity, trusted] of [
  ['from an unknown authority', authority.issue(['files.example']), []],
  ['for another name', authority.issue(['other.example']), [authority.cert]],
  [
    'that has expired',
    authority.issue(['files.example'], {
      notBefore: new Date(Date.now() - 9 * day),
      notAfter: new Date(Date.now() - day),
    }),
    [authority.cert],
  ],
] as const) {
  test(`a certificate ${what} is refused, whatever the environment says, and no request is sent`, async (t) => {
    const before = process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    t.after(() => {
      if (before === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    });
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0';
    const it = await server(t, identity);
    const client = upstreamClient(t, { lookup, extraCertificates: { current: trusted } });
    const failure = await failureOf(client.fetch(get(`https://files.example:${it.port}/`)));
    assert.equal(failure.kind, 'tls');
    assert.equal(it.log.count(), 0);
    await it.log.waitFor(() => it.openConnections === 0);
  });
}

test('a certificate that is wrong on one address only costs no error', async (t) => {
  const good = authority.issue(['files.example']);
  const it = await server(t, (address) => (address === '127.0.0.2' ? authority.issue(['other.example']) : good));
  const client = upstreamClient(t, { lookup, extraCertificates: { current: [authority.cert] } });
  const started = performance.now();
  const { source } = await client.fetch(get(`https://files.example:${it.port}/`));
  assert.ok(source.includes('/127.0.0.1:'));
  assert.ok(performance.now() - started < 1_000);
});

test('a port that does not speak TLS is a failure of kind tls', async (t) => {
  const plain = await FakeServer.start({ respond: () => ({ status: 200, fields: [], body: Buffer.alloc(0) }) });
  t.after(() => plain.close());
  const failure = await failureOf(upstreamClient(t).fetch(get(`https://127.0.0.1:${plain.port}/`)));
  assert.equal(failure.kind, 'tls');
});

test('HTTP/2 is not spoken, also where it is offered: no stream can hold up the others of its connection', async (t) => {
  const { key, cert } = authority.issue(['127.0.0.1']);
  const versions: string[] = [];
  const both = createSecureServer({ key, cert, allowHTTP1: true }, (request, response) => {
    versions.push(request.httpVersion);
    response.end('well');
  });
  t.after(() => both.close());
  await new Promise<void>((resolve) => both.listen(0, '127.0.0.1', resolve));
  const client = upstreamClient(t, { extraCertificates: { current: [authority.cert] } });
  const { port } = both.address() as AddressInfo;
  assert.equal(String(await bytesOf((await client.fetch(get(`https://127.0.0.1:${port}/`))).body)), 'well');
  assert.deepEqual(versions, ['1.1']);
});
