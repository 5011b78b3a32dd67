// bin/wheelkeep: from any folder, on the right Node, without a process of its own.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, copyFile, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { arch } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const LAUNCHER = join(ROOT, 'bin/wheelkeep');
const PINNED = `node-linux-${arch()}/bin/node`;

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(command: string, args: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) {
  return new Promise<Ended>((resolve) => {
    execFile(command, args, options, (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr });
    });
  });
}

/** An installation whose program says who runs it: `root` of the package, `bin` a PATH with nothing but basic tools. */
async function installation(t: TestContext, place = '.', main = 'src/main.ts') {
  const folder = await temporaryFolder(t);
  const root = join(folder, place);
  await mkdir(join(root, 'bin'), { recursive: true });
  await copyFile(LAUNCHER, join(root, 'bin/wheelkeep'));
  await mkdir(dirname(join(root, main)), { recursive: true });
  const report = 'JSON.stringify({ pid: process.pid, args: process.argv.slice(2) })';
  await writeFile(join(root, 'package.json'), '{"type":"module"}');
  await writeFile(join(root, main), `console.log(${report});\n`);
  const bin = join(folder, 'tools');
  await mkdir(bin);
  for (const tool of ['uname', 'readlink', 'dirname']) await symlink(await which(tool), join(bin, tool));
  return { folder, root, bin, launcher: join(root, 'bin/wheelkeep') };
}

async function which(tool: string): Promise<string> {
  return (await run('/bin/sh', ['-c', `command -v ${tool}`])).stdout.trim();
}

async function link(target: string, path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await symlink(target, path);
}

async function script(path: string, content: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
  await chmod(path, 0o755);
}

test('it starts from any folder and through symbolic links', async (t) => {
  const folder = await temporaryFolder(t);
  await symlink(LAUNCHER, join(folder, 'absolute'));
  await symlink('absolute', join(folder, 'relative'));
  const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  const { code, stdout } = await run(join(folder, 'relative'), ['--version'], { cwd: '/' });
  assert.deepEqual([code, stdout], [0, `${version}\n`]);
});

test('no process of the launcher stays behind, and arguments arrive as they were typed', async (t) => {
  const { root, bin, launcher } = await installation(t);
  await link(process.execPath, join(root, 'node_modules', PINNED));
  const args = ['serve', '--host', 'a b', '', '"$x"'];
  const child = spawn(launcher, args, { env: { PATH: bin }, stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  await once(child, 'close');
  const told: { readonly pid: number; readonly args: readonly string[] } = JSON.parse(output);
  assert.equal(told.pid, child.pid);
  assert.deepEqual(told.args, args);
});

test('the pinned Node is found where npm hoisted it, and emitted JavaScript runs where there is no source', async (t) => {
  const { folder, bin, launcher } = await installation(t, 'node_modules/wheelkeep', 'lib/main.js');
  await link(process.execPath, join(folder, 'node_modules', PINNED));
  const { code, stderr } = await run(launcher, [], { env: { PATH: bin } });
  assert.equal(code, 0, stderr);
});

test('a pinned Node that cannot run here gives way to the Node on the PATH', async (t) => {
  const { root, bin, launcher } = await installation(t);
  await script(join(root, 'node_modules', PINNED), '#!/nowhere/ld-linux.so\n');
  await symlink(process.execPath, join(bin, 'node'));
  const { code, stderr } = await run(launcher, [], { env: { PATH: bin } });
  assert.equal(code, 0, stderr);
});

test('without a Node that is new enough it says so in one sentence', async (t) => {
  const { bin, launcher } = await installation(t);
  const none = await run(launcher, [], { env: { PATH: bin } });
  assert.equal(none.code, 1);
  assert.match(none.stderr, /^wheelkeep needs Node 24 or newer and found none: [^\n]+\n$/);
  await script(join(bin, 'node'), '#!/bin/sh\necho v22.1.0\n');
  const old = await run(launcher, [], { env: { PATH: bin } });
  assert.deepEqual([old.code, /found v22\.1\.0/.test(old.stderr)], [1, true]);
});

test('a wrong command line, configuration or data folder ends with 2, and says what would be right', async (t) => {
  const folder = await temporaryFolder(t);
  const env = {
    PATH: process.env.PATH,
    HOME: folder,
    WHEELKEEP_DATA_DIR: folder,
    WHEELKEEP_UPSTREAM: 'https://index.example/simple/',
  };
  const typo = await run(LAUNCHER, ['serv'], { cwd: folder, env });
  assert.equal(typo.code, 2);
  assert.match(typo.stderr, /Did you mean serve\?/);
  for (const command of ['serve', 'check', 'env']) {
    const { code, stderr } = await run(LAUNCHER, [command], { cwd: folder, env: { ...env, WHEELKEEP_PROT: '1' } });
    assert.equal(code, 2, command);
    assert.match(stderr, /^wheelkeep: WHEELKEEP_PROT: unknown variable; did you mean WHEELKEEP_PORT\?$/m);
  }
  const unwritable = await run(LAUNCHER, ['serve', '--data-dir', '/dev/null/x'], { cwd: folder, env });
  assert.equal(unwritable.code, 2);
  assert.match(unwritable.stderr, /^wheelkeep: data_dir = \/dev\/null\/x \(--data-dir\): /);
});

test('a port in use ends the start with 1 and one sentence', async (t) => {
  const folder = await temporaryFolder(t);
  const other = createServer().listen(0, '127.0.0.1');
  t.after(() => other.close());
  await once(other, 'listening');
  const { port } = other.address() as { port: number };
  const env = {
    PATH: process.env.PATH,
    HOME: folder,
    WHEELKEEP_DATA_DIR: folder,
    WHEELKEEP_UPSTREAM: 'https://index.example/simple/',
  };
  const { code, stderr } = await run(LAUNCHER, ['serve', '--port', String(port)], { cwd: folder, env });
  assert.equal(code, 1);
  assert.match(stderr, /^wheelkeep: port = \d+ \(--port\): is in use by another process; [^\n]+\n$/);
});

test('env prints what each shell understands', async (t) => {
  const folder = await temporaryFolder(t);
  const env = { PATH: process.env.PATH, HOME: folder, WHEELKEEP_PORT: '5999' };
  const sh = await run(
    '/bin/sh',
    ['-c', `eval "$('${LAUNCHER}' env)" && printf %s "$PIP_INDEX_URL $UV_DEFAULT_INDEX"`],
    { env },
  );
  assert.equal(sh.stdout, 'http://127.0.0.1:5999/simple/ http://127.0.0.1:5999/simple/', sh.stderr);
  const github = await run(LAUNCHER, ['env', '--format', 'github', '--url', 'http://wheels.example'], { env });
  for (const line of github.stdout.trim().split('\n')) assert.match(line, /^[A-Z_]+=\S+$/);
  assert.match(github.stdout, /^PIP_TRUSTED_HOST=wheels\.example$/m);
  const printed = async (format: string) => (await run(LAUNCHER, ['env', '--format', format], { env })).stdout;
  const { variables } = parse(await printed('gitlab')) as { variables: Record<string, string> };
  assert.equal(variables.UV_DEFAULT_INDEX, 'http://127.0.0.1:5999/simple/');
  const lines = (await printed('dockerfile')).trim().split('\n');
  assert.ok(lines.includes("ENV PIP_INDEX_URL='http://127.0.0.1:5999/simple/'"));
  for (const line of lines) assert.match(line, /^(?:ENV [A-Z_]+='[^']+'|# .*)$/);
});
