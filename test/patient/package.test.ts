// The packed package: emitted JavaScript, started by the same launcher, far from the checkout.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, readdir, readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { get } from '../support/proxy/http-client.ts';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PARTS = [
  'package.json',
  '.npmrc',
  'tsconfig.json',
  'tsconfig.build.json',
  'LICENSE',
  'README.md',
  'CHANGELOG.md',
  'bin',
  'src',
];

/** A copy of what the package is made of; the packages themselves are linked. */
async function checkout(t: TestContext): Promise<string> {
  const folder = await temporaryFolder(t);
  for (const part of PARTS) await cp(join(ROOT, part), join(folder, part), { recursive: true });
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

/** Asks the installed program for its version, its opinion of a configuration, and to serve. */
async function works(t: TestContext, launcher: string): Promise<void> {
  const home = await temporaryFolder(t);
  const env = { PATH: process.env.PATH, HOME: home, WHEELKEEP_UPSTREAM: 'https://index.example/simple/' };
  const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  assert.equal((await run(launcher, ['--version'], { env, cwd: home })).stdout, `${version}\n`);
  const { stdout } = await run(launcher, ['check', '--print', '--port', '5031'], { env, cwd: home });
  assert.match(stdout, /^port: 5031 # --port$/m);

  const child = spawn(launcher, ['serve', '--port', '0'], { env, cwd: home, stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const [lines] = await once(child.stdout, 'data');
  const url = /listens on (\S+)/.exec(String(lines))?.[1];
  assert.equal((await get(`${url}-/ready`)).status, 200);
  child.kill('SIGTERM');
  assert.deepEqual(await once(child, 'exit'), [0, null]);
}

test('the emitted JavaScript runs where there is no TypeScript', async (t) => {
  const source = await checkout(t);
  await run('npm', ['run', 'build'], { cwd: source });
  const target = await temporaryFolder(t);
  for (const part of ['package.json', 'bin', 'lib'])
    await cp(join(source, part), join(target, part), { recursive: true });
  await symlink(join(ROOT, 'node_modules'), join(target, 'node_modules'));
  await works(t, join(target, 'bin/wheelkeep'));
});

const skip =
  process.env.WHEELKEEP_TEST_NETWORK === '1' ? false : 'set WHEELKEEP_TEST_NETWORK=1: npm needs its registry';

test('npm pack gives a package that npm installs and that brings its own Node', {
  skip,
  timeout: 180_000,
}, async (t) => {
  const source = await checkout(t);
  const packed = await run('npm', ['pack', '--json'], { cwd: source, maxBuffer: 16 << 20 });
  assert.ok(packed.stdout);
  const tarball = (await readdir(source)).find((name) => name.endsWith('.tgz'));
  const target = await temporaryFolder(t);
  await run('npm', ['install', '--prefix', target, '--no-audit', '--no-fund', join(source, tarball!)], { cwd: target });
  const installed = await readdir(join(target, 'node_modules/wheelkeep'));
  assert.deepEqual(installed.filter((name) => name !== 'node_modules').toSorted(), [
    'CHANGELOG.md',
    'LICENSE',
    'README.md',
    'bin',
    'lib',
    'package.json',
  ]);
  await works(t, join(target, 'node_modules/.bin/wheelkeep'));
});
