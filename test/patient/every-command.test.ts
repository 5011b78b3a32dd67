// What holds for every command of the command line, those that are still to come included: the list is the one of
// `wheelkeep --help`, and a command that is missing in the tables here fails.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { type CommandWorld, type Ended, runCommand } from '../support/proxy/command.ts';
import { get } from '../support/proxy/http-client.ts';
import { spawnProxy } from '../support/proxy/spawned-proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { wheel } from '../support/upstream/wheels.ts';

const LAUNCHER = fileURLToPath(new URL('../../bin/wheelkeep', import.meta.url));
const demo = wheel({ name: 'demo', version: '1.0' });

/** Their output is not a result: a server's log (see log_format), a script for a shell. */
const WITHOUT_JSON = ['serve', 'completion'];

/** One good call of every command that has --json, and the keys of its answer: they are part of the product. */
const GOOD: Readonly<Record<string, { readonly args: readonly string[]; readonly keys: readonly string[] }>> = {
  check: { args: [], keys: ['warnings', 'values', 'indexes'] },
  env: { args: [], keys: ['PIP_INDEX_URL', 'UV_DEFAULT_INDEX', 'PDM_PYPI_URL', 'PIPENV_PYPI_MIRROR'] },
  run: {
    args: ['--', 'echo', 'not JSON'],
    keys: [
      ...['exitCode', 'requests', 'hits', 'sentBytes', 'upstreamBytes', 'failed', 'savedSeconds', 'cachedBytes'],
      ...['stale', 'upstreamFailures'],
    ],
  },
  warm: { args: ['requirements.txt'], keys: ['locks', 'notKept'] },
  drill: { args: ['requirements.txt'], keys: ['locks'] },
  verify: { args: [], keys: ['checked', 'bytes', 'wrong', 'unreadable', 'removed', 'fetchedAgain'] },
  purge: { args: ['nothing-of-this-name'], keys: ['removed'] },
  stats: { args: [], keys: ['since', 'days'] },
  explain: { args: ['demo'], keys: ['project', 'answeredBy', 'indexes'] },
  ready: { args: [], keys: ['url', 'ready', 'state'] },
  client: { args: ['alice', '--token'], keys: ['line', 'token'] },
};

/** Commands that read no configuration: a wrong one is none of their business. */
const WITHOUT_CONFIGURATION = ['client', 'completion'];

/** Arguments without which a command does not come as far as its configuration. */
const REQUIRED: Readonly<Record<string, readonly string[]>> = {
  run: ['--', 'true'],
  warm: ['requirements.txt'],
  drill: ['requirements.txt'],
  purge: ['demo'],
  explain: ['demo'],
};

async function world(t: TestContext, url = 'http://127.0.0.1:9/simple/'): Promise<CommandWorld> {
  const dataDir = await temporaryFolder(t);
  const pinned = `demo==1.0 --hash=sha256:${demo.sha256}\n`;
  await writeFile(join(dataDir, 'requirements.txt'), pinned);
  return { index: { url }, dataDir, cwd: dataDir };
}

async function commandNames(of: CommandWorld): Promise<string[]> {
  const { stdout } = await runCommand(of, '--help');
  const listed = stdout.slice(stdout.indexOf('Commands:'), stdout.indexOf('Examples:'));
  const names = [...listed.matchAll(/^ {2}([a-z]+)\b/gm)].map(([, name]) => name!);
  return names.filter((name) => name !== 'help');
}

/** A line of a stack trace. */
const STACK = /^(wheelkeep:)? +at .+:\d+/m;

function isClean({ stdout, stderr }: Ended, what: string): void {
  assert.doesNotMatch(stdout + stderr, STACK, `${what}: no stack trace`);
  assert.doesNotMatch(stdout + stderr, /\u001b/, `${what}: no escape sequences away from a terminal`);
}

test('the tables of this test know every command', async (t) => {
  const names = await commandNames(await world(t));
  assert.ok(names.length >= 13, names.join(' '));
  assert.deepEqual([...Object.keys(GOOD), ...WITHOUT_JSON].sort(), names.sort());
});

test('--help of every command has examples and exit codes, and fits a terminal', async (t) => {
  const of = await world(t);
  for (const name of await commandNames(of)) {
    const ended = await runCommand(of, name, '--help');
    assert.deepEqual([ended.code, ended.stderr], [0, ''], name);
    assert.match(ended.stdout, new RegExp(`Examples:\\n {2}[$>] .*wheelkeep ${name}`), name);
    assert.match(ended.stdout, /\nExit codes: /, name);
    assert.equal(/^ {2}--json/m.test(ended.stdout), !WITHOUT_JSON.includes(name), `${name}: --json`);
    for (const line of ended.stdout.split('\n')) assert.ok(line.length <= 120, `${name}: ${line}`);
    isClean(ended, name);
  }
});

test('an unknown option ends in 2 with a sentence, as JSON where that was asked for', async (t) => {
  const of = await world(t);
  for (const name of await commandNames(of)) {
    const ended = await runCommand(of, name, '--nonsense', '--json');
    assert.equal(ended.code, 2, name);
    assert.match(ended.stderr, /^wheelkeep: unknown option '--(nonsense|json)'\n/, name);
    assert.match(ended.stderr, new RegExp(`see wheelkeep ${name} --help`), name);
    assert.match(JSON.parse(ended.stdout).error, /^unknown option '--(nonsense|json)'/, name);
    isClean(ended, name);
  }
  const typo = await runCommand(of, 'drlil');
  assert.equal(typo.code, 2);
  assert.match(typo.stderr, /^wheelkeep: unknown command 'drlil'\nwheelkeep: \(Did you mean drill\?\)/);
});

test('a wrong configuration ends every command that reads one in 2, with key, value and cure', async (t) => {
  const of = { ...(await world(t)), env: { WHEELKEEP_PORT: 'many' } };
  for (const name of await commandNames(of)) {
    if (WITHOUT_CONFIGURATION.includes(name)) continue;
    const json = WITHOUT_JSON.includes(name) ? [] : ['--json'];
    const ended = await runCommand(of, name, ...json, ...(REQUIRED[name] ?? []));
    const sentence = 'port = many (WHEELKEEP_PORT): expected a whole number from 0 to 65535';
    assert.deepEqual([ended.code, ended.stderr], [2, `wheelkeep: ${sentence}\n`], name);
    if (json.length > 0) assert.deepEqual(JSON.parse(ended.stdout), { error: sentence }, name);
    isClean(ended, name);
  }
});

test('--json of every command prints one value with its keys, and survives a reader that left', async (t) => {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  index.add('demo', demo);
  const of = await world(t, index.url);
  const proxy = await spawnProxy({ dataDir: of.dataDir, upstreams: [index.url] });
  t.after(() => proxy.stop('SIGKILL'));
  await get(`${proxy.url}/simple/demo/`);
  const running = { ...of, env: { WHEELKEEP_PORT: String(proxy.port) } };
  for (const [name, { args, keys }] of Object.entries(GOOD)) {
    const ended = await runCommand(running, name, '--json', ...args);
    assert.equal(ended.code, 0, `${name}: ${ended.stderr}`);
    assert.deepEqual(Object.keys(JSON.parse(ended.stdout)).sort(), [...keys].sort(), name);
    isClean(ended, name);
    const { code, stderr } = await intoClosedPipe(running, [name, '--json', ...args]);
    assert.equal(code, 0, `${name}: ${stderr}`);
    assert.doesNotMatch(stderr, /EPIPE|unexpected/, name);
  }
});

test('what nobody expected is told in a sentence, its stack only where that was asked for', async (t) => {
  const of = await world(t);
  await mkdir(join(of.dataDir, 'admin-token'));
  const ended = await runCommand(of, 'stats', '--json');
  assert.equal(ended.code, 1);
  assert.match(JSON.parse(ended.stdout).error, /^unexpected failure: EISDIR.*\nThis is a fault of Wheelkeep/);
  isClean(ended, 'stats');
  const debug = await runCommand({ ...of, env: { WHEELKEEP_LOG_LEVEL: 'debug' } }, 'stats');
  assert.match(debug.stderr, STACK);
});

test('what run runs keeps its exit code when nobody reads either stream any more', async (t) => {
  const of = await world(t);
  const piped = `set -o pipefail; ${LAUNCHER} run -- sh -c 'exit 3' 2>&1 | true`;
  const env = {
    PATH: process.env.PATH,
    HOME: of.dataDir,
    WHEELKEEP_DATA_DIR: of.dataDir,
    WHEELKEEP_UPSTREAM: of.index.url,
  };
  await assert.rejects(promisify(execFile)('bash', ['-c', piped], { env }), { code: 3 });
});

test('a command that finds no server says what to do', async (t) => {
  const of = await world(t);
  for (const name of ['stats', 'purge', 'explain']) {
    const none = await runCommand(of, name, '--json', ...(REQUIRED[name] ?? []));
    assert.equal(none.code, 1, name);
    assert.match(JSON.parse(none.stdout).error, /it holds no token; name its folder by --data-dir$/, name);
  }
  await writeFile(join(of.dataDir, 'admin-token'), `${'t'.repeat(43)}\n`, { mode: 0o600 });
  for (const name of ['stats', 'purge', 'explain', 'ready']) {
    const silent = await runCommand({ ...of, env: { WHEELKEEP_PORT: '10' } }, name, ...(REQUIRED[name] ?? []));
    assert.equal(silent.code, 1, name);
    assert.match(silent.stdout + silent.stderr, /http:\/\/127\.0\.0\.1:10\/.*ECONNREFUSED/, name);
    assert.match(silent.stderr, /start one by wheelkeep serve, or say by --config, --host, --port/, name);
  }
});

test('a long command draws a bar on a terminal, and none where standard error is a file', async (t) => {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  index.add('demo', demo);
  const of = await world(t, index.url);
  const typed = `${LAUNCHER} warm requirements.txt`;
  const { stdout } = await promisify(execFile)('script', ['-qec', typed, '/dev/null'], {
    cwd: of.dataDir,
    env: {
      PATH: process.env.PATH,
      TERM: 'xterm',
      HOME: of.dataDir,
      WHEELKEEP_DATA_DIR: of.dataDir,
      WHEELKEEP_UPSTREAM: index.url,
      WHEELKEEP_FILE_ORIGINS: new URL(index.url).origin,
    },
  });
  assert.match(stdout, /fetching .*\d\/\d/);
  assert.match(stdout, /requirements\.txt: 3 of 3 items here/);
  const plain = await runCommand(of, 'warm', 'requirements.txt');
  assert.deepEqual([plain.code, plain.stderr], [0, '']);
  isClean(plain, 'warm');
});

/** The command's standard output is a pipe that nobody reads any more. */
function intoClosedPipe(of: CommandWorld, args: readonly string[]): Promise<{ code: number | null; stderr: string }> {
  const child = spawn(LAUNCHER, args, {
    cwd: of.dataDir,
    env: {
      PATH: process.env.PATH,
      HOME: of.dataDir,
      WHEELKEEP_DATA_DIR: of.dataDir,
      WHEELKEEP_UPSTREAM: of.index.url,
      WHEELKEEP_FILE_ORIGINS: new URL(of.index.url).origin,
      ...of.env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child.stdout.destroy();
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, stderr })));
}
