// What the mirrors of 2009 told the world about themselves: how current they are and how much they served.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fetchAll, get } from '../support/proxy/http-client.ts';
import { severalIndexes } from '../support/proxy/several-indexes.ts';
import { wheel } from '../support/upstream/wheels.ts';

const demo = wheel({ name: 'demo', version: '1.0' });
const stamp = (ms: number) => `${new Date(ms).toISOString().slice(0, 19).replaceAll('-', '')}\n`;

test('/last-modified is the time at which the longest silent index of the default list last agreed', async (t) => {
  const world = await severalIndexes(t, { internal: {}, public: {} });
  const { clock, upstream } = world;
  const lastModified = () => get(`${world.proxy.url}/last-modified`);
  assert.equal((await lastModified()).status, 404);
  upstream('public').add('demo', demo);
  const page = () => get(`${world.proxy.url}/simple/demo/`);
  await page();
  const start = clock.now();
  const first = await lastModified();
  assert.deepEqual([first.text(), first.field('content-type')], [stamp(start), 'text/plain; charset=utf-8']);
  assert.match(first.text(), /^\d{8}T\d\d:\d\d:\d\d\n$/);
  await upstream('internal').down();
  clock.advance(300_000);
  await page();
  assert.equal((await lastModified()).text(), stamp(start));
  assert.equal((await get(`${world.proxy.url}/public/simple/demo/`)).status, 200);
  assert.equal((await lastModified()).text(), stamp(start));
  await world.restart({});
  assert.equal((await lastModified()).text(), stamp(start), 'a restart in an outage makes nothing newer');
  assert.equal((await fetchAll(`${world.proxy.url}/last-modified`, { method: 'HEAD' })).field('content-length'), '18');
});

test('/local-stats/ counts what was served by day and names nothing', async (t) => {
  const { proxy, upstream, clock } = await severalIndexes(t, { main: {} });
  upstream('main').add('demo', demo);
  const stats = async () => {
    const answer = await get(`${proxy.url}/local-stats/`);
    assert.doesNotMatch(answer.text(), /demo/);
    return (answer.json() as { days: object[] }).days;
  };
  const day = (ms: number) => new Date(ms).toISOString().slice(0, 10);
  assert.deepEqual(await stats(), []);
  const page = await get(`${proxy.url}/simple/demo/`);
  const link = /href="([^"#]*)/.exec(page.text())![1]!;
  await get(new URL(link, `${proxy.url}/simple/demo/`).href);
  await get(`${proxy.url}/simple/nothing/`);
  const first = { day: day(clock.now()), pages: 1, files: 1, metadata: 0, bytes: page.sizeBytes + demo.bytes.length };
  assert.deepEqual(await stats(), [first]);
  clock.advance(86_400_000);
  await get(`${new URL(link, `${proxy.url}/simple/demo/`).href}.metadata`);
  const second = { day: day(clock.now()), pages: 0, files: 0, metadata: 1, bytes: demo.metadata.length };
  assert.deepEqual(await stats(), [first, second]);
});
