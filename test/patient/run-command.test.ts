// `wheelkeep run -- <command>`: as if the command ran alone, but with a Wheelkeep of its own.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { temporaryFiles } from '../support/disk/stored-files.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { runCommand, startCommand } from '../support/proxy/command.ts';
import { get } from '../support/proxy/http-client.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { wheel } from '../support/upstream/wheels.ts';

/** Asks for the project's page and every file on it, as an installer does. */
const INSTALLER = `
const page = await fetch(process.env.PIP_INDEX_URL + 'demo/', { headers: { accept: 'application/vnd.pypi.simple.v1+json' } });
if (!page.ok) process.exit(3);
for (const { url } of (await page.json()).files) {
  const file = await fetch(new URL(url, page.url));
  if (!file.ok || (await file.arrayBuffer()).byteLength === 0) process.exit(4);
}`;

async function world(t: TestContext) {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  index.add('demo', wheel({ name: 'demo', version: '1.0', sizeBytes: 100_000 }));
  const dataDir = await temporaryFolder(t);
  await writeFile(join(dataDir, 'installer.mjs'), INSTALLER);
  return { index, dataDir };
}

const INSTALL = ['run', '--', process.execPath, 'installer.mjs'];

/** The environment that a command gets. */
async function environment(dataDir: string, index: FakeIndex, env: Record<string, string> = {}) {
  const script = 'console.log(JSON.stringify(process.env))';
  const { stdout } = await runCommand({ dataDir, index, env }, 'run', '--', process.execPath, '-e', script);
  return JSON.parse(stdout) as Record<string, string>;
}

test('the command is served from upstream first and from the cache the second time, and the summary says so', async (t) => {
  const given = await world(t);
  const first = await runCommand(given, ...INSTALL);
  assert.deepEqual([first.code, first.stdout], [0, '']);
  assert.match(first.stderr, /2 requests, 0 from the cache \(0 %\); 0 B from the cache, 10\d kB from upstream/);
  const asked = given.index.log.entries.length;
  const second = await runCommand(given, ...INSTALL);
  assert.equal(second.code, 0);
  assert.match(second.stderr, /2 requests, 2 from the cache \(100 %\); 10\d kB from the cache, 0 B from upstream/);
  assert.equal(given.index.log.entries.length, asked);
});

test('waiting saved is told when hits can be compared with misses of the same run', async (t) => {
  const given = await world(t);
  const twice = `${INSTALLER}\n${INSTALLER.replaceAll('page', 'again')}`;
  await writeFile(join(given.dataDir, 'installer.mjs'), twice);
  const { stderr } = await runCommand(given, ...INSTALL);
  assert.match(stderr, /about \d\.\d s of waiting saved/);
});

test('what was served stale is told, and so is what upstream did', async (t) => {
  const given = { ...(await world(t)), env: { WHEELKEEP_PAGE_FRESH: '1ms' } };
  await runCommand(given, ...INSTALL);
  await given.index.down();
  const { code, stderr } = await runCommand(given, ...INSTALL);
  assert.equal(code, 0);
  assert.match(stderr, /served stale: [1-9] × failure/);
  assert.match(stderr, /failures of upstream: \d × connect/);
});

test('a command that asks for nothing is told that another index may be configured', async (t) => {
  const { stderr } = await runCommand(await world(t), 'run', '--', 'true');
  assert.match(stderr, /nothing was asked for; .* another index/);
});

test("the exit code is the command's own", async (t) => {
  const { code, stdout } = await runCommand(await world(t), 'run', 'sh', '-c', 'echo out; exit 42');
  assert.deepEqual([code, stdout], [42, 'out\n']);
});

test('a command that a signal ended gives 128 and its number', async (t) => {
  const { code, signal } = await runCommand(await world(t), 'run', '--', 'sh', '-c', 'kill -KILL $$');
  assert.deepEqual([code, signal], [137, null]);
});

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
  test(`${signal} goes to the command, whose answer to it counts`, async (t) => {
    const script = `process.on('${signal}', () => process.exit(9)); console.log('up'); setInterval(() => {}, 1e6)`;
    const running = startCommand(await world(t), ['run', '--', process.execPath, '-e', script]);
    await running.said('up');
    running.process.kill(signal);
    assert.equal((await running.ended).code, 9);
  });
}

test('a command that is not there gives 127, one that cannot be run 126, each in one sentence', async (t) => {
  const given = await world(t);
  const missing = await runCommand(given, 'run', '--', 'no-such-command', '--version');
  assert.deepEqual([missing.code, missing.stderr.split('\n').length], [127, 2]);
  assert.match(missing.stderr, /no-such-command is not found/);
  const plain = join(given.dataDir, 'plain');
  await writeFile(plain, '');
  await chmod(plain, 0o644);
  const unable = await runCommand(given, 'run', '--', plain);
  assert.equal(unable.code, 126);
  assert.match(unable.stderr, /cannot be run \(EACCES\)/);
});

test('the command gets the variables of the installers, and nothing of how Wheelkeep itself is run', async (t) => {
  const { index, dataDir } = await world(t);
  const env = await environment(dataDir, index, {
    NO_PROXY: 'corp.example',
    UV_DEFAULT_INDEX: 'https://index.example/',
  });
  assert.match(env.PIP_INDEX_URL!, /^http:\/\/127\.0\.0\.1:\d+\/simple\/$/);
  assert.equal(env.UV_DEFAULT_INDEX, env.PIP_INDEX_URL);
  assert.equal(env.NO_PROXY, 'corp.example,127.0.0.1');
  assert.equal(env.NODE_COMPILE_CACHE, undefined);
});

test("a compile cache of the user's own reaches the command", async (t) => {
  const { index, dataDir } = await world(t);
  const cache = join(dataDir, 'compiled');
  assert.equal((await environment(dataDir, index, { NODE_COMPILE_CACHE: cache })).NODE_COMPILE_CACHE, cache);
});

test('options behind the command are the command’s, also without two dashes', async (t) => {
  const { code, stdout } = await runCommand(await world(t), 'run', 'echo', '--summary', '--help', '-x');
  assert.deepEqual([code, stdout], [0, '--summary --help -x\n']);
});

test('nothing is left behind: no listener, no temporary file', async (t) => {
  const given = await world(t);
  const script = 'console.log(process.env.PIP_INDEX_URL)';
  const { stdout } = await runCommand(given, 'run', '--', process.execPath, '-e', script);
  await assert.rejects(get(stdout.trim()), { code: 'ECONNREFUSED' });
  await runCommand(given, ...INSTALL);
  assert.deepEqual(await temporaryFiles(given.dataDir), []);
});

test('it adds less than a second', async (t) => {
  const given = await world(t);
  const times: number[] = [];
  for (let i = 0; i < 3; i++) times.push((await runCommand(given, 'run', '--', 'true')).durationMs);
  assert.ok(Math.min(...times) < 1000, times.join(', '));
});

test('the summary is appended in Markdown where a CI system asks for it, or to the file that is named', async (t) => {
  const given = await world(t);
  const ci = join(given.dataDir, 'ci.md');
  await writeFile(ci, 'before\n');
  await runCommand({ ...given, env: { GITHUB_STEP_SUMMARY: ci } }, ...INSTALL);
  const [before, , ...table] = (await readFile(ci, 'utf8')).split('\n');
  assert.equal(before, 'before');
  assert.ok(table.includes('| Requests | 2 |'));
  await runCommand({ ...given, env: { GITHUB_STEP_SUMMARY: ci } }, 'run', '--summary', 'own.md', ...INSTALL.slice(1));
  assert.match(await readFile(join(given.dataDir, 'own.md'), 'utf8'), /\| From the cache \| 2 \(100 %\) \|/);
});

test('a summary that cannot be written is told and changes no exit code', async (t) => {
  const { code, stderr } = await runCommand(await world(t), 'run', '--summary', 'no/such/folder.md', 'true');
  assert.equal(code, 0);
  assert.match(stderr, /cannot be written to no\/such\/folder\.md \(ENOENT\)/);
});

test('it runs beside a server on the configured port, and says which port is taken when one is asked for', async (t) => {
  const given = await world(t);
  const server = startCommand(given, ['serve', '--port', '0']);
  t.after(async () => {
    server.process.kill('SIGINT');
    await server.ended;
  });
  await server.said('listens on');
  const beside = await runCommand(given, ...INSTALL);
  assert.equal(beside.code, 0);
  const taken = createServer().listen(0, '127.0.0.1');
  t.after(() => taken.close());
  await once(taken, 'listening');
  const { port } = taken.address() as AddressInfo;
  const refused = await runCommand(given, 'run', '--port', String(port), '--', 'true');
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /is in use by another process/);
  // Nor does the listener of a raw mount stand in its way.
  const yaml = `raw: { builds: { origin: "https://builds.example/", listen: "127.0.0.1:${port}" } }\n`;
  await writeFile(join(given.dataDir, 'raw.yaml'), yaml);
  const mounted = await runCommand(given, 'run', '--config', 'raw.yaml', ...INSTALL.slice(1));
  assert.equal(mounted.code, 0, mounted.stderr);
});
