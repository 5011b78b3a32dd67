// Where the operator says by which names the server is called, it answers to no other (S05).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeIndex } from '../support/fake-index.ts';
import { get, sendRaw } from '../support/http-client.ts';
import { startProxy } from '../support/proxy.ts';
import { wheel } from '../support/wheels.ts';

test('under a name that is not allowed nothing is served, hot or cold, and the name is not repeated (S05)', async (t) => {
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
