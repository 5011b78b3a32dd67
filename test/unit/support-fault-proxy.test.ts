import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { fetchAll, get } from '../support/proxy/http-client.ts';
import { deafPort } from '../support/upstream/deaf-port.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { FaultProxy } from '../support/upstream/fault-proxy.ts';
import { wheel } from '../support/upstream/wheels.ts';

const foo = wheel({ name: 'foo', version: '1.0', sizeBytes: 50_000 });

async function line(test: TestContext): Promise<{ readonly proxy: FaultProxy; readonly url: string }> {
  const index = await FakeIndex.start();
  test.after(() => index.close());
  index.add('foo', foo);
  const proxy = await FaultProxy.start({ port: index.files.port });
  test.after(() => proxy.close());
  return { proxy, url: `http://127.0.0.1:${proxy.port}${index.pathOf(foo)}` };
}

describe('the fault proxy', () => {
  it('passes everything on over a good line', async (test) => {
    const { proxy, url } = await line(test);
    const answer = await get(url);
    assert.deepEqual([answer.complete, answer.sha256], [true, foo.sha256]);
    assert.equal(proxy.accepted, 1);
  });

  it('delays both directions', async (test) => {
    const { proxy, url } = await line(test);
    proxy.set({ latencyMs: 60 });
    const answer = await get(url);
    assert.equal(answer.sha256, foo.sha256);
    assert.ok(answer.firstByteMs >= 115 && answer.totalMs < 1000, `it took ${answer.totalMs} ms`);
  });

  it('limits the rate', async (test) => {
    const { proxy, url } = await line(test);
    proxy.set({ bytesPerSecond: 200_000 });
    const answer = await get(url);
    assert.equal(answer.sha256, foo.sha256);
    assert.ok(answer.totalMs > 200 && answer.totalMs < 2000, `50 KB at 200 KB/s took ${answer.totalMs} ms`);
  });

  it('cuts a connection after so many bytes of the answer', async (test) => {
    const { proxy, url } = await line(test);
    proxy.set({ cutAfterBytes: 20_000 });
    const answer = await get(url);
    assert.equal(answer.complete, false);
    assert.ok(answer.sizeBytes > 19_000 && answer.sizeBytes < 20_000, `${answer.sizeBytes} bytes of the body came`);
    proxy.heal();
    assert.equal((await get(url)).complete, true);
  });

  it('swallows everything while it is a black hole and then lets it out', async (test) => {
    const { proxy, url } = await line(test);
    proxy.set({ blackhole: true });
    await assert.rejects(fetchAll(url, { signal: AbortSignal.timeout(100) }));
    const waiting = get(url);
    proxy.set({ blackhole: false });
    assert.equal((await waiting).sha256, foo.sha256);
  });

  it('refuses new connections and takes them again on the same port', async (test) => {
    const { proxy, url } = await line(test);
    proxy.refuse();
    await assert.rejects(get(url), { code: 'ECONNREFUSED' });
    await proxy.accept();
    assert.equal((await get(url)).status, 200);
  });

  it('resets open connections', async (test) => {
    const { proxy } = await line(test);
    const socket = connect(proxy.port, '127.0.0.1');
    await once(socket, 'connect');
    while (proxy.openConnections === 0) await new Promise(setImmediate);
    proxy.killAll();
    await assert.rejects(once(socket, 'close'), { code: 'ECONNRESET' });
    assert.equal(proxy.openConnections, 0);
  });
});

describe('a deaf port', () => {
  it('neither takes nor refuses a connection', async (test) => {
    const deaf = await deafPort();
    test.after(() => deaf.close());
    await assert.rejects(fetchAll(`http://127.0.0.1:${deaf.port}/`, { signal: AbortSignal.timeout(300) }), {
      name: 'AbortError',
    });
  });
});
