// A quarantine holds on every way to the files: page, JSON, file, metadata, HEAD, Range, condition, fresh, stale and after
// a restart (PEP 792).

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { FakeClock } from '../support/clock/clock.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { fetchAll, get } from '../support/proxy/http-client.ts';
import { JSON_TYPE } from '../support/proxy/page-client.ts';
import { type RunningProxy, startProxy } from '../support/proxy/proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { wheel } from '../support/upstream/wheels.ts';

const bad = wheel({ name: 'bad', version: '1.0' });

async function world(t: TestContext) {
  const clock = new FakeClock();
  const index = await FakeIndex.start();
  t.after(() => index.close());
  index.add('bad', bad);
  const options = { upstreams: [index.url], dataDir: await temporaryFolder(t), now: clock.now };
  const start = async () => {
    const proxy = await startProxy(options);
    t.after(() => proxy.close());
    return proxy;
  };
  const path = `/files/http/${new URL(index.url).host}${index.pathOf(bad)}`;
  return { clock, index, start, path };
}

/** No way leads to the file, whichever method, range or condition goes along. */
async function assertClosed(proxy: RunningProxy, path: string, when: string): Promise<void> {
  for (const accept of [JSON_TYPE, 'text/html']) {
    const page = await get(`${proxy.url}/simple/bad/`, { accept });
    assert.equal(page.status, 200, when);
    assert.ok(page.text().includes('quarantined') && !page.text().includes(bad.filename), `${when}: ${page.text()}`);
  }
  const conditions = [{}, { range: 'bytes=0-3' }, { 'if-none-match': `"${bad.sha256}"` }, { 'if-none-match': '*' }];
  for (const below of ['', '/default']) {
    for (const target of [path, `${path}.metadata`, `${path}.asc`, '/pypi/bad/json']) {
      for (const method of ['GET', 'HEAD']) {
        for (const fields of conditions) {
          const answer = await fetchAll(proxy.url + below + target, { method, fields });
          assert.equal(answer.status, 403, `${when}: ${method} ${below}${target} ${JSON.stringify(fields)}`);
        }
      }
    }
  }
}

test('a project that is quarantined after its files were stored is closed on every way, fresh, in an outage and after a restart', async (t) => {
  const { clock, index, start, path } = await world(t);
  const proxy = await start();
  // Everything is here, hot, and in the store of ready answers.
  for (let i = 0; i < 3; i += 1) {
    for (const target of ['/simple/bad/', path, `${path}.metadata`])
      assert.equal((await get(proxy.url + target)).status, 200);
  }
  index.setStatus('bad', 'quarantined');
  clock.advance(61_000);
  await get(`${proxy.url}/simple/bad/`);
  await assertClosed(proxy, path, 'known');
  await index.down();
  clock.advance(3 * 24 * 3_600_000);
  await assertClosed(proxy, path, 'stale');
  await proxy.close();
  await assertClosed(await start(), path, 'after a restart');
});

test('a page that lists files although the project is quarantined opens none of them', async (t) => {
  const { index, start, path } = await world(t);
  const record = { filename: bad.filename, url: `../..${index.pathOf(bad)}`, hashes: { sha256: bad.sha256 } };
  const page = {
    meta: { 'api-version': '1.4' },
    name: 'bad',
    'project-status': { status: 'quarantined' },
    files: [record],
  };
  index.fault('/simple/bad/', ({ send }) =>
    send({ status: 200, fields: ['content-type', JSON_TYPE], body: Buffer.from(JSON.stringify(page)) }),
  );
  await assertClosed(await start(), path, 'listed all the same');
});

test('a quarantine that ends upstream ends here', async (t) => {
  const { clock, index, start, path } = await world(t);
  const proxy = await start();
  index.setStatus('bad', 'quarantined');
  await assertClosed(proxy, path, 'from the start');
  index.setStatus('bad', 'active');
  index.add('bad', bad);
  clock.advance(61_000);
  await get(`${proxy.url}/simple/bad/`);
  assert.equal((await get(proxy.url + path)).sha256, bad.sha256);
});
