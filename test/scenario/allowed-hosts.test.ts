// Where the operator says by which names the server is called, it answers to no other.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { load, UPSTREAM } from '../support/proxy/config-world.ts';
import { get, sendRaw } from '../support/proxy/http-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { wheel } from '../support/upstream/wheels.ts';

test('under a name that is not allowed nothing is served, hot or cold, and the name is not repeated', async (t) => {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  index.add('demo', wheel({ name: 'demo', version: '1.0' }));
  const proxy = await startProxy({ upstreams: [index.url], config: { allowedHosts: ['wheels.example'] } });
  t.after(() => proxy.close());
  const ask = (host: string, path: string) => get(proxy.url + path, { host });
  for (const path of ['/simple/demo/', '/simple/demo/', '/', '/metrics', '/-/api/status', '/-/live']) {
    for (const host of ['evil.example', 'wheels.example.evil.example', 'localhost.evil.example']) {
      const answer = await ask(host, path);
      assert.equal(answer.status, 421, `${host} ${path}`);
      assert.ok(!answer.text().includes(host));
    }
  }
  assert.equal(index.requests(), 0);
  for (const host of [
    'wheels.example',
    'Wheels.Example:8080',
    'wheels.example.',
    'localhost:5030',
    '10.1.2.3',
    '[::1]:1',
  ]) {
    assert.equal((await ask(host, '/simple/demo/')).status, 200, host);
  }
  assert.match(await sendRaw(proxy.url, 'GET /simple/demo/ HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 421 /);
});

/** Of a listener on this host, with what is configured: which names are served. */
async function served(t: TestContext, env: Record<string, string>): Promise<string[]> {
  const { config } = await load(t, { env: { WHEELKEEP_UPSTREAM: UPSTREAM, WHEELKEEP_PORT: '0', ...env } });
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const { host, allowedHosts, loopbackNames, publicUrl } = config;
  const names = { host, allowedHosts, ...(loopbackNames && { loopbackNames }), ...(publicUrl && { publicUrl }) };
  const proxy = await startProxy({ upstreams: [index.url], config: names });
  t.after(() => proxy.close());
  const asked = ['evil.example', 'wheels.example', 'localhost', 'a.localhost', '127.0.0.1', '[::1]:80', '192.0.2.1'];
  const answers = await Promise.all(asked.map((name) => get(`${proxy.url}/-/live`, { host: name })));
  for (const answer of answers) {
    if (answer.status === 421) assert.match((answer.json() as { detail: string }).detail, /allowed_hosts/);
  }
  const page = await get(proxy.url, { accept: 'text/html' });
  assert.equal(page.text().includes('<code>allowed_hosts</code>'), answers[0]!.status === 421);
  return asked.filter((_, i) => answers[i]!.status === 200);
}

const LOCAL = ['localhost', 'a.localhost', '127.0.0.1', '[::1]:80', '192.0.2.1'];

test('on loopback no name but localhost is served unless the operator gives one', async (t) => {
  assert.deepEqual(await served(t, {}), LOCAL);
  assert.deepEqual(await served(t, { WHEELKEEP_HOST: 'localhost' }), LOCAL);
  const named = ['wheels.example', ...LOCAL];
  assert.deepEqual(await served(t, { WHEELKEEP_PUBLIC_URL: 'https://wheels.example/python/' }), named);
  assert.deepEqual(await served(t, { WHEELKEEP_ALLOWED_HOSTS: 'wheels.example' }), named);
  assert.deepEqual(await served(t, { WHEELKEEP_ALLOWED_HOSTS: '*' }), ['evil.example', ...named]);
  assert.deepEqual(await served(t, { WHEELKEEP_HOST: '0.0.0.0' }), ['evil.example', ...named]);
});

test('each address has its own rule: an administration on loopback beside an index for everybody', async (t) => {
  const proxy = await startProxy({
    upstreams: ['http://127.0.0.1:9/simple/'],
    config: { host: '0.0.0.0', loopbackNames: [], adminListen: { host: '127.0.0.1', port: 0 } },
  });
  t.after(() => proxy.close());
  const fields = { host: 'evil.example' };
  assert.equal((await get(`${proxy.app.adminUrl}metrics`, fields)).status, 421);
  assert.equal((await get(`${proxy.url}/simple`, fields)).status, 301);
});
