// explain: why a project or file is visible or not, without asking anybody.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { get } from '../support/proxy/http-client.ts';
import { severalIndexes, type World } from '../support/proxy/several-indexes.ts';
import { wheel } from '../support/upstream/wheels.ts';

const demo = wheel({ name: 'demo', version: '1.0' });

interface Explanation {
  readonly answeredBy?: string;
  readonly boundTo?: string;
  readonly indexes: readonly {
    readonly index: string;
    readonly verdict: string;
    readonly asked: boolean;
    readonly page?: { readonly state: string; readonly remainingSeconds: number; readonly facts: object };
    readonly doubt?: { readonly claim: string };
    readonly trouble?: { readonly cause: string; readonly waiting: boolean };
  }[];
  readonly file?: {
    readonly verdict: string;
    readonly listed: boolean;
    readonly stored?: object;
    readonly yanked: string;
  };
}

async function explain({ proxy }: World, query: string): Promise<Explanation> {
  const token = (await readFile(join(proxy.dataDir, 'admin-token'), 'utf8')).trim();
  const answer = await get(`${proxy.url}/-/api/explain?${query}`, { authorization: `Bearer ${token}` });
  assert.equal(answer.status, 200, answer.text());
  return answer.json() as Explanation;
}
const verdicts = ({ indexes }: Explanation) => indexes.map(({ index, verdict }) => `${index}: ${verdict}`);

test('each index in order: what it said, and why it is not asked', async (t) => {
  const routes = [{ names: ['acme-*'], index: 'internal' }];
  const world = await severalIndexes(t, { internal: {}, public: {}, last: {} }, { routes });
  world.upstream('public').add('demo', demo);
  assert.deepEqual(verdicts(await explain(world, 'project=demo')), [
    'internal: nobody has asked for it yet',
    'public: nobody has asked for it yet',
    'last: nobody has asked for it yet',
  ]);
  assert.equal(world.upstream('internal').requests() + world.upstream('public').requests(), 0);
  await get(`${world.proxy.url}/simple/demo/`);
  const found = await explain(world, 'project=Demo');
  assert.equal(found.answeredBy, 'public');
  assert.deepEqual(verdicts(found), [
    'internal: upstream said that there is no such project (fresh)',
    'public: a page is held (fresh)',
    'last: not asked: public has the project',
  ]);
  const serial = world.upstream('public').serialOf('demo');
  assert.deepEqual(found.indexes[1]!.page!.facts, { serial, files: 1, apiVersion: '1.4', versions: 1 });
  const bound = await explain(world, 'project=acme-lib');
  assert.deepEqual([bound.boundTo, bound.answeredBy], ['internal', undefined]);
  assert.equal(verdicts(bound)[1], 'public: not asked: a rule binds this name to the index internal');
});

test('in an outage: stale, since when, and what failed; a removal not yet believed; a quarantine', async (t) => {
  const world = await severalIndexes(t, { main: {} });
  const index = world.upstream('main');
  index.add('demo', demo);
  const page = () => get(`${world.proxy.url}/simple/demo/`);
  await page();
  await index.down();
  world.clock.advance(100_000);
  await page();
  const stale = (await explain(world, 'project=demo')).indexes[0]!;
  assert.equal(stale.verdict, 'a page is held (stale, and upstream failed when it was asked last)');
  assert.deepEqual([stale.page!.state, stale.page!.remainingSeconds], ['stale', -40]);
  assert.ok(stale.trouble!.waiting);
  await index.up();
  index.remove('demo');
  world.clock.advance(100_000);
  await page();
  assert.equal((await explain(world, 'project=demo')).indexes[0]!.doubt!.claim, 'missing');
  index.add('demo', demo);
  index.setStatus('demo', 'quarantined');
  world.clock.advance(100_000);
  await page();
  assert.equal(
    (await explain(world, 'project=demo')).indexes[0]!.verdict,
    'quarantined by upstream: no file is served (fresh)',
  );
});

test('a file: listed or not, yanked, and whether its bytes are here', async (t) => {
  const world = await severalIndexes(t, { main: {} });
  world.upstream('main').add('demo', demo);
  world.upstream('main').yank('demo', demo.filename, 'broken');
  const file = async () => (await explain(world, `project=demo&file=${demo.filename}`)).file!;
  assert.equal((await file()).verdict, 'no index here has its project');
  const page = await get(`${world.proxy.url}/simple/demo/`);
  const listed = await file();
  assert.deepEqual([listed.verdict, listed.yanked], ['listed, and fetched when it is asked for', 'broken']);
  const link = /href="([^"#]*)/.exec(page.text())![1]!;
  await get(new URL(link, `${world.proxy.url}/simple/demo/`).href);
  const stored = await file();
  assert.equal(stored.verdict, 'listed, and its bytes are here');
  assert.deepEqual(stored.stored, { digest: demo.sha256, sizeBytes: demo.bytes.length, verified: true });
  const unknown = (await explain(world, 'project=demo&file=demo-7.tar.gz')).file!;
  assert.deepEqual([unknown.listed, unknown.verdict], [false, 'the page of demo does not list it']);
});
