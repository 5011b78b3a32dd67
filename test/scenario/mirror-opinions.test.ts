// What one mirror says is missing is that mirror's opinion: the next is asked before a client hears it.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { FakeClock } from '../support/clock/clock.ts';
import { get } from '../support/proxy/http-client.ts';
import { getPage, JSON_TYPE } from '../support/proxy/page-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import * as faults from '../support/upstream/faults.ts';
import { legacyJson, serveDocument } from '../support/upstream/json-documents.ts';
import { wheel } from '../support/upstream/wheels.ts';

const file = wheel({ name: 'demo', version: '1.0' });

async function mirrors(t: TestContext, count = 2) {
  const clock = new FakeClock();
  const all = await Promise.all(Array.from({ length: count }, () => FakeIndex.start()));
  t.after(() => Promise.all(all.map((mirror) => mirror.close())));
  const proxy = await startProxy({ upstreams: all.map(({ url }) => url), now: clock.now });
  t.after(() => proxy.close());
  return { clock, all, first: all[0]!, second: all[1]!, proxy };
}

type World = Awaited<ReturnType<typeof mirrors>>;

async function linkOf({ proxy }: World, filename = file.filename): Promise<string> {
  const page = await get(`${proxy.url}/simple/demo/`, { accept: JSON_TYPE });
  const { files } = page.json() as { files: { filename: string; url: string }[] };
  return new URL(files.find((listed) => listed.filename === filename)!.url, `${proxy.url}/simple/demo/`).href;
}

for (const code of [404, 410]) {
  test(`a project that the first mirror answers ${code} for comes from the second, cold`, async (t) => {
    const { first, second, proxy } = await mirrors(t);
    for (const mirror of [first, second]) mirror.add('demo', file);
    first.fault('/simple/demo/', faults.status(code));
    assert.equal((await getPage(proxy, 'demo')).status, 200);
    assert.deepEqual([first.requests('/simple/demo/'), second.requests('/simple/demo/')], [1, 1]);
  });
}

test('a status that means missing at this index is an opinion as well', async (t) => {
  const [first, second] = [await FakeIndex.start(), await FakeIndex.start()];
  t.after(() => Promise.all([first.close(), second.close()]));
  second.add('demo', file);
  const proxy = await startProxy({ upstreams: [first.url, second.url], indexConfig: { missingStatuses: [403] } });
  t.after(() => proxy.close());
  first.fault('/simple/demo/', faults.status(403));
  assert.equal((await getPage(proxy, 'demo')).status, 200);
});

test('what every mirror lacks is 404, and so is what the others cannot be asked about', async (t) => {
  const { first, second, proxy } = await mirrors(t);
  assert.equal((await getPage(proxy, 'nothing')).status, 404);
  assert.deepEqual([first.requests(), second.requests()], [1, 1]);
  await second.down();
  assert.equal((await getPage(proxy, 'nothing-else')).status, 404);
});

test('the list of projects and legacy JSON of the second mirror are found too', async (t) => {
  const world = await mirrors(t);
  const { first, second, proxy } = world;
  for (const mirror of [first, second]) mirror.add('demo', file);
  first.fault('/simple/', faults.status(404));
  serveDocument(second, '/pypi/demo/json', legacyJson('demo', []));
  assert.equal((await get(`${proxy.url}/simple/`)).status, 200);
  assert.equal((await get(`${proxy.url}/pypi/demo/json`)).status, 200);
});

const LOST = {
  'answers 404 for': faults.status(404),
  'answers 403 for': faults.status(403),
  'answers 500 for': faults.status(500),
  'sends wrong bytes of': faults.wrongByte(3),
  'breaks off': faults.truncated(40, 'rst'),
};

for (const [what, fault] of Object.entries(LOST)) {
  test(`a file that the mirror whose page lists it ${what} comes from the other one, with its metadata`, async (t) => {
    const world = await mirrors(t);
    const { first, second } = world;
    for (const mirror of [first, second]) mirror.add('demo', file);
    const link = await linkOf(world);
    assert.equal(second.requests(), 0);
    first.fault(/^\/packages\//, fault);
    const answer = await get(link);
    assert.deepEqual([answer.status, answer.sha256], [200, file.sha256]);
    const metadata = await get(`${link}.metadata`);
    assert.deepEqual([metadata.status, metadata.sha256], [200, file.metadataSha256]);
  });
}

test('a file that no mirror has is 404, and one whose hash the other mirror gives otherwise is not taken from there', async (t) => {
  const world = await mirrors(t);
  const { first, second } = world;
  const other = wheel({ name: 'demo', version: '1.0', sizeBytes: 5_000 });
  first.add('demo', file);
  second.add('demo', other);
  const link = await linkOf(world);
  first.fault(/^\/packages\//, faults.status(404));
  for (let i = 0; i < 10; i += 1) assert.equal((await get(link)).status, 404);
  assert.equal(second.requests(second.pathOf(other)), 0);
  assert.ok(second.requests() <= 4 && first.requests() <= 8, `${first.requests()} and ${second.requests()} requests`);
});
