import assert from 'node:assert/strict';
import { once } from 'node:events';
import http, { type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { Exchange } from '../../src/http/exchange.ts';
import { answerLive, answerMetrics, answerReady } from '../../src/http/own-answer.ts';
import { quietLog } from '../../src/observe/log.ts';
import { Metrics } from '../../src/observe/metrics.ts';

async function ask(t: TestContext, answer: RequestListener, options: http.RequestOptions = {}) {
  const server = http.createServer(answer).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const request = http.request({
    port: (server.address() as AddressInfo).port,
    host: '127.0.0.1',
    agent: false,
    ...options,
  });
  const [response] = (await once(request.end(), 'response')) as [IncomingMessage];
  return { status: response.statusCode, headers: response.headers, body: await buffer(response) };
}

test('liveness says ok and nothing else', async (t) => {
  const { status, body, headers } = await ask(t, (...both) => answerLive(new Exchange(...both)));
  assert.deepEqual([status, String(body), headers['cache-control']], [200, 'ok\n', 'no-store']);
});

test('readiness is 200 or 503 with its reasons', async (t) => {
  const ready = await ask(t, (...both) => answerReady(new Exchange(...both), { ready: true, reasons: [] }));
  assert.deepEqual([ready.status, JSON.parse(String(ready.body))], [200, { ready: true, reasons: [] }]);
  const reasons = ['draining'];
  const not = await ask(t, (...both) => answerReady(new Exchange(...both), { ready: false, reasons }));
  assert.deepEqual([not.status, JSON.parse(String(not.body))], [503, { ready: false, reasons }]);
});

test('HEAD has the same length and no body', async (t) => {
  const { headers, body } = await ask(t, (...both) => answerLive(new Exchange(...both)), { method: 'HEAD' });
  assert.deepEqual([headers['content-length'], body.length], ['3', 0]);
});

function endpoint(metrics: Metrics, render = () => metrics.render()): RequestListener {
  return (...both) => void answerMetrics(new Exchange(...both), { metrics, log: quietLog, render });
}

test('metrics are compressed for a scraper that takes gzip, and for no other', async (t) => {
  const metrics = new Metrics({ version: '1', process: false });
  for (const accepts of ['gzip', 'deflate, gzip;q=0.5']) {
    const { headers, body } = await ask(t, endpoint(metrics), { headers: { 'Accept-Encoding': accepts } });
    assert.equal(headers['content-encoding'], 'gzip');
    assert.match(String(gunzipSync(body)), /^wheelkeep_build_info\{/m);
  }
  for (const accepts of ['identity', 'gzip;q=0', 'gzip; q=0.0, br', 'x-gzipped']) {
    const { headers, body } = await ask(t, endpoint(metrics), { headers: { 'Accept-Encoding': accepts } });
    assert.equal(headers['content-encoding'], undefined, accepts);
    assert.match(String(body), /^wheelkeep_build_info\{/m);
    assert.equal(headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
  }
});

test('a scrape that fails is a 500 without details, and counted', async (t) => {
  const metrics = new Metrics({ version: '1', process: false });
  const { status, body } = await ask(
    t,
    endpoint(metrics, () => Promise.reject(new Error('disk at /secret'))),
  );
  assert.equal(status, 500);
  assert.doesNotMatch(String(body), /secret/);
  assert.match(await metrics.render(), /^wheelkeep_scrape_errors_total 1$/m);
});
