// URLs that pages list lead to the public internet or nowhere.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { failureOf, get, upstreamClient } from '../support/proxy/upstream-client.ts';
import { FakeServer } from '../support/upstream/fake-server.ts';
import * as faults from '../support/upstream/faults.ts';

async function server(context: TestContext): Promise<FakeServer> {
  const started = await FakeServer.start({ respond: () => ({ status: 200, fields: [], body: Buffer.from('secret') }) });
  context.after(() => started.close());
  return started;
}

for (const url of [
  'https://127.0.0.1/',
  'https://2130706433/',
  'https://[::1]/',
  'https://[::ffff:127.0.0.1]/',
  'https://169.254.169.254/',
  'https://localhost/',
  'https://db.internal/',
  'http://files.example/',
  'ftp://files.example/',
  'https://u:p@127.0.0.1/',
]) {
  test(`${url} is not asked when a page lists it`, async (t) => {
    const failure = await failureOf(upstreamClient(t).fetch(get(url, { trusted: 'listed' })));
    assert.equal(failure.kind, 'forbidden-address');
  });
}

test('a public name that resolves to a private address is not asked', async (t) => {
  const it = await server(t);
  const client = upstreamClient(t, { lookup: async () => ['127.0.0.1', '10.0.0.1', '::1', '::ffff:7f00:1'] });
  const url = `https://files.example:${it.port}/`;
  assert.equal((await failureOf(client.fetch(get(url, { trusted: 'listed' })))).kind, 'forbidden-address');
  assert.equal(it.openConnections, 0);
});

test('a name that changes its address is judged anew by the address that is dialled', async (t) => {
  const it = await server(t);
  let now = Date.now();
  const answers = [['169.254.169.254'], ['127.0.0.1']];
  const client = upstreamClient(t, { lookup: async () => answers.shift() ?? ['127.0.0.1'], now: () => now });
  const ask = () => failureOf(client.fetch(get(`https://files.example:${it.port}/`, { trusted: 'listed' })));
  for (let i = 0; i < 3; i += 1) {
    assert.equal((await ask()).kind, 'forbidden-address');
    now += 60_000;
  }
  assert.equal(it.openConnections, 0);
});

test('an open connection to a configured private origin does not open it to listed URLs', async (t) => {
  const it = await server(t);
  const client = upstreamClient(t);
  const response = await client.fetch(get(it.origin));
  response.body.resume();
  assert.equal((await failureOf(client.fetch(get(it.origin, { trusted: 'listed' })))).kind, 'forbidden-address');
  assert.equal(it.log.count(), 1);
});

test('a redirect from a configured origin to a private one that is not configured is refused', async (t) => {
  const it = await server(t);
  const other = await server(t);
  it.fault(/./, faults.redirect(`${other.origin}/metadata`));
  assert.equal((await failureOf(upstreamClient(t).fetch(get(it.origin)))).kind, 'forbidden-address');
  assert.equal(other.log.count(), 0);
  const allowing = upstreamClient(t, { configuredOrigins: [other.origin] });
  assert.equal((await allowing.fetch(get(it.origin))).url, `${other.origin}/metadata`);
});

test('a configured file origin may be private and plain http', async (t) => {
  const it = await server(t);
  const client = upstreamClient(t, { configuredOrigins: [it.origin] });
  assert.equal((await client.fetch(get(`${it.origin}/a.whl`, { trusted: 'listed' }))).status, 200);
});
