// A file is served only because a page lists it: new releases are found at once, removed ones stay for running
// installs, quarantined ones do not, and storage that wants fresh signatures gets them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileWorld, LARGE, SMALL } from '../support/proxy/file-world.ts';
import { get } from '../support/proxy/http-client.ts';
import * as faults from '../support/upstream/faults.ts';
import { wheel } from '../support/upstream/wheels.ts';

test('a release that is seconds old is found although its page was stored before', async (t) => {
  const now = { ms: Date.now() };
  const { index, proxy, url, path } = await fileWorld(t, { now: () => now.ms });
  assert.equal((await get(`${proxy.url}/simple/demo/`)).status, 200);
  const newer = wheel({ name: 'demo', version: '2.0' });
  index.add('demo', newer);
  const newUrl = url.replace(path, index.pathOf(newer));
  // A client may force a page to be asked again once in five seconds, counted from when it was asked last.
  now.ms += 5_100;
  assert.equal((await get(newUrl)).sha256, newer.sha256);
});

test('a file that no page lists makes the page be asked again once in five seconds, then it is 404', async (t) => {
  const now = { ms: Date.now() };
  const { index, url } = await fileWorld(t, { now: () => now.ms });
  assert.equal((await get(url)).status, 200);
  const unlisted = url.replace('demo-1.0', 'demo-9.9');
  now.ms += 6_000;
  const asked = index.requests('/simple/demo/');
  for (let i = 0; i < 5; i++) {
    const answer = await get(unlisted);
    assert.equal(answer.status, 404);
  }
  assert.equal(index.requests('/simple/demo/'), asked + 1);
  assert.equal(index.requests(new URL(unlisted).pathname.slice('/files/http/'.length).replace(/^[^/]*/, '')), 0);
});

test('a file that no page lists is no 404 while the index cannot be asked', async (t) => {
  const now = { ms: Date.now() };
  const { index, url } = await fileWorld(t, { now: () => now.ms });
  assert.equal((await get(url)).status, 200);
  now.ms += 6_000;
  await index.down();
  const answer = await get(url.replace('demo-1.0', 'demo-9.9'));
  assert.ok(answer.status === 502 || answer.status === 503, `${answer.status}`);
});

test('a listed filename that is asked for at another path is redirected to where it is', async (t) => {
  const { url, file } = await fileWorld(t);
  const elsewhere = url.replace(/packages\/.*\//, 'packages/source/d/demo/');
  const answer = await get(elsewhere);
  assert.equal(answer.status, 302);
  const target = new URL(answer.field('location')!, elsewhere).href;
  assert.equal(target, url);
  assert.equal((await get(target)).sha256, file.sha256);
});

test('a file that upstream removed stays available by its old URL, also after a restart', async (t) => {
  const now = { ms: Date.now() };
  const world = await fileWorld(t, { now: () => now.ms });
  const { index, file } = world;
  assert.equal((await get(world.url)).status, 200);
  index.add('demo', wheel({ name: 'demo', version: '2.0' }));
  index.remove('demo', file.filename);
  now.ms += 3_600_000;
  await get(`${world.proxy.url}/simple/demo/`, { 'cache-control': 'no-cache' });
  const page = await get(`${world.proxy.url}/simple/demo/`);
  assert.doesNotMatch(page.text(), /demo-1\.0/);
  assert.equal((await get(world.url)).sha256, file.sha256);
  await world.restart();
  assert.equal((await get(world.url)).sha256, file.sha256);
});

test('a file of a project that is quarantined meanwhile is 403, although it is stored', async (t) => {
  const now = { ms: Date.now() };
  const { index, url, proxy } = await fileWorld(t, { now: () => now.ms });
  assert.equal((await get(url)).status, 200);
  index.setStatus('demo', 'quarantined');
  now.ms += 61_000;
  await get(`${proxy.url}/simple/demo/`);
  for (const ending of ['', '.metadata']) {
    const answer = await get(url + ending);
    assert.deepEqual([answer.status, (answer.json() as { type: string }).type], [403, 'about:blank#quarantined']);
  }
  assert.equal((await get(url, { range: 'bytes=0-5' })).status, 403);
});

test('where changed files are accepted, new bytes under an old URL raise an alarm and are served as the page of today promises them', async (t) => {
  const now = { ms: Date.now() };
  const first = wheel({ name: 'demo', version: '1.0', sizeBytes: SMALL });
  const second = wheel({ name: 'demo', version: '1.0', files: { 'other.py': 'x = 1\n' } });
  const { index, url, path, proxy } = await fileWorld(t, {
    now: () => now.ms,
    indexConfig: { changedFiles: 'accept' },
  });
  assert.equal((await get(url)).sha256, first.sha256);
  index.remove('demo', first.filename);
  index.addListed('demo', second, { url: `../..${path}` });
  index.fault(path, faults.replacedBody(second.bytes));
  now.ms += 3_600_000;
  await get(`${proxy.url}/simple/demo/`, { 'cache-control': 'no-cache' });
  assert.equal((await get(url)).sha256, second.sha256);
  assert.equal((await get(url)).sha256, second.sha256);
  assert.equal((await proxy.metrics())['wheelkeep_integrity_failures_total{kind="changed-digest"}'], 1);
});

test('a signed URL keeps its query from clients, and is renewed from the page when storage refuses it', async (t) => {
  const now = { ms: Date.now() };
  const world = await fileWorld(t, { now: () => now.ms, sizeBytes: LARGE });
  const { index, proxy, file, url, path } = world;
  index.remove('demo', file.filename);
  index.addListed('demo', file, { url: `../..${path}?signature=old` });
  now.ms += 61_000;
  const page = await get(`${proxy.url}/simple/demo/`);
  assert.match(page.text(), /demo-1\.0/);
  assert.doesNotMatch(page.text(), /signature/);
  index.fault(/signature=old/, faults.status(403));
  index.remove('demo', file.filename);
  index.addListed('demo', file, { url: `../..${path}?signature=new` });
  now.ms += 6_000;
  const answer = await get(url);
  assert.deepEqual([answer.status, answer.sha256], [200, file.sha256]);
  assert.equal(index.requests(/signature=old/), 1);
  assert.equal(index.requests(/signature=new/), 1);
  assert.doesNotMatch(JSON.stringify(answer.fields), /signature/);
});

test('a file that its fresh page lists and storage does not have is 404, and is asked for again by the next client', async (t) => {
  const now = { ms: Date.now() };
  const { index, url, path, file } = await fileWorld(t, { now: () => now.ms });
  const lift = index.fault(path, faults.status(404));
  assert.equal((await get(url)).status, 404);
  lift();
  assert.equal((await get(url)).sha256, file.sha256);
});

test('"+" and "%2B" name the same file, and upstream is asked in its own spelling', async (t) => {
  const { index, proxy } = await fileWorld(t);
  const local = wheel({ name: 'demo', version: '1.0+cu1' });
  const listed = index.addListed('demo', local, {});
  assert.match(listed.url, /\+/);
  const plus = `${proxy.url}/files/http/${new URL(index.url).host}${index.pathOf(local)}`;
  const [first, second] = [await get(plus), await get(plus.replaceAll('+', '%2B'))];
  assert.deepEqual([first.sha256, second.sha256], [local.sha256, local.sha256]);
  assert.equal(index.requests(index.pathOf(local)), 1);
});

test('a path that names no file is refused, and nothing of it reaches upstream', async (t) => {
  const { index, proxy } = await fileWorld(t);
  const host = new URL(index.url).host;
  for (const path of ['/..%2f..%2fetc/passwd', '/a%5cb-1.0.tar.gz', '/a%00b-1.0.tar.gz']) {
    const answer = await get(`${proxy.url}/files/http/${host}${path}`);
    assert.ok(answer.status === 400 || answer.status === 404, `${path} ${answer.status}`);
  }
  assert.equal(index.requests(), 0);
});
