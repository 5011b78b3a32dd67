// Equivalent mirrors of one index: any may answer, none is trusted, and the guilty are named.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type ClientResponse, get } from '../support/proxy/http-client.ts';
import { severalIndexes, type World } from '../support/proxy/several-indexes.ts';
import type { FakeIndex, FakeIndexOptions } from '../support/upstream/fake-index.ts';
import { delay, status, truncated, wrongByte } from '../support/upstream/faults.ts';
import { type Distribution, wheel } from '../support/upstream/wheels.ts';

const JSON_PAGE = { accept: 'application/vnd.pypi.simple.v1+json' };
const one = wheel({ name: 'demo', version: '1.0' });
const two = wheel({ name: 'demo', version: '2.0' });

interface File {
  readonly filename: string;
  readonly url: string;
  readonly hashes: { readonly sha256: string };
}

async function mirrored(t: TestContext, count: number, options: FakeIndexOptions = {}) {
  const world = await severalIndexes(t, { main: { mirrors: Array(count).fill(options) } });
  return { ...world, proxy: world.proxy, mirrors: world.mirrors('main') };
}

const add = (mirrors: readonly FakeIndex[], ...files: Distribution[]) => {
  for (const mirror of mirrors) mirror.add('demo', ...files);
};
const page = ({ proxy }: Pick<World, 'proxy'>) => get(`${proxy.url}/simple/demo/`, JSON_PAGE);
const files = (response: ClientResponse) => (response.json() as { readonly files: readonly File[] }).files;
const versions = (response: ClientResponse) => files(response).map(({ filename }) => filename.split('-')[1]);
const link = ({ proxy }: Pick<World, 'proxy'>, file: File) => new URL(file.url, `${proxy.url}/simple/demo/`).href;
const refusals = async ({ proxy }: Pick<World, 'proxy'>, mirror: FakeIndex, reason: string) =>
  (await proxy.metrics())[
    `wheelkeep_mirror_refusals_total{upstream="${new URL(mirror.url).host}",reason="${reason}"}`
  ] ?? 0;

test('one mirror behind by a serial, one with a changed hash, one down: installs are right and current, the guilty named', async (t) => {
  const world = await mirrored(t, 4);
  const [good, behind, liar, dead] = world.mirrors as [FakeIndex, FakeIndex, FakeIndex, FakeIndex];
  add([good, behind, dead], one);
  assert.deepEqual(versions(await page(world)), ['1.0']);

  add([good], two);
  const wrong = wheel({ name: 'demo', version: '1.0', files: { 'demo.py': 'VERSION = "evil"\n' } });
  for (const file of [wrong, two]) liar.add('demo', file);
  liar.bumpSerial('demo', 10);
  await dead.down();
  world.clock.advance(61_000);
  const current = await page(world);
  assert.deepEqual(versions(current), ['1.0', '2.0']);

  // Now the good one is gone, too: what is left may not take the page back, nor change it.
  await good.down();
  world.clock.advance(61_000);
  const held = await page(world);
  assert.deepEqual([held.status, versions(held)], [200, ['1.0', '2.0']]);
  assert.equal(files(held)[0]!.hashes.sha256, one.sha256);
  await behind.waitFor((mirror) => mirror.requests('/simple/demo/') > 0);
  await liar.waitFor((mirror) => mirror.requests('/simple/demo/') > 0);
  assert.equal(await refusals(world, behind, 'lagging'), 1);
  assert.equal(await refusals(world, liar, 'changed-hash'), 1);
  assert.equal(await refusals(world, good, 'lagging'), 0);

  // A mirror that catches up is believed again.
  add([behind], two);
  behind.bumpSerial('demo', 5);
  world.clock.advance(61_000);
  const caughtUp = await page(world);
  assert.equal(caughtUp.field('x-wheelkeep-stale'), undefined);
});

test('a mirror that breaks off, sends no page or stays away costs nothing but a second request', async (t) => {
  const world = await mirrored(t, 2);
  const [first, second] = world.mirrors as [FakeIndex, FakeIndex];
  add([first, second], one);
  first.fault('/simple/demo/', truncated(10));
  assert.deepEqual(versions(await page(world)), ['1.0']);
  first.clearFaults();
  add([second], two);
  const sick = { status: 200, fields: ['content-type', 'text/html'], body: Buffer.from('<p>Sign in</p>') };
  first.fault('/simple/demo/', ({ send }) => send(sick));
  world.clock.advance(61_000);
  assert.deepEqual(versions(await page(world)), ['1.0', '2.0']);
});

test('a page without serials is accepted when it lists what we hold, and confirmed otherwise', async (t) => {
  const world = await mirrored(t, 2, { serials: false, formats: 'html-only' });
  const [first, second] = world.mirrors as [FakeIndex, FakeIndex];
  for (const mirror of [first, second]) mirror.add('demo', one, two);
  assert.deepEqual(versions(await page(world)), ['1.0', '2.0']);
  const three = wheel({ name: 'demo', version: '3.0' });
  first.add('demo', three);
  world.clock.advance(61_000);
  assert.deepEqual(versions(await page(world)), ['1.0', '2.0', '3.0']);

  // One mirror alone says that a file left: the other still has what matters, and lacks what is new.
  first.remove('demo', one.filename);
  world.clock.advance(61_000);
  assert.deepEqual(versions(await page(world)), ['1.0', '2.0', '3.0']);
  assert.equal(await refusals(world, first, 'files-left'), 1);

  // Both say the same: believed at once.
  second.add('demo', three);
  second.remove('demo', one.filename);
  world.clock.advance(61_000);
  assert.deepEqual(versions(await page(world)), ['2.0', '3.0']);
});

test('without a second witness files that left are believed after a quarter of an hour', async (t) => {
  const world = await mirrored(t, 2, { serials: false });
  const [first, second] = world.mirrors as [FakeIndex, FakeIndex];
  add([first, second], one, two);
  await page(world);
  await second.down();
  first.remove('demo', one.filename);
  for (let minutes = 0; minutes < 14; minutes += 2) {
    world.clock.advance(121_000);
    assert.deepEqual(versions(await page(world)), ['1.0', '2.0'], `after ${minutes} minutes`);
  }
  world.clock.advance(180_000);
  assert.deepEqual(versions(await page(world)), ['2.0']);
});

test('a hash that two mirrors give is believed against the one that was held', async (t) => {
  const world = await mirrored(t, 3);
  const [liar, second, third] = world.mirrors as [FakeIndex, FakeIndex, FakeIndex];
  const wrong = wheel({ name: 'demo', version: '1.0', files: { 'demo.py': 'VERSION = "evil"\n' } });
  liar.add('demo', wrong);
  assert.equal(files(await page(world))[0]!.hashes.sha256, wrong.sha256);
  await liar.down();
  add([second, third], one);
  world.clock.advance(61_000);
  assert.equal(files(await page(world))[0]!.hashes.sha256, one.sha256);
});

test('a file keeps its URL whichever mirror gave the page, and comes from a mirror that has it', async (t) => {
  const world = await mirrored(t, 2);
  const [first, second] = world.mirrors as [FakeIndex, FakeIndex];
  add([first, second], one, two);
  const before = files(await page(world));
  assert.ok(before[0]!.url.includes(new URL(first.url).host));
  await first.down();
  const three = wheel({ name: 'demo', version: '3.0' });
  add([second], three);
  world.clock.advance(61_000);
  const after = files(await page(world));
  assert.deepEqual(after.slice(0, 2), before);
  assert.ok(after[2]!.url.includes(new URL(first.url).host), 'a new file is known by the same rule');
  for (const [i, file] of [one, two, three].entries()) {
    const answer = await get(link(world, after[i]!));
    assert.deepEqual([answer.status, answer.sha256], [200, file.sha256]);
    assert.equal((await get(`${link(world, after[i]!)}.metadata`)).sha256, file.metadataSha256);
  }
  await first.up();
  add([first], three);
  first.bumpSerial('demo', 5);
  world.clock.advance(400_000);
  assert.deepEqual(
    files(await page(world)).map(({ url }) => url),
    after.map(({ url }) => url),
  );
});

test('with files_base also the first page has the URLs of the first mirror', async (t) => {
  const world = await severalIndexes(t, { main: { mirrors: [{}, {}] } });
  const [first, second] = world.mirrors('main') as [FakeIndex, FakeIndex];
  add([first, second], one);
  const upstreams = [first, second].map(({ url }) => ({ url, filesBase: new URL('/packages/', url).href }));
  await world.restart({
    indexes: [{ name: 'main', upstreams, missingStatuses: [], pageOrigins: [], accept: 'any' }],
  });
  await first.down();
  const [file] = files(await page(world));
  assert.ok(file!.url.includes(new URL(first.url).host), file!.url);
  assert.equal((await get(link(world, file!))).sha256, one.sha256);
  await first.up();
  world.clock.advance(61_000);
  first.bumpSerial('demo', 5);
  assert.equal(files(await page(world))[0]!.url, file!.url);

  // The page is fresh and from the first mirror, whose files cannot be had: the other one's place is known.
  add([first, second], two);
  world.clock.advance(400_000);
  const [, next] = files(await page(world));
  first.fault(first.pathOf(two), status(404));
  assert.equal((await get(link(world, next!))).sha256, two.sha256);
  assert.equal(first.requests(first.pathOf(two)), 1);
});

test('a file that the mirror of its page cannot give, or gives wrong, comes from the other one', async (t) => {
  const world = await mirrored(t, 2);
  const [first, second] = world.mirrors as [FakeIndex, FakeIndex];
  add([first, second], one, two);
  await page(world);
  first.fault('/simple/demo/', status(500));
  second.bumpSerial('demo', 5);
  world.clock.advance(61_000);
  const [broken, wrong] = files(await page(world)) as [File, File];
  second.fault(second.pathOf(one), status(500));
  second.fault(second.pathOf(two), wrongByte(-1));
  assert.equal((await get(link(world, broken))).sha256, one.sha256);
  assert.equal((await get(link(world, wrong))).sha256, two.sha256);
  assert.ok(second.requests(second.pathOf(two)) > 0 && first.requests(first.pathOf(two)) > 0);
});

test('a project that one mirror lost is heard of at the next before it is doubted', async (t) => {
  const world = await mirrored(t, 2);
  const [first, second] = world.mirrors as [FakeIndex, FakeIndex];
  add([first, second], one);
  await page(world);
  first.remove('demo');
  world.clock.advance(61_000);
  const found = await page(world);
  assert.deepEqual([found.status, found.field('x-wheelkeep-stale')], [200, undefined]);
  assert.equal(await refusals(world, first, 'missing'), 1);
});

test('with order: latency the fast mirror leads, and metrics and status API say so', async (t) => {
  const world = await severalIndexes(t, { main: { mirrors: [{}, {}], config: { order: 'latency' } } });
  const [slow, fast] = world.mirrors('main') as [FakeIndex, FakeIndex];
  const names = ['demo-a', 'demo-b', 'demo-c', 'demo-d'];
  for (const name of names) for (const mirror of [slow, fast]) mirror.add(name, wheel({ name, version: '1.0' }));
  slow.fault(/simple/, delay(100));
  for (const name of names) await get(`${world.proxy.url}/simple/${name}/`, JSON_PAGE);
  assert.deepEqual([slow.requests(), fast.requests()], [1, 3]);
  const metrics = await world.proxy.metrics();
  const leads = (index: FakeIndex) => metrics[`wheelkeep_upstream_leads{upstream="${new URL(index.url).host}"}`];
  assert.deepEqual([leads(slow), leads(fast)], [0, 1]);
  const average = metrics[`wheelkeep_upstream_average_latency_seconds{upstream="${new URL(slow.url).host}"}`];
  assert.ok(average! >= 0.1 && average! < 1);
});
