// The status page over HTTP: for everybody who can reach the listener, so it tells nothing that is not theirs.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { RunningClock } from '../support/clock/clock.ts';
import { fetchAll, get } from '../support/proxy/http-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { wheel } from '../support/upstream/wheels.ts';

const HTML = { accept: 'text/html' };
const demo = wheel({ name: 'demo-secret', version: '1.0' });

async function world(t: TestContext) {
  const index = await FakeIndex.start();
  const clock = new RunningClock();
  index.add('demo-secret', demo);
  const proxy = await startProxy({ upstreams: [index.url], now: clock.now });
  t.after(async () => {
    await proxy.close();
    await index.close();
  });
  const page = async () => (await get(`${proxy.url}/`, HTML)).text();
  return { index, clock, proxy, page };
}

/** What a reader sees, one space between words. */
const textOf = (html: string) => html.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ');

test('a browser and a client that takes anything get the page, who wants text or nothing in particular one line', async (t) => {
  const { proxy } = await world(t);
  for (const accept of ['text/html,application/xhtml+xml,*/*;q=0.8', '*/*']) {
    const answer = await get(`${proxy.url}/`, { accept });
    assert.deepEqual([answer.status, answer.field('content-type')], [200, 'text/html; charset=utf-8']);
    assert.match(answer.text(), /^<!DOCTYPE html>/);
    assert.deepEqual([answer.field('cache-control'), answer.field('vary')], ['no-store', 'accept']);
  }
  for (const fields of [{}, { accept: 'text/plain' }]) {
    const answer = await get(`${proxy.url}/`, fields);
    assert.equal(answer.field('content-type'), 'text/plain; charset=utf-8');
    assert.match(answer.text(), /^Wheelkeep .*: the package index is at simple\/\n$/);
  }
  const head = await fetchAll(`${proxy.url}/`, { method: 'HEAD', fields: HTML });
  assert.deepEqual([head.status, head.sizeBytes], [200, 0]);
  assert.equal((await fetchAll(`${proxy.url}/`, { method: 'POST' })).status, 405);
});

test('nothing is inline, nothing comes from elsewhere, and every link is relative: it works below any prefix', async (t) => {
  const { proxy, page } = await world(t);
  const html = await page();
  assert.doesNotMatch(html, /<style|<script(?! src=)|\sstyle=|\son\w+=/);
  const links = [...html.matchAll(/ (?:href|src)="([^"]+)"/g)].map(([, link]) => link!);
  assert.ok(links.length > 4);
  for (const link of links) assert.match(link, /^(?![/])(?!https?:)|^data:image/, link);
  const policy = (await get(`${proxy.url}/`, HTML)).field('content-security-policy')!;
  assert.match(policy, /^default-src 'none'; /);
  assert.doesNotMatch(policy, /unsafe|\*|http/);
  for (const link of links.filter((each) => each.startsWith('-/'))) {
    const kept = await get(`${proxy.url}/${link}`);
    assert.deepEqual([kept.status, kept.field('cache-control')], [200, 'public, max-age=31536000, immutable']);
    assert.match(kept.field('content-type')!, link.includes('.css') ? /^text\/css/ : /^text\/javascript/);
    // Another release's address must not keep this one's bytes.
    const other = await get(`${proxy.url}/${link.split('?')[0]}?0123456789abcdef`);
    assert.equal(other.field('cache-control'), 'no-cache');
  }
});

test('the figures are those of the traffic; no project, no path and no token is told', async (t) => {
  const { index, proxy, page } = await world(t);
  const file = `${proxy.url}/files/http/${new URL(index.url).host}${index.pathOf(demo)}`;
  await get(`${proxy.url}/simple/demo-secret/`);
  for (let i = 0; i < 3; i++) assert.equal((await get(file)).status, 200);
  const html = await page();
  assert.match(textOf(html), /From cache today 50 % of 4 answers/);
  assert.match(textOf(html), /All is well\./);
  assert.match(html, new RegExp(`${new URL(index.url).host}<small>index default`));
  const token = (await readFile(join(proxy.dataDir, 'admin-token'), 'utf8')).trim();
  for (const secret of ['demo-secret', token, proxy.dataDir]) assert.ok(!html.includes(secret), secret);
});

test('an outage is told: the upstream, how many pages are stale, and the event; their names with the token alone', async (t) => {
  const { index, clock, proxy, page } = await world(t);
  const projects = Array.from({ length: 6 }, (_, i) => `demo-secret-${i}`);
  for (const name of projects) index.add(name, wheel({ name, version: '1.0' }));
  for (const name of projects) await get(`${proxy.url}/simple/${name}/`);
  await index.down();
  clock.advance(61_000);
  for (const name of projects) assert.equal((await get(`${proxy.url}/simple/${name}/`)).status, 200);
  const html = await page();
  assert.match(textOf(html), /Trouble: The upstream is away\./);
  assert.match(textOf(html), /6 pages served from stale copies now, the oldest confirmed \d+ s ago/);
  assert.match(textOf(html), /away since \d+ s \(connect\); asked again in \d+ s/);
  assert.match(textOf(html), /upstream-down 127\.0\.0\.1:\d+ does not answer as it should/);
  assert.ok(!html.includes('demo-secret'));
  const token = (await readFile(join(proxy.dataDir, 'admin-token'), 'utf8')).trim();
  const status = await get(`${proxy.url}/-/api/status`, { authorization: `Bearer ${token}` });
  const { stale } = status.json() as { stale: { path: string; answers: number }[] };
  assert.deepEqual(stale.map(({ path }) => path).sort(), projects.map((name) => `/simple/${name}/`).sort());
});

test('what a client claims to have asked for is not part of the page', async (t) => {
  const { proxy } = await world(t);
  const claims = { ...HTML, host: 'evil.example', 'x-forwarded-host': 'evil.example', referer: 'http://evil.example/' };
  const answer = await get(`${proxy.url}/?<evil>`, claims);
  assert.equal(answer.status, 200);
  assert.ok(!answer.text().includes('evil'));
});
