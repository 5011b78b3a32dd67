// A client that has said all it wants to say and closes its half of the connection (nc does, and some proxies) still gets
// its answer; one that has gone is told from it by the first byte that it is sent.

import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { fileWorld, LARGE } from '../support/proxy/file-world.ts';
import { delay, silence } from '../support/upstream/faults.ts';

for (const state of ['cold', 'hot'] as const) {
  test(`who half-closes before a ${state} answer gets it whole, page and file`, async (t) => {
    const { index, proxy, file, url } = await fileWorld(t, { sizeBytes: LARGE });
    index.fault(/^/, delay(200));
    if (state === 'hot') await halfClosed(proxy.port, new URL(url).pathname);
    const page = await halfClosed(proxy.port, '/simple/demo/');
    assert.match(page.toString('latin1'), /^HTTP\/1\.1 200 /);
    assert.ok(page.includes(file.filename));
    const answer = await halfClosed(proxy.port, new URL(url).pathname);
    assert.ok(answer.subarray(answer.indexOf('\r\n\r\n') + 4).equals(file.bytes));
  });
}

test('who closes both halves while he waits is let go of at the first byte for him', async (t) => {
  const { index, proxy, path, url } = await fileWorld(t, { sizeBytes: 80_000_000 });
  index.fault(path, delay(300));
  const socket = connect(proxy.port, '127.0.0.1');
  socket.write(`GET ${new URL(url).pathname} HTTP/1.1\r\nhost: localhost\r\n\r\n`);
  await index.waitForRequest(path);
  socket.destroy();
  await index.waitFor(() => index.openConnections === 0, 5_000);
  const metrics = await proxy.metrics();
  assert.equal(metrics.wheelkeep_active_flights, 0);
  assert.ok(metrics['wheelkeep_upstream_received_bytes_total{kind="file"}']! < 40_000_000);
});

test('an upload ends with its client', async (t) => {
  const { index, proxy } = await fileWorld(t, { config: { uploads: true } });
  index.fault('/legacy/', silence());
  const socket = connect(proxy.port, '127.0.0.1');
  socket.end('POST /legacy/ HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\n\r\nbody');
  await index.waitForRequest('/legacy/');
  await index.waitFor(() => index.openConnections === 0, 3_000);
});

/** All that comes back when the request is followed by the end of our half. */
async function halfClosed(port: number, path: string): Promise<Buffer> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.end(`GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`);
  const chunks: Buffer[] = [];
  for await (const chunk of socket as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks);
}
