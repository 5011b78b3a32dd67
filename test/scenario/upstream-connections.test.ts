// Dead, hanging, slow and wrong addresses; deadlines; redirects and credentials.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { type TestContext, test } from 'node:test';
import type { UpstreamFailure } from '../../src/core/errors.ts';
import { fieldValue } from '../../src/core/http-message.ts';
import { asClient } from '../../src/core/request-context.ts';
import { OriginRights } from '../../src/net/origin-rights.ts';
import { bytesOf, failureOf, fixed, get, upstreamClient } from '../support/proxy/upstream-client.ts';
import { deafPort } from '../support/upstream/deaf-port.ts';
import { type Answer, FakeServer, type FakeServerOptions } from '../support/upstream/fake-server.ts';
import * as faults from '../support/upstream/faults.ts';

const ANSWER: Answer = { status: 200, fields: [], body: Buffer.alloc(100_000, 'wheel') };

async function server(context: TestContext, options: Partial<FakeServerOptions> = {}): Promise<FakeServer> {
  const started = await FakeServer.start({ respond: () => ANSWER, ...options });
  context.after(() => started.close());
  return started;
}

/** `files.example` as a name with these addresses. */
function named(...addresses: string[]): { readonly lookup: () => Promise<string[]> } {
  return { lookup: async () => addresses };
}

test('a refused connection is a failure of kind connect, at once', async (t) => {
  const it = await server(t);
  await it.down();
  const failure = await failureOf(upstreamClient(t).fetch(get(it.origin)));
  assert.equal(failure.kind, 'connect');
  assert.equal(failure.status, 502);
});

test('a connection that hangs is given up after the connect timeout', async (t) => {
  const deaf = await deafPort();
  t.after(() => deaf.close());
  const started = performance.now();
  const failure = await failureOf(upstreamClient(t).fetch(get(`http://127.0.0.1:${deaf.port}/`)));
  assert.equal(failure.kind, 'connect');
  assert.ok(performance.now() - started < 2_000);
});

test('a server that takes the request and never answers fails at the deadline for the head', async (t) => {
  const it = await server(t);
  it.fault(/./, faults.silence());
  const failure = await failureOf(upstreamClient(t).fetch(get(it.origin, { headersTimeoutMs: 150 })));
  assert.equal(failure.kind, 'timeout');
  assert.equal(failure.status, 503);
  await it.log.waitFor(() => it.openConnections === 0);
});

for (const [what, fault] of [
  ['falls silent', faults.silenceAfter(10)],
  ['drips', faults.rate(20)],
] as const) {
  test(`a body that ${what} is given up as too slow, and its connection closed`, async (t) => {
    const it = await server(t);
    it.fault(/./, fault);
    const client = upstreamClient(t, { minimumRate: { bytesPerSecond: 1_000, windowMs: 300 } });
    const response = await client.fetch(get(it.origin));
    assert.equal((await failureOf(bytesOf(response.body))).kind, 'too-slow');
    await it.log.waitFor(() => it.openConnections === 0);
  });
}

test('a reader that pauses for longer than the window loses nothing', async (t) => {
  const it = await server(t, { respond: () => ({ ...ANSWER, body: Buffer.alloc(8 << 20) }) });
  const client = upstreamClient(t, { minimumRate: { bytesPerSecond: 1_000, windowMs: 100 } });
  const { body } = await client.fetch(get(it.origin, { maxBodyBytes: 8 << 20 }));
  await new Promise((resume) => setTimeout(resume, 400));
  assert.equal((await bytesOf(body)).length, 8 << 20);
});

test('of two addresses of which one refuses, the other serves every request', async (t) => {
  const it = await server(t);
  const client = upstreamClient(t, named('127.0.0.2', '127.0.0.1'));
  for (let i = 0; i < 3; i += 1) {
    const response = await client.fetch(get(`http://files.example:${it.port}/`));
    assert.equal(response.source, `files.example:${it.port}/127.0.0.1:${it.port}`);
    await bytesOf(response.body);
  }
  assert.deepEqual(
    client.status().addresses.map(({ source, healthy }) => [source, healthy]),
    [[`files.example:${it.port}/127.0.0.2:${it.port}`, false]],
  );
});

test('an address that hangs is raced by the next one, and set aside', async (t) => {
  const deaf = await deafPort();
  const healthy = createServer((_request, response) => response.end('well')).listen(deaf.port, '127.0.0.2');
  t.after(async () => {
    healthy.close();
    await deaf.close();
  });
  const client = upstreamClient(t, { ...named('127.0.0.1', '127.0.0.2'), connectTimeoutMs: 60_000 });
  for (let i = 0; i < 2; i += 1) {
    const response = await client.fetch(get(`http://files.example:${deaf.port}/`, { freshConnection: true }));
    assert.ok(response.source.includes('/127.0.0.2:'));
    await bytesOf(response.body);
  }
  assert.equal(client.status().addresses[0]?.healthy, false);
});

test('one address that answers 502 for ever costs one more request, not an error', async (t) => {
  const it = await server(t, { addresses: ['127.0.0.1', '127.0.0.2'] });
  it.fault(/./, faults.status(502), { address: '127.0.0.2' });
  const client = upstreamClient(t, named('127.0.0.2', '127.0.0.1'));
  for (let i = 0; i < 10; i += 1) {
    const response = await client.fetch(get(`http://files.example:${it.port}/`));
    assert.equal(response.status, 200);
    await bytesOf(response.body);
  }
  assert.equal(it.log.entries.filter(({ address }) => address === '127.0.0.2').length, 1);
});

test('an address that sent wrong bytes is left for five minutes, and avoided at once by whoever says so', async (t) => {
  const it = await server(t, { addresses: ['127.0.0.1', '127.0.0.2'] });
  let now = Date.now();
  const client = upstreamClient(t, { ...named('127.0.0.2', '127.0.0.1'), now: () => now });
  const ask = async (avoidSources = new Set<string>()): Promise<string> => {
    const response = await client.fetch(get(`http://files.example:${it.port}/`, { avoidSources }));
    await bytesOf(response.body);
    return response.source;
  };
  const bad = await ask();
  assert.ok(bad.includes('/127.0.0.2:'));
  assert.notEqual(await ask(new Set([bad])), bad);
  client.reportWrongBytes(bad);
  assert.notEqual(await ask(), bad);
  now += 299_000;
  assert.notEqual(await ask(), bad);
  now += 10_000;
  assert.equal(await ask(), bad);
});

test("an address that is no longer the name's is not used, not even over an open connection", async (t) => {
  const it = await server(t, { addresses: ['127.0.0.1', '127.0.0.2'] });
  let now = Date.now();
  let addresses = ['127.0.0.1'];
  const client = upstreamClient(t, { lookup: async () => addresses, now: () => now });
  await bytesOf((await client.fetch(get(`http://files.example:${it.port}/`))).body);
  addresses = ['127.0.0.2'];
  now += 26_000;
  const { source } = await client.fetch(get(`http://files.example:${it.port}/`));
  assert.ok(source.includes('/127.0.0.2:'));
});

test('while the name service fails the last addresses serve', async (t) => {
  const it = await server(t);
  let now = Date.now();
  let lookup = async (): Promise<string[]> => ['127.0.0.1'];
  const client = upstreamClient(t, { lookup: () => lookup(), now: () => now });
  await bytesOf((await client.fetch(get(`http://files.example:${it.port}/`))).body);
  lookup = () => Promise.reject(new Error('SERVFAIL'));
  now += 3_600_000;
  assert.equal((await client.fetch(get(`http://files.example:${it.port}/`))).status, 200);
  assert.equal((await failureOf(client.fetch(get('http://other.example/')))).kind, 'dns');
});

test('a redirect is followed, and the final URL told; a loop, a refusal and too many hops are failures', async (t) => {
  const it = await server(t);
  const client = upstreamClient(t);
  it.fault('/a', faults.redirect('/b?c', 301));
  it.fault('/loop', faults.redirectLoop());
  it.fault('/self', faults.redirect('/self'));
  const response = await client.fetch(get(`${it.origin}/a`));
  assert.equal(response.url, `${it.origin}/b?c`);
  assert.deepEqual(await bytesOf(response.body), ANSWER.body);
  assert.equal((await failureOf(client.fetch(get(`${it.origin}/loop`)))).kind, 'redirect');
  assert.equal(it.log.count('/loop'), 6);
  assert.equal((await failureOf(client.fetch(get(`${it.origin}/self`)))).kind, 'redirect');
  const refused = client.fetch(get(`${it.origin}/a`, { mayRedirect: () => false }));
  assert.equal((await failureOf(refused)).kind, 'redirect');
  assert.equal((await client.fetch(get(`${it.origin}/a`, { followRedirects: false }))).status, 301);
});

test('credentials go to their own origin only: a redirect to another one, even another port, loses them', async (t) => {
  const secret = await server(t);
  const other = await server(t);
  secret.fault('/same', faults.redirect('/b'));
  secret.fault('/other', faults.redirect(`${other.origin}/c`));
  const client = upstreamClient(t, { configuredOrigins: [other.origin] });
  const credentials = fixed({ kind: 'basic', user: 'me', password: 'canary' });
  const rights = new OriginRights([{ url: secret.origin, credentials }]);
  const fields = ['accept', '*/*', 'cookie', 'a=canary', 'authorization', 'Bearer canary'];
  await bytesOf((await client.fetch(get(`${secret.origin}/same`, { rights }))).body);
  await bytesOf((await client.fetch(get(`${secret.origin}/other`, { rights }))).body);
  await bytesOf((await client.fetch(get(`${secret.origin}/other`, { rights, fields }))).body);
  const sent = secret.log.entries.map((entry) => fieldValue(entry.fields, 'authorization'));
  const basic = `Basic ${Buffer.from('me:canary').toString('base64')}`;
  assert.deepEqual(sent, [basic, basic, basic, 'Bearer canary']);
  assert.equal(other.log.count('/c'), 2);
  assert.ok(!JSON.stringify(other.log.entries).includes('canary'));
});

test('no origin gets more connections than its limit; the others wait, and all are answered', async (t) => {
  const it = await server(t);
  it.fault(/./, faults.delay(5));
  const client = upstreamClient(t, { connectionsPerOrigin: 3 });
  let most = 0;
  const answers = Array.from({ length: 40 }, async () => {
    const { body } = await client.fetch(get(it.origin));
    most = Math.max(most, it.openConnections);
    return (await bytesOf(body)).length;
  });
  assert.deepEqual(new Set(await Promise.all(answers)), new Set([100_000]));
  assert.equal(most, 3);
});

test('clients take turns at a connection for which they wait', async (t) => {
  const it = await server(t);
  const client = upstreamClient(t, { connectionsPerOrigin: 1 });
  const ask = (who: string, path: string) =>
    asClient({ name: who, firstByteBy: Number.POSITIVE_INFINITY }, async () =>
      bytesOf((await client.fetch(get(it.origin + path))).body),
    );
  const hog = ['/a1', '/a2', '/a3', '/a4'].map((path) => ask('127.0.0.2', path));
  await Promise.all([...hog, ask('127.0.0.3', '/b1'), ask('127.0.0.4', '/c1')]);
  const order = it.log.entries.map(({ path }) => path);
  assert.deepEqual(order, ['/a1', '/a2', '/b1', '/c1', '/a3', '/a4']);
});

test('who waits for a place until his time is over says nothing of the server, nor does who gets one too late', async (t) => {
  const it = await server(t);
  it.fault(/./, faults.delay(400));
  const client = upstreamClient(t, { connectionsPerOrigin: 1 });
  const kinds = await Promise.all(
    Array.from({ length: 6 }, () =>
      client.fetch({ ...get(it.origin), headersTimeoutMs: 1_000 }).then(
        async ({ body }) => String((await bytesOf(body)).length),
        (error: UpstreamFailure) => error.kind,
      ),
    ),
  );
  assert.deepEqual(kinds.slice(0, 2), ['100000', '100000']);
  assert.deepEqual(new Set(kinds.slice(2)), new Set(['crowded']));
  assert.deepEqual(client.status().addresses, []);
});

test('the only address of a host is asked over its open connections although it has been failing', async (t) => {
  const it = await server(t);
  it.fault('/error', faults.status(500));
  const client = upstreamClient(t);
  await bytesOf((await client.fetch(get(`${it.origin}/error`, { retry: false }))).body);
  assert.equal(client.status().addresses[0]?.healthy, false);
  for (let i = 0; i < 10; i += 1) await bytesOf((await client.fetch(get(it.origin))).body);
  assert.equal(new Set(it.log.entries.map(({ connection }) => connection)).size, 1);
});

test('an idle connection that is of no use makes room for the one that is wanted', async (t) => {
  const it = await server(t);
  const client = upstreamClient(t, { connectionsPerOrigin: 1 });
  await bytesOf((await client.fetch(get(it.origin))).body);
  await bytesOf((await client.fetch(get(it.origin, { freshConnection: true, headersTimeoutMs: 1_000 }))).body);
  assert.deepEqual(
    it.log.entries.map(({ connection }) => connection),
    [1, 2],
  );
});

test('a request that may change something never goes over a connection that may be half closed', async (t) => {
  const it = await server(t);
  const client = upstreamClient(t);
  await bytesOf((await client.fetch(get(it.origin))).body);
  await bytesOf((await client.fetch(get(it.origin, { method: 'POST' }))).body);
  assert.deepEqual(
    it.log.entries.map(({ connection }) => connection),
    [1, 2],
  );
});

test('an address whose body broke off is left for another one', async (t) => {
  const it = await server(t, { addresses: ['127.0.0.1', '127.0.0.2'] });
  it.fault(/./, faults.truncated(10), { address: '127.0.0.2' });
  const client = upstreamClient(t, named('127.0.0.2', '127.0.0.1'));
  const url = `http://files.example:${it.port}/`;
  await failureOf(client.fetch(get(url)).then(({ body }) => bytesOf(body)));
  assert.deepEqual(await bytesOf((await client.fetch(get(url))).body), ANSWER.body);
});
