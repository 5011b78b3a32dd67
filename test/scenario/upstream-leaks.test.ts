// A fetch that is given up at any moment leaves nothing behind: no socket, no timer, no listener.

import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { readdirSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import type { UpstreamClient } from '../../src/net/upstream-client.ts';
import { bytesOf, failureOf, get, upstreamClient } from '../support/proxy/upstream-client.ts';
import { certificateAuthority } from '../support/upstream/certificates.ts';
import { deafPort } from '../support/upstream/deaf-port.ts';
import { FakeServer, type FakeServerOptions } from '../support/upstream/fake-server.ts';
import * as faults from '../support/upstream/faults.ts';

const authority = certificateAuthority();

async function server(context: TestContext, options: Partial<FakeServerOptions> = {}): Promise<FakeServer> {
  const respond = () => ({ status: 200, fields: [], body: Buffer.alloc(300_000) });
  const started = await FakeServer.start({ respond, ...options });
  context.after(() => started.close());
  return started;
}

/** Timers that keep the process alive; sockets and servers of the test itself are not among them. */
function timers(): number {
  return process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;
}

function openFiles(): number {
  return readdirSync('/proc/self/fd').length;
}

function idleConnections(client: UpstreamClient): number {
  return client.status().connections.reduce((sum, { idle }) => sum + idle, 0);
}

/** Resolves when `holds` does, looked at once a turn of the event loop; fails the test after five seconds. */
async function until(holds: () => boolean, what: () => string): Promise<void> {
  for (const end = performance.now() + 5_000; !holds(); ) {
    assert.ok(performance.now() < end, what());
    await new Promise((turn) => setImmediate(turn));
  }
}

for (const [what, tls] of [
  ['http', undefined],
  ['https', authority.issue(['127.0.0.1'])],
] as const) {
  test(`${what} fetches given up after 0 to 8 ms leave no socket, timer or listener`, async (t) => {
    const it = await server(t, tls === undefined ? {} : { tls });
    const client = upstreamClient(t, { extraCertificates: { current: [authority.cert] } });
    await bytesOf((await client.fetch(get(it.origin))).body);
    const before = { timers: timers(), files: openFiles() };
    it.fault('/slow', faults.delay(4));
    it.fault('/silent', faults.silenceAfter(1_000));
    const signals: AbortSignal[] = [];
    const paths = ['/whole', '/slow', '/silent'];
    for (let i = 0; i < 90; i += 1) {
      const control = new AbortController();
      signals.push(control.signal);
      const url = `${it.origin}${paths[i % 3]}`;
      const fetching = client.fetch(get(url, { signal: control.signal, freshConnection: i % 2 === 0 }));
      const read = fetching.then(({ body }) => bytesOf(body));
      const ended = read.catch((error: unknown) => error);
      if (i % 10 > 0) await new Promise((turn) => setTimeout(turn, i % 9));
      control.abort();
      await ended;
    }
    await until(
      () => it.openConnections <= idleConnections(client),
      () => `${it.openConnections} connections, ${JSON.stringify(client.status().connections)}`,
    );
    await until(
      () => timers() <= before.timers,
      () => `${timers()} timers, ${before.timers} before`,
    );
    for (const signal of signals) assert.equal(getEventListeners(signal, 'abort').length, 0);
    await client.close();
    await until(
      () => it.openConnections === 0,
      () => `${it.openConnections} connections after close`,
    );
    // The idle connection of the beginning, both its ends, is gone too.
    await until(
      () => openFiles() <= before.files,
      () => `${openFiles()} files, ${before.files} before`,
    );
  });
}

test('a fetch that is given up says so, whatever it was doing', async (t) => {
  const deaf = await deafPort();
  t.after(() => deaf.close());
  const it = await server(t);
  it.fault(/./, faults.silence());
  const stages = {
    'in the name service': upstreamClient(t, { lookup: () => new Promise(() => {}) }),
    'while it connects': upstreamClient(t, { connectTimeoutMs: 60_000 }),
    'while it waits for an answer': upstreamClient(t),
  };
  const urls = ['http://files.example/', `http://127.0.0.1:${deaf.port}/`, it.origin];
  for (const [i, client] of Object.values(stages).entries()) {
    const control = new AbortController();
    const failing = failureOf(client.fetch(get(urls[i]!, { signal: control.signal })));
    setTimeout(() => control.abort(), 20);
    assert.equal((await failing).kind, 'aborted');
  }
  await it.log.waitFor(() => it.openConnections === 0);
  assert.equal(
    (await failureOf(upstreamClient(t).fetch(get(it.origin, { signal: AbortSignal.abort() })))).kind,
    'aborted',
  );
});

test('a failing upstream leaves nothing behind either', async (t) => {
  const it = await server(t);
  const client = upstreamClient(t, { minimumRate: { bytesPerSecond: 1_000, windowMs: 50 } });
  it.fault('/reset', faults.hangUp('rst'));
  it.fault('/cut', faults.truncated(10));
  it.fault('/odd', faults.rawBytes('nonsense'));
  it.fault('/silent', faults.silence());
  it.fault('/drip', faults.rate(5));
  it.fault('/loop', faults.redirectLoop());
  const before = timers();
  for (let i = 0; i < 10; i += 1) {
    for (const path of ['/reset', '/cut', '/odd', '/silent', '/drip', '/loop']) {
      const fetching = client.fetch(get(it.origin + path, { headersTimeoutMs: 30 }));
      await failureOf(fetching.then(({ body }) => bytesOf(body)));
    }
  }
  await until(
    () => it.openConnections <= idleConnections(client) && timers() <= before,
    () => `${it.openConnections} connections, ${timers()} timers, ${before} before`,
  );
});

test('a body that nobody reads and that breaks does not end the process', async (t) => {
  const it = await server(t);
  it.fault(/./, faults.truncated(10, 'rst'));
  const { body } = await upstreamClient(t).fetch(get(it.origin));
  await new Promise((closed) => body.once('close', closed));
  assert.ok(body.errored);
});

test('closing the client ends what is under way', async (t) => {
  const it = await server(t);
  it.fault('/silent', faults.silence());
  it.fault('/body', faults.silenceAfter(10));
  const client = upstreamClient(t);
  const waiting = failureOf(client.fetch(get(`${it.origin}/silent`)));
  const reading = failureOf(client.fetch(get(`${it.origin}/body`)).then(({ body }) => bytesOf(body)));
  await it.log.waitFor(() => it.log.count() === 2);
  await client.close();
  assert.equal((await waiting).kind, 'aborted');
  assert.equal((await reading).kind, 'aborted');
  assert.equal((await failureOf(client.fetch(get(it.origin)))).kind, 'aborted');
  await it.log.waitFor(() => it.openConnections === 0);
});
