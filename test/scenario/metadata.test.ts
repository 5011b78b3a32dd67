// Core metadata and signatures beside files: served as the page advertises them, verified, and never invented.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { storedBlobs } from '../support/disk/stored-files.ts';
import { fileWorld } from '../support/proxy/file-world.ts';
import { fetchAll, get } from '../support/proxy/http-client.ts';
import { getPage } from '../support/proxy/page-client.ts';
import * as faults from '../support/upstream/faults.ts';
import { wheel } from '../support/upstream/wheels.ts';

test('core metadata with a hash is verified, stored and served for ever', async (t) => {
  const { index, file, path, url } = await fileWorld(t);
  for (let i = 0; i < 2; i++) {
    const answer = await get(`${url}.metadata`);
    assert.deepEqual([answer.status, answer.sha256], [200, file.metadataSha256]);
    assert.match(answer.field('cache-control')!, /immutable/);
  }
  assert.equal(index.requests(`${path}.metadata`), 1);
  assert.equal(index.requests(path), 0);
});

test('core metadata with a wrong hash is never served nor stored', async (t) => {
  const { index, proxy, path, url, file } = await fileWorld(t);
  index.fault(`${path}.metadata`, faults.wrongByte(3));
  assert.equal((await get(`${url}.metadata`)).status, 502);
  assert.deepEqual(await storedBlobs(proxy.dataDir), []);
  index.clearFaults();
  assert.equal((await get(`${url}.metadata`)).sha256, file.metadataSha256);
});

test('core metadata that is advertised without a hash is served, with a short lifetime', async (t) => {
  const { file, url } = await fileWorld(t, { listing: { coreMetadata: true } });
  const answer = await get(`${url}.metadata`);
  assert.deepEqual([answer.status, answer.sha256], [200, file.metadataSha256]);
  assert.equal(answer.field('cache-control'), 'public, max-age=600');
});

test('core metadata that the page does not advertise is 404 without asking upstream for it', async (t) => {
  const { index, path, url } = await fileWorld(t, { listing: { coreMetadata: false } });
  assert.equal((await get(`${url}.metadata`)).status, 404);
  assert.equal(index.requests(`${path}.metadata`), 0);
});

test('core metadata that is advertised but missing upstream is 404, remembered for a minute', async (t) => {
  const clock = { ms: Date.now() };
  const { index, path, url } = await fileWorld(t, { now: () => clock.ms });
  const lift = index.fault(`${path}.metadata`, faults.status(404));
  assert.equal((await get(`${url}.metadata`)).status, 404);
  assert.equal((await get(`${url}.metadata`)).status, 404);
  assert.equal(index.requests(`${path}.metadata`), 1);
  lift();
  clock.ms += 61_000;
  assert.equal((await get(`${url}.metadata`)).status, 200);
});

test('core metadata that is missing upstream is not claimed for an hour, or until it is there after all', async (t) => {
  const clock = { ms: Date.now() };
  const { index, path, url, proxy, file } = await fileWorld(t, { now: () => clock.ms });
  index.add('demo', wheel({ name: 'demo', version: '2.0' }));
  const claims = async () => {
    const { files } = (await getPage(proxy, 'demo')).json() as { readonly files: readonly Record<string, unknown>[] };
    const html = (await get(`${proxy.url}/simple/demo/`)).text();
    assert.equal(html.match(/data-core-metadata/g)?.length, files.filter((one) => one['core-metadata']).length);
    return files.map((one) => one['core-metadata'] !== undefined);
  };
  assert.deepEqual(await claims(), [true, true]);
  const tag = (await getPage(proxy, 'demo')).field('etag');
  const lift = index.fault(`${path}.metadata`, faults.status(404));
  assert.equal((await get(`${url}.metadata`)).status, 404);
  assert.deepEqual(await claims(), [false, true]);
  assert.notEqual((await getPage(proxy, 'demo')).field('etag'), tag);
  clock.ms += 3_600_000;
  assert.deepEqual(await claims(), [true, true], 'after an hour the claim is proved anew');
  assert.equal((await get(`${url}.metadata`)).status, 404);
  assert.deepEqual(await claims(), [false, true]);
  lift();
  clock.ms += 61_000;
  assert.equal((await get(`${url}.metadata`)).sha256, file.metadataSha256);
  assert.deepEqual(await claims(), [true, true]);
});

for (const [what, coreMetadata] of [
  ['as promised by its hash', undefined],
  ['that is promised without a hash', true],
  ['that differs from its promised hash', { sha256: 'f'.repeat(64) }],
] as const) {
  test(`core metadata ${what} that is missing upstream comes out of the wheel if that is here and right`, async (t) => {
    const listing = coreMetadata === undefined ? {} : { coreMetadata };
    const { index, path, url, file } = await fileWorld(t, { listing });
    index.fault(`${path}.metadata`, faults.status(404));
    assert.equal((await get(url)).sha256, file.sha256);
    const answer = await get(`${url}.metadata`);
    if (typeof coreMetadata === 'object') assert.equal(answer.status, 404);
    else assert.deepEqual([answer.status, answer.sha256], [200, file.metadataSha256]);
    assert.equal(index.requests(path), 1);
  });
}

test('core metadata that storage refuses is not claimed any more, and the refusal is no 404', async (t) => {
  const { index, path, url, proxy } = await fileWorld(t);
  index.fault(`${path}.metadata`, faults.status(403));
  assert.equal((await get(`${url}.metadata`)).status, 502);
  assert.doesNotMatch((await get(`${proxy.url}/simple/demo/`)).text(), /data-core-metadata/);
});

test('core metadata that was never fetched comes out of the stored wheel in an outage', async (t) => {
  const { index, url, file } = await fileWorld(t);
  assert.equal((await get(url)).sha256, file.sha256);
  await index.down();
  assert.equal((await get(`${url}.metadata`)).sha256, file.metadataSha256);
});

test('a failure of upstream is no 404 for core metadata', async (t) => {
  const { index, path, url } = await fileWorld(t);
  index.fault(`${path}.metadata`, faults.status(503));
  assert.equal((await get(`${url}.metadata`)).status, 503);
});

test('core metadata of a file that no page lists is 404', async (t) => {
  const { url } = await fileWorld(t);
  assert.equal((await get(`${url.replace('demo-1.0', 'demo-9.9')}.metadata`)).status, 404);
});

test('HEAD, ranges and conditions work on core metadata', async (t) => {
  const { file, url } = await fileWorld(t);
  const head = await fetchAll(`${url}.metadata`, { method: 'HEAD' });
  assert.deepEqual([head.status, head.field('content-length')], [200, String(file.metadata.length)]);
  const part = await get(`${url}.metadata`, { range: 'bytes=0-7' });
  assert.deepEqual([part.status, part.text()], [206, 'Metadata']);
  assert.equal((await get(`${url}.metadata`, { 'if-none-match': `"${file.metadataSha256}"` })).status, 304);
});

test('a signature beside a listed file is fetched where upstream has one, else 404', async (t) => {
  const { index, path, url } = await fileWorld(t);
  assert.equal((await get(`${url}.asc`)).status, 404);
  assert.equal(index.requests(`${path}.asc`), 1);
  const other = await fileWorld(t);
  other.index.fault(
    `${other.path}.asc`,
    faults.alter(() => ({ status: 200, body: Buffer.from('signature') })),
  );
  assert.equal((await get(`${other.url}.asc`)).text(), 'signature');
});
