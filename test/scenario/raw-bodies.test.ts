// The bytes of a raw mount: streamed while they arrive, whole or not at all, in parts where parts are asked for.

import assert from 'node:assert/strict';
import { readdir, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { it, type TestContext } from 'node:test';
import { fetchAll, get } from '../support/proxy/http-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { answer, rawMount } from '../support/proxy/raw-mount.ts';
import { closeDelimited, truncated, unfinishedChunks } from '../support/upstream/faults.ts';

const LARGE = Buffer.from(Array.from({ length: 1_000_000 }, (_, i) => i % 251));
const FRESH = ['cache-control', 'max-age=60'];

/** An origin that sends the first part of a body and waits for a word before the rest. */
async function haltingOrigin(test: TestContext, body: Buffer, haltAt: number) {
  let requests = 0;
  const { promise, resolve: goOn } = Promise.withResolvers<void>();
  const server = createServer(async (request, response) => {
    requests++;
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
    if (range !== null) {
      const [first, last] = [Number(range[1]), Number(range[2])];
      response.writeHead(206, { 'content-range': `bytes ${first}-${last}/${body.length}` });
      return response.end(body.subarray(first, last + 1));
    }
    response.writeHead(200, { 'content-length': body.length, 'cache-control': 'max-age=60', etag: '"v1"' });
    response.write(body.subarray(0, haltAt));
    await promise;
    return response.end(body.subarray(haltAt));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const listen = { host: '127.0.0.1', port: 0 };
  const proxy = await startProxy({
    upstreams: [`${origin}simple/`],
    config: { raw: [{ name: 'origin', origin, listen, maxBodyBytes: 1e9, redirectOrigins: [] }] },
  });
  test.after(async () => {
    goOn();
    await proxy.close();
    server.closeAllConnections();
    server.close();
  });
  return { url: proxy.app.rawUrls.get('origin')!, goOn, requests: () => requests };
}

it('a client gets the first bytes of a large body before the origin has sent the last', async (test) => {
  const { url, goOn } = await haltingOrigin(test, LARGE, 500_000);
  const response = await fetchAll(`${url}a`, { abortAfterBytes: 400_000 });
  assert.ok(response.sizeBytes >= 400_000);
  goOn();
  const whole = await get(`${url}a`);
  assert.ok(whole.body.equals(LARGE));
});

it('a range of what is here of an arriving body is sent at once, and one behind it when it has come', async (test) => {
  const { url, goOn, requests } = await haltingOrigin(test, LARGE, 500_000);
  const whole = get(`${url}a`);
  const early = await get(`${url}a`, { range: 'bytes=1000-1999' });
  assert.equal(early.status, 206);
  assert.equal(early.field('content-range'), 'bytes 1000-1999/1000000');
  assert.ok(early.body.equals(LARGE.subarray(1000, 2000)));
  const late = get(`${url}a`, { range: 'bytes=-10' });
  goOn();
  assert.ok((await late).body.equals(LARGE.subarray(-10)));
  assert.ok((await whole).body.equals(LARGE));
  assert.equal(requests(), 1);
});

it('a range far behind what has arrived is asked for by itself', async (test) => {
  const body = Buffer.alloc(12_000_000, 'far');
  const { url, requests } = await haltingOrigin(test, body, 100_000);
  const whole = fetchAll(`${url}a`, { abortAfterBytes: 1 });
  const part = await get(`${url}a`, { range: 'bytes=11000000-11000009' });
  assert.equal(part.status, 206);
  assert.equal(part.sizeBytes, 10);
  assert.match(part.field('cache-status')!, /fwd=partial/);
  assert.equal(requests(), 2);
  await whole;
});

const CUTS = {
  'announced more': truncated(400_000),
  'announced more, and reset': truncated(400_000, 'rst'),
  'sent chunks without the last': unfinishedChunks(400_000),
};
for (const [how, fault] of Object.entries(CUTS)) {
  it(`a body that was cut is never taken for whole: the origin ${how}`, async (test) => {
    const { origin, url } = await rawMount(test, { respond: () => answer(LARGE, FRESH) });
    origin.fault('/a', fault, { times: 1 });
    // After a reset there may not even be a head.
    const cut = await get(`${url}/a`).catch(() => undefined);
    assert.notEqual(cut?.complete, true);
    const whole = await get(`${url}/a`);
    assert.ok(whole.complete && whole.body.equals(LARGE));
    assert.equal(origin.log.count('/a'), 2);
  });
}

it('a small body that was cut is an error, not a broken download', async (test) => {
  const { origin, url } = await rawMount(test, { respond: () => answer('0123456789', FRESH) });
  origin.fault('/a', truncated(5), { times: 1 });
  assert.equal((await get(`${url}/a`)).status, 502);
  assert.equal((await get(`${url}/a`)).text(), '0123456789');
});

it('a body that only the end of the connection delimits is passed on and kept', async (test) => {
  const { origin, url } = await rawMount(test, { respond: () => answer(LARGE, FRESH) });
  origin.fault('/a', closeDelimited(LARGE.length), { times: 1 });
  assert.ok((await get(`${url}/a`)).body.equals(LARGE));
  const again = await get(`${url}/a`);
  assert.ok(again.body.equals(LARGE));
  assert.equal(again.field('content-length'), String(LARGE.length));
  assert.equal(origin.log.count('/a'), 1);
});

it('a larger body than the mount allows is refused, and not kept in part', async (test) => {
  const { url } = await rawMount(test, { respond: () => answer(LARGE, FRESH), mount: { maxBodyBytes: 999_999 } });
  assert.equal((await get(`${url}/a`)).status, 502);
});

it('a 304 rewrites no body', async (test) => {
  const { clock, origin, proxy, url } = await rawMount(test, {
    respond: ({ fields }) =>
      fields.includes('if-none-match')
        ? answer('', ['etag', '"1"', 'x-round', '2', ...FRESH], 304)
        : answer(LARGE, ['etag', '"1"', 'x-round', '1', ...FRESH]),
  });
  await get(`${url}/a`);
  // The second one is answered from what is stored: by then it is in its place.
  assert.match((await get(`${url}/a`)).field('cache-status')!, /hit/);
  const before = await bodies(proxy.dataDir);
  for (const round of [1, 2, 3]) {
    clock.advance(61_000);
    const response = await get(`${url}/a`);
    assert.equal(response.field('x-round'), '2', `round ${round}`);
    assert.ok(response.body.equals(LARGE));
  }
  assert.deepEqual(await bodies(proxy.dataDir), before);
  assert.equal(before.length, 1);
  assert.equal(origin.log.count('/a'), 4);
});

it('ranges and conditions are answered from the copy', async (test) => {
  const { origin, url } = await rawMount(test, { respond: () => answer(LARGE, ['etag', '"1"', ...FRESH]) });
  await get(`${url}/a`);
  const cases = [
    [{ range: 'bytes=0-99' }, 206, LARGE.subarray(0, 100)],
    [{ range: 'bytes=-100' }, 206, LARGE.subarray(-100)],
    [{ range: 'bytes=999900-' }, 206, LARGE.subarray(-100)],
    [{ range: 'bytes=0-99', 'if-range': '"1"' }, 206, LARGE.subarray(0, 100)],
    [{ range: 'bytes=0-99', 'if-range': '"2"' }, 200, LARGE],
    [{ range: 'bytes=0-99,200-299' }, 200, LARGE],
    [{ range: 'bytes=1000000-' }, 416, Buffer.alloc(0)],
    [{ 'if-none-match': 'W/"1"' }, 304, Buffer.alloc(0)],
    [{ 'if-none-match': '"2"' }, 200, LARGE],
    [{ range: 'bytes=0-99', 'if-none-match': '"1"' }, 304, Buffer.alloc(0)],
  ] as const;
  for (const [fields, status, body] of cases) {
    const response = await get(`${url}/a`, fields);
    assert.equal(response.status, status, JSON.stringify(fields));
    assert.ok(response.body.equals(body), JSON.stringify(fields));
    assert.equal(response.field('etag'), '"1"');
  }
  assert.equal(origin.log.count('/a'), 1);
});

it('HEAD is answered from a stored GET, else by the origin', async (test) => {
  const { origin, url } = await rawMount(test, {
    respond: ({ method }) => answer(method === 'HEAD' ? '' : LARGE, ['etag', '"1"', ...FRESH]),
  });
  assert.equal((await fetchAll(`${url}/a`, { method: 'HEAD' })).field('etag'), '"1"');
  await get(`${url}/a`);
  const head = await fetchAll(`${url}/a`, { method: 'HEAD' });
  assert.equal(head.field('content-length'), String(LARGE.length));
  assert.deepEqual(
    origin.log.entries.map(({ method }) => method),
    ['HEAD', 'GET'],
  );
});

async function bodies(dataDir: string) {
  const folder = join(dataDir, 'bodies');
  const names = (await readdir(folder, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  return Promise.all(
    names.map(async ({ parentPath, name }) => {
      const { ino, mtimeMs, size } = await stat(join(parentPath, name));
      return { name, ino, mtimeMs, size };
    }),
  );
}
