// `wheelkeep drill`: what it predicts is what an outage does, in both directions, and it asks nobody to find out.

import assert from 'node:assert/strict';
import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { storedBlobs } from '../support/disk/stored-files.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { runCommand } from '../support/proxy/command.ts';
import { get } from '../support/proxy/http-client.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { pythonMissing } from '../support/proxy/this-machine.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { hashedRequirements, type Locked, uvLock } from '../support/upstream/lock-files.ts';
import { sdist, wheel } from '../support/upstream/wheels.ts';

const NAMES = ['one', 'two', 'three', 'four'];

async function world(t: TestContext, env: Readonly<Record<string, string>> = {}) {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const locked = Object.fromEntries(
    NAMES.map((name) => [
      name,
      [wheel({ name, version: '1.0' }), wheel({ name, version: '1.0', tag: 'py3-none-win32' })],
    ]),
  );
  for (const name of NAMES) index.add(name, ...locked[name]!);
  const dataDir = await temporaryFolder(t);
  await writeFile(join(dataDir, 'uv.lock'), uvLock(index, locked));
  return { index, dataDir, locked, env };
}

interface Verdict {
  readonly readiness: number;
  readonly wanted: number;
  readonly served: number;
  readonly missing: readonly { readonly what: string; readonly name: string; readonly problem: string }[];
  readonly others: { readonly wanted: number; readonly served: number; readonly missing: Verdict['missing'] };
  readonly python: string | undefined;
  readonly elsewhere: readonly string[];
  readonly built: readonly string[];
  readonly past: readonly { readonly host: string; readonly files: number }[];
}

async function drilled(given: Awaited<ReturnType<typeof world>>, ...args: readonly string[]) {
  const { code, stdout, stderr } = await runCommand(given, 'drill', '--json', ...args);
  assert.equal(stderr, '');
  const { locks } = JSON.parse(stdout) as { readonly locks: readonly Verdict[] };
  return { code, verdict: locks[0]! };
}

test('an empty cache survives nothing, and upstream is not asked to find that out', {
  skip: pythonMissing,
}, async (t) => {
  const given = await world(t);
  const { code, verdict } = await drilled(given, 'uv.lock');
  assert.deepEqual([code, verdict.readiness, verdict.served, verdict.wanted], [1, 0, 0, 8]);
  assert.deepEqual(verdict.others.wanted, 4);
  assert.equal(verdict.missing.find(({ what }) => what === 'page')?.problem, 'not stored here');
  assert.equal(given.index.log.entries.length, 0);
});

test('after warm everything survives: score 1, exit code 0, and upstream is not asked', {
  skip: pythonMissing,
}, async (t) => {
  const given = await world(t);
  assert.equal((await runCommand(given, 'warm', 'uv.lock')).code, 0);
  const asked = given.index.log.entries.length;
  const { code, verdict } = await drilled(given, 'uv.lock');
  // Four pages, four wheels that fit here, and the metadata of each; beside them the wheels for the other platform.
  assert.deepEqual([code, verdict.readiness, verdict.served, verdict.wanted], [0, 1, 12, 12]);
  assert.deepEqual(verdict.others, { wanted: 8, served: 8, missing: [] });
  assert.equal(given.index.log.entries.length, asked);
});

test('pages that have gone stale survive, for that is what an outage is about', async (t) => {
  const given = await world(t, { WHEELKEEP_PAGE_FRESH: '1ms' });
  await runCommand(given, 'warm', 'uv.lock');
  assert.equal((await drilled(given, 'uv.lock')).code, 0);
});

test('what it predicts of a half-filled cache is what a server then does, file by file', async (t) => {
  const given = await world(t);
  const { index, dataDir, locked } = given;
  const upstream = new URL(index.url);
  const paths = (name: string) =>
    locked[name]!.flatMap((file) => [
      { name: file.filename, path: `/files/http/${upstream.host}${index.pathOf(file)}` },
      { name: `${file.filename}.metadata`, path: `/files/http/${upstream.host}${index.pathOf(file)}.metadata` },
    ]);
  const filling = await startProxy({ upstreams: [index.url], dataDir });
  // One is whole, two lacks a file, three has its page alone, four has nothing; one blob is damaged afterwards.
  for (const { path } of paths('one')) await get(filling.url + path);
  for (const { path } of paths('two').slice(0, 3)) await get(filling.url + path);
  await get(`${filling.url}/simple/three/`);
  await filling.close();
  const damaged = (await storedBlobs(dataDir)).find((place) => place.endsWith(locked.one![1]!.sha256))!;
  await appendFile(damaged, 'x');

  const { code, verdict } = await drilled(given, 'uv.lock', '--only', '*');
  assert.equal(code, 1);
  const predicted = new Set(verdict.missing.map(({ name }) => name));

  await index.down();
  const server = await startProxy({ upstreams: [index.url], dataDir });
  t.after(() => server.close());
  const lost = new Set<string>();
  for (const project of NAMES) {
    const page = await get(`${server.url}/simple/${project}/`);
    if (page.status !== 200) lost.add(project);
    for (const { name, path } of paths(project)) {
      // Of a project without a page nobody knows that there is metadata.
      if (page.status !== 200 && name.endsWith('.metadata')) continue;
      if ((await get(server.url + path)).status !== 200) lost.add(name);
    }
  }
  assert.deepEqual(predicted, lost);
  assert.ok(lost.size > 4 && lost.size < 20);
});

test('bytes that are here under another hash than the lock names do not count', async (t) => {
  const given = await world(t);
  await runCommand(given, 'warm', 'uv.lock');
  const other = wheel({ name: 'one', version: '1.0', sizeBytes: 4_000 });
  await writeFile(join(given.dataDir, 'other.lock'), uvLock(given.index, { one: [other] }));
  await writeFile(join(given.dataDir, 'other.txt'), hashedRequirements({ one: [other] }));
  const named = await drilled(given, 'other.lock');
  assert.deepEqual(
    [named.code, named.verdict.missing.map(({ problem }) => problem)],
    [1, ['the page gives another hash than the lock']],
  );
  const hashed = await drilled(given, 'other.txt');
  assert.deepEqual(
    [hashed.code, hashed.verdict.missing.map(({ problem }) => problem)],
    [1, ['the page lists no file with this hash']],
  );
});

test('what only another platform needs may be missing, unless --only counts it', { skip: pythonMissing }, async (t) => {
  const given = await world(t);
  await runCommand(given, 'warm', 'uv.lock', '--only', '*-none-any.whl');
  const { code, verdict } = await drilled(given, 'uv.lock');
  assert.deepEqual([code, verdict.readiness], [0, 1]);
  assert.deepEqual(
    verdict.others.missing.map(({ name }) => name),
    // Their core metadata are the same bytes as those of the other wheels.
    NAMES.map((name) => `${name}-1.0-py3-none-win32.whl`),
  );
  assert.match(verdict.python!, /^CPython 3\.\d+ on linux /);
  assert.equal((await drilled(given, 'uv.lock', '--only', '*win32*')).code, 1);
});

test('without a Python to ask every file counts', async (t) => {
  const given = await world(t);
  await runCommand(given, 'warm', 'uv.lock', '--only', '*-none-any.whl');
  const { code, verdict } = await drilled(given, 'uv.lock', '--python', 'no-such-python');
  assert.deepEqual([code, verdict.wanted, verdict.served, verdict.python], [1, 20, 16, undefined]);
});

test('a version none of whose files fits here is no survivor', { skip: pythonMissing }, async (t) => {
  const given = await world(t);
  const locked: Locked = { odd: [wheel({ name: 'odd', version: '1', tag: 'py3-none-win32' })] };
  given.index.add('odd', ...locked.odd!);
  await writeFile(join(given.dataDir, 'r.txt'), hashedRequirements(locked));
  assert.equal((await runCommand(given, 'warm', 'r.txt')).code, 0);
  const { code, verdict } = await drilled(given, 'r.txt');
  assert.equal(code, 1);
  assert.match(verdict.missing[0]!.problem, /^none of its files fits CPython/);
});

test('what a build requires is unknown and counts as missing', { skip: pythonMissing }, async (t) => {
  const given = await world(t);
  const locked: Locked = { built: [sdist({ name: 'built', version: '3' })], one: given.locked.one! };
  given.index.add('built', ...locked.built!);
  await writeFile(join(given.dataDir, 'uv.lock'), uvLock(given.index, locked));
  await runCommand(given, 'warm', 'uv.lock');
  const { code, verdict } = await drilled(given, 'uv.lock');
  assert.deepEqual([code, verdict.built], [1, ['built 3']]);
  assert.deepEqual(
    verdict.missing.map(({ what, name }) => `${what} ${name}`),
    ['build built 3'],
  );
  assert.match(verdict.missing[0]!.problem, /^unknown: what building it requires; .*drill --live/);
});

test('what pins without hashes require, and the file does not pin, is unknown; hashes make the file whole', {
  skip: pythonMissing,
}, async (t) => {
  const given = await world(t);
  const top = wheel({ name: 'top', version: '1', requires: ['one', 'two', 'far; sys_platform == "win32"'] });
  given.index.add('top', top);
  await writeFile(join(given.dataDir, 'pins.txt'), 'top==1\none==1.0\n');
  await writeFile(join(given.dataDir, 'hashed.txt'), hashedRequirements({ top: [top], one: given.locked.one! }));
  assert.equal((await runCommand(given, 'warm', 'pins.txt', 'hashed.txt')).code, 0);
  const pins = await drilled(given, 'pins.txt');
  assert.deepEqual([pins.code, pins.verdict.missing.map(({ name }) => name)], [1, ['two']]);
  assert.match(pins.verdict.missing[0]!.problem, /^unknown: top 1 requires it/);
  assert.deepEqual((await drilled(given, 'hashed.txt')).verdict.missing, []);
});

test('files locked at their own host are told of: installers that follow a lock ask there', async (t) => {
  const given = await world(t);
  const { host } = new URL(given.index.url);
  const direct = await drilled(given, 'uv.lock');
  assert.deepEqual(direct.verdict.past, [{ host, files: 8 }]);
  const through = uvLock(given.index, given.locked).replaceAll(
    `url = "http://${host}/`,
    'url = "http://proxy.example/x/files/http/h/',
  );
  await writeFile(join(given.dataDir, 'through.lock'), through);
  assert.deepEqual((await drilled(given, 'through.lock')).verdict.past, []);
});

test('people get a table, the missing by name, and what comes from elsewhere as a note', {
  skip: pythonMissing,
}, async (t) => {
  const given = await world(t);
  await runCommand(given, 'warm', 'uv.lock');
  const gone = wheel({ name: 'gone', version: '1' });
  const content = hashedRequirements({ one: given.locked.one!, gone: [gone] });
  await writeFile(join(given.dataDir, 'r.txt'), `${content}-e ./library\n`);
  const { code, stdout } = await runCommand(given, 'drill', 'r.txt');
  assert.equal(code, 1);
  const [, python] = / on (.*);/.exec(stdout)!;
  assert.deepEqual(stdout.split('\n'), [
    `r.txt: would NOT survive an outage now on ${python}; 3 of 5 items (60 %)`,
    '  page     1 of 2',
    '    gone: not stored here',
    '  file     1 of 2',
    `    sha256:${gone.sha256}: its page cannot be had, so nobody knows where it is`,
    '  metadata 1 of 1',
    '  others   2 of 2, which only other platforms ask for',
    '  note: -e ./library: not from an index; it does not come through Wheelkeep',
    '',
  ]);
});

test('the score of each lock file is a metric of the server and stands on its status page, also after a restart', {
  skip: pythonMissing,
}, async (t) => {
  const given = await world(t);
  await writeFile(join(given.dataDir, 'one.lock'), uvLock(given.index, { one: given.locked.one! }));
  await runCommand(given, 'warm', 'one.lock');
  await runCommand(given, 'drill', 'one.lock', 'uv.lock');
  const server = await startProxy({ upstreams: [given.index.url], dataDir: given.dataDir });
  t.after(() => server.close());
  const readiness = async (lock: string) =>
    (await server.metrics())[`wheelkeep_outage_readiness_ratio{lock="${lock}"}`];
  assert.deepEqual([await readiness('one.lock'), await readiness('uv.lock')], [1, 0.333]);
  const page = async () => (await get(`${server.url}/`, { accept: 'text/html' })).text().replace(/<[^>]*>/g, ' ');
  assert.match(await page(), /Ready for an outage\s+33 %\s+the worst of 2 lock files, tried \d+ s ago/);
  await runCommand(given, 'warm', 'uv.lock');
  await runCommand(given, 'drill', 'uv.lock');
  assert.equal(await readiness('uv.lock'), 1);
  const time = (await server.metrics())['wheelkeep_outage_readiness_timestamp_seconds{lock="uv.lock"}']!;
  assert.ok(Math.abs(time - Date.now() / 1000) < 60);
});

test('a drill beside a running server does not disturb it', async (t) => {
  const given = await world(t, { WHEELKEEP_PAGE_FRESH: '1ms' });
  const server = await startProxy({ upstreams: [given.index.url], dataDir: given.dataDir, config: { pageFreshMs: 1 } });
  t.after(() => server.close());
  assert.equal((await get(`${server.url}/simple/one/`)).status, 200);
  await drilled(given, 'uv.lock');
  const page = await get(`${server.url}/simple/one/`);
  assert.equal(page.status, 200);
  // Its own upstream answered: it believes in no outage.
  assert.match(page.field('cache-status')!, /fwd-status=304/);
  assert.equal((await get(`${server.url}/simple/two/`)).status, 200);
});
