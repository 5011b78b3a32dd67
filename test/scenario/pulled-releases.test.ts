// A release that its index takes back soon after its upload was pulled, as malware is: it is refused, although its bytes
// are here. What was old when it left is served on, for lock files name it.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileWorld } from '../support/proxy/file-world.ts';
import { fetchAll, get } from '../support/proxy/http-client.ts';
import { wheel } from '../support/upstream/wheels.ts';

const DAY = 86_400_000;
const messageOf = ({ message }: { readonly message: string }) => message;

async function world(t: Parameters<typeof fileWorld>[0]) {
  const now = { ms: Date.now() };
  const made = await fileWorld(t, { now: () => now.ms });
  const { index, proxy, url, path } = made;
  const young = wheel({ name: 'demo', version: '2.0' });
  index.addListed('demo', young, { uploadTime: new Date(now.ms - 3_600_000).toISOString() });
  const urlOf = (origin: string) => url.replace(proxy.url, origin).replace(path, index.pathOf(young));
  const ask = (origin: string) => get(`${origin}/simple/demo/`, { 'cache-control': 'no-cache' });
  return { ...made, now, young, urlOf, ask };
}

test('a release that left its page an hour after its upload is 403 with a reason, in every way it can be asked for', async (t) => {
  const { index, proxy, young, urlOf, ask, now, restart } = await world(t);
  await ask(proxy.url);
  const url = urlOf(proxy.url);
  assert.equal((await get(url)).sha256, young.sha256);
  assert.equal((await get(`${url}.metadata`)).status, 200);
  index.remove('demo', young.filename);
  now.ms += 6_000;
  await ask(proxy.url);
  const refused = await get(url);
  assert.equal(refused.status, 403);
  assert.equal(refused.field('cache-control'), 'no-store');
  const problem = JSON.parse(refused.text());
  assert.equal(problem.type, 'about:blank#pulled');
  assert.match(
    problem.detail,
    /^demo 2\.0 is pulled \(removed from the index on .*, less than 14d after its upload\)$/,
  );
  assert.equal(refused.reasonPhrase, problem.detail);
  assert.equal((await get(`${url}.metadata`)).status, 403);
  assert.equal((await get(url, { range: 'bytes=0-9' })).status, 403);
  assert.equal((await fetchAll(url, { method: 'HEAD' })).status, 403);
  // It does not ripen by being gone, not even across a restart.
  now.ms += 400 * DAY;
  const again = await restart();
  assert.equal((await get(urlOf(again.url))).status, 403);
});

test('a release whose whole project becomes 404 an hour after its upload is refused', async (t) => {
  const { index, proxy, young, urlOf, ask, now, url, file } = await world(t);
  await ask(proxy.url);
  assert.equal((await get(urlOf(proxy.url))).sha256, young.sha256);
  assert.equal((await get(url)).sha256, file.sha256);
  index.remove('demo');
  // A first 404 is only a claim: it is believed when it lasts.
  for (const minutes of [1, 40, 40]) {
    now.ms += minutes * 60_000;
    await ask(proxy.url);
  }
  assert.equal((await ask(proxy.url)).status, 404);
  assert.equal((await get(urlOf(proxy.url))).status, 403);
  assert.equal((await get(url)).sha256, file.sha256, 'what was old is served on');
});

test('what leaves a page is told as an event, a quarantine too, and explain tells the truth about it', async (t) => {
  const { index, proxy, young, urlOf, ask, now, file } = await world(t);
  const token = (await readFile(join(proxy.dataDir, 'admin-token'), 'utf8')).trim();
  const api = async (path: string) =>
    JSON.parse((await get(`${proxy.url}/-/api/${path}`, { authorization: `Bearer ${token}` })).text());
  const told = async (kind: string) =>
    (await api('events')).events.filter((event: { kind: string }) => event.kind === kind).map(messageOf);
  await ask(proxy.url);
  assert.equal((await get(urlOf(proxy.url))).status, 200);
  index.remove('demo', young.filename);
  now.ms += 6_000;
  await ask(proxy.url);
  assert.deepEqual(await told('removed'), [
    `default no longer lists one file of demo; refused as pulled: ${young.filename}`,
  ]);
  const explained = await api(`explain?project=demo&file=${young.filename}`);
  assert.match(explained.file.verdict, /^the page of demo does not list it; refused: demo 2\.0 is pulled/);
  index.add('demo', wheel({ name: 'demo', version: '1.1' }));
  index.remove('demo', file.filename);
  now.ms += 6_000;
  await ask(proxy.url);
  const old = await api(`explain?project=demo&file=${file.filename}`);
  assert.match(old.file.verdict, /does not list it; it left on .*, and what is here of it is served$/);
  index.setStatus('demo', 'quarantined');
  now.ms += 6_000;
  await ask(proxy.url);
  assert.deepEqual(await told('quarantined'), ['default has quarantined demo; its files are refused']);
});

test('a release that comes back is served again, and its age counts on', async (t) => {
  const { index, proxy, young, urlOf, ask, now } = await world(t);
  await ask(proxy.url);
  const url = urlOf(proxy.url);
  assert.equal((await get(url)).status, 200);
  index.remove('demo', young.filename);
  now.ms += 6_000;
  await ask(proxy.url);
  assert.equal((await get(url)).status, 403);
  index.addListed('demo', young, { uploadTime: new Date(now.ms - 3_600_000).toISOString() });
  now.ms += 6_000;
  await ask(proxy.url);
  assert.equal((await get(url)).sha256, young.sha256);
});

test('a file that claims a time before the last look at its page is as old as that look', async (t) => {
  const { index, proxy, url, path, ask, now } = await world(t);
  await ask(proxy.url);
  const forged = wheel({ name: 'demo', version: '3.0' });
  index.addListed('demo', forged, { uploadTime: '2019-01-01T00:00:00Z' });
  now.ms += 6_000;
  await ask(proxy.url);
  const forgedUrl = url.replace(path, index.pathOf(forged));
  assert.equal((await get(forgedUrl)).status, 200);
  index.remove('demo', forged.filename);
  now.ms += 6_000;
  await ask(proxy.url);
  assert.equal((await get(forgedUrl)).status, 403);
});
