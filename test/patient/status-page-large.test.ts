// The status page of a server that holds much, in a real browser.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CHROMIUM, Chromium } from '../support/proxy/chromium.ts';
import { get } from '../support/proxy/http-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { wheel } from '../support/upstream/wheels.ts';

const skip = CHROMIUM === undefined ? 'chromium is not installed' : false;
const PROJECTS = 5_000;

test('with 5,000 projects it loads within a second, and the browser has nothing to complain of', {
  skip,
}, async (t) => {
  const index = await FakeIndex.start();
  const proxy = await startProxy({ upstreams: [index.url] });
  const browser = await Chromium.start();
  t.after(() => Promise.all([browser.close(), proxy.close(), index.close()]));
  const file = wheel({ name: 'project', version: '1.0' });
  const names = Array.from({ length: PROJECTS }, (_, i) => `project-${i}`);
  for (const name of names) index.add(name, file);
  const left = names.values();
  const clients = Array.from({ length: 16 }, async () => {
    for (const name of left) assert.equal((await get(`${proxy.url}/simple/${name}/`)).status, 200);
  });
  await Promise.all(clients);
  await browser.open(`${proxy.url}/`, { width: 1100, height: 800 });
  const loaded = await browser.evaluate<number>(`performance.getEntriesByType('navigation')[0].loadEventEnd`);
  assert.ok(loaded < 1000, `${loaded} ms`);
  assert.deepEqual(browser.problems, []);
});
