// What is one client's stays that client's: no cache in front is told to share while clients prove who they are, no
// session is handed to the next client, and no signed address is written down anywhere.

import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { makeToken } from '../../src/access/secret-hash.ts';
import type { Config } from '../../src/config/config.ts';
import type { RequestHead } from '../../src/core/http-message.ts';
import { LogSink } from '../../src/observe/log-sink.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { fetchAll, get } from '../support/proxy/http-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { type Answer, FakeServer } from '../support/upstream/fake-server.ts';
import { hangUp } from '../support/upstream/faults.ts';
import { wheel } from '../support/upstream/wheels.ts';

const me = makeToken();
const KNOWN = { authorization: `Bearer ${me.token}` };

async function world(t: TestContext, respond: (request: RequestHead) => Answer, more: Partial<Config> = {}) {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  index.add('demo', wheel({ name: 'demo', version: '1.0' }));
  const origin = await FakeServer.start({ respond });
  t.after(() => origin.close());
  const lines: string[] = [];
  const sink = new LogSink({ write: (text) => lines.push(text) > 0, flush: () => {} });
  const raw = [{ name: 'other', origin: `${origin.origin}/`, maxBodyBytes: 1e6, redirectOrigins: [] }];
  const proxy = await startProxy({
    upstreams: [index.url],
    config: { raw, logLevel: 'debug', ...more },
    overrides: { sink },
  });
  t.after(() => proxy.close());
  const log = () => {
    sink.handOver();
    return lines.join('');
  };
  return { index, origin, proxy, raw: `${proxy.url}/raw/other/`, log };
}

async function withClients(t: TestContext): Promise<Partial<Config>> {
  const file = join(await temporaryFolder(t), 'clients');
  const content = `me:${me.hash}\n`;
  await writeFile(file, content);
  return { clients: { file, content, count: 1 } };
}

test('while clients prove who they are every answer is private, and none says otherwise to caches of other kinds', async (t) => {
  const { proxy, raw, origin } = await world(
    t,
    ({ url }) => ({
      status: Number(/\/(\d{3})/.exec(url)?.[1] ?? 200),
      fields: [
        ...['cache-control', 'public, max-age=60, s-maxage=90', 'location', '/x', 'etag', '"1"'],
        ...['cdn-cache-control', 'public', 'vercel-cdn-cache-control', 'public', 'x-accel-expires', '60'],
      ],
      body: Buffer.from('body'),
    }),
    await withClients(t),
  );
  origin.fault(/broken/, hangUp());
  const { files } = (
    await get(`${proxy.url}/simple/demo/`, { ...KNOWN, accept: 'application/vnd.pypi.simple.v1+json' })
  ).json() as { files: { url: string }[] };
  const file = new URL(files[0]!.url, `${proxy.url}/simple/demo/`).href;
  const paths = [
    '/',
    '/simple',
    '/simple/',
    '/simple/Demo/',
    '/simple/demo',
    '/simple/demo/',
    '/simple/none/',
    '/nothing',
  ];
  const urls = [
    ...[...paths, '/metrics', '/-/live', '/-/status.css', '/simple/%', '/pypi/demo/json', '/local-stats/'].map(
      (path) => proxy.url + path,
    ),
    ...[file, `${file}.metadata`, `${file}x`],
    ...['200', '302', '404', '500', 'broken', '..%2fx'].map((path) => raw + path),
  ];
  for (const url of [...urls, ...urls]) {
    for (const more of [{}, { 'if-none-match': '"1"' }, { range: 'bytes=0-1' }]) {
      const answer = await get(url, { ...KNOWN, ...more });
      assert.match(answer.field('cache-control') ?? '', /^private(?:, |$)/, `${answer.status} ${url}`);
      assert.doesNotMatch(answer.field('cache-control')!, /public|s-maxage/);
      for (const [i, name] of answer.fields.entries()) {
        if (i % 2 === 0) assert.doesNotMatch(name, /.-cache-control|x-accel-expires/);
      }
    }
  }
  const written = await fetchAll(`${raw}200`, { method: 'POST', fields: KNOWN, body: 'x' });
  assert.match(written.field('cache-control')!, /^private/);
  for (const url of urls) assert.match((await get(url)).field('cache-control') ?? '', /no-store|private/);
});

test('an answer that sets cookies is for the client that got it, and for nobody who comes at the same time or later', async (t) => {
  let sessions = 0;
  const { raw, origin } = await world(
    t,
    ({ url }) => ({
      status: 200,
      fields: [
        'cache-control',
        'public, max-age=600',
        ...(url.includes('plain') ? [] : ['set-cookie', `s=${++sessions}`]),
      ],
      body: Buffer.from(`for ${sessions}`),
    }),
    { trustedProxies: ['127.0.0.1'] },
  );
  const ask = async (who: number, path = 'a', cookie?: string) =>
    (await get(raw + path, { 'x-forwarded-for': `198.51.100.${who}`, ...(cookie !== undefined && { cookie }) })).field(
      'set-cookie',
    );
  const together = await Promise.all([1, 2, 3, 4].map((who) => ask(who)));
  assert.equal(new Set(together).size, 4, together.join());
  assert.deepEqual(await Promise.all([1, 2, 3, 4].map((who) => ask(who))), together, 'each gets its own again');
  assert.notEqual(await ask(1, 'a', 's=other'), together[0], 'another session of the same client is another');
  const before = origin.log.count();
  for (const who of [1, 2, 3]) assert.equal(await ask(who, 'plain'), undefined);
  assert.equal(origin.log.count(), before + 1, 'what sets none is shared as ever');
});

test('the query of an address is nowhere but on its way, also when its request fails', async (t) => {
  const { proxy, raw, origin, log, index } = await world(t, ({ url }) => ({
    status: url.includes('ok') ? 200 : 500,
    fields: [],
    body: Buffer.from('x'),
  }));
  origin.fault(/broken/, hangUp());
  await index.down();
  const CANARY = 'c4n4ry';
  const signed = `X-Amz-Signature=${CANARY}&sig=${CANARY}&token=${CANARY}`;
  const file = `${proxy.url}/files/http/${new URL(index.url).host}/x/demo-1.0.tar.gz`;
  for (const url of [
    `${raw}ok`,
    `${raw}broken`,
    `${raw}down/`,
    `${raw}..%2f`,
    file,
    `${proxy.url}/simple/demo/`,
    `${proxy.url}/x`,
  ]) {
    const answer = await get(`${url}?${signed}`);
    if (answer.status >= 400) assert.ok(!answer.text().includes(CANARY), url);
    await fetchAll(`${url}?${signed}`, { method: 'POST', body: 'x' });
  }
  const token = (await readFile(join(proxy.dataDir, 'admin-token'), 'utf8')).trim();
  const told = [log()];
  for (const path of ['status', 'stats', 'events', 'explain?project=demo']) {
    told.push((await get(`${proxy.url}/-/api/${path}`, { authorization: `Bearer ${token}` })).text());
  }
  told.push((await get(`${proxy.url}/metrics`)).text(), (await get(proxy.url, { accept: 'text/html' })).text(), log());
  assert.match(told.join(), /\/raw\/other\/broken/, 'what failed is told');
  assert.ok(
    !told.join().includes(CANARY),
    told
      .join()
      .split('\n')
      .find((line) => line.includes(CANARY)),
  );
});
