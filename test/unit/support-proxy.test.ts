// That tests can start Wheelkeep in both ways; what it then does is the business of the scenarios.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { get } from '../support/proxy/http-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { spawnProxy } from '../support/proxy/spawned-proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { wheel } from '../support/upstream/wheels.ts';

const foo = wheel({ name: 'foo', version: '1.0' });

describe('Wheelkeep for tests', () => {
  it('runs in the test itself, on a folder of its own that vanishes', async (test) => {
    const index = await FakeIndex.start();
    test.after(() => index.close());
    index.add('foo', foo);
    const proxy = await startProxy({ upstreams: [index.url] });
    const page = await get(`${proxy.url}/simple/foo/`, { accept: 'application/vnd.pypi.simple.v1+json' });
    const metrics = await proxy.metrics();
    await proxy.close();
    assert.equal(page.status, 200);
    assert.match(page.text(), /"foo-1\.0-py3-none-any\.whl"/);
    assert.ok(Object.keys(metrics).some((name) => name.startsWith('wheelkeep_')));
    await assert.rejects(get(`${proxy.url}/simple/foo/`), { code: 'ECONNREFUSED' });
  });

  it('runs in a process of its own, ends by a signal and starts again on the same folder and port', async (test) => {
    const index = await FakeIndex.start();
    test.after(() => index.close());
    index.add('foo', foo);
    const dataDir = await temporaryFolder(test);
    const first = await spawnProxy({ dataDir, upstreams: [index.url] });
    assert.equal((await get(`${first.url}/simple/foo/`)).status, 200);
    assert.equal(await first.stop('SIGKILL'), 'SIGKILL');
    const second = await spawnProxy({ dataDir, upstreams: [index.url], port: first.port });
    assert.equal((await get(`${second.url}/simple/foo/`)).status, 200);
    assert.equal(await second.stop('SIGTERM'), 0);
    const wrong = spawnProxy({ dataDir, upstreams: [index.url], env: { WHEELKEEP_PATIENCE: 'nonsense' } });
    await assert.rejects(wrong, /it ended at its start:\n.*nonsense/s);
  });
});
