// Nothing that lies in the folder in which a command is typed is run, or believed at a later start.

import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { askPython } from '../../src/commands/this-python.ts';
import { findDefaultUpstream } from '../../src/config/default-upstream.ts';
import { thisMachine } from '../../src/config/this-machine.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { runCommand } from '../support/proxy/command.ts';
import { pythonMissing } from '../support/proxy/this-machine.ts';

const EVIL = 'https://evil.example/simple/';
/** As each file of Python says that it was run: on standard output it looks like pip's own help, in a file it stays. */
const python = (mark: string) =>
  `open(${JSON.stringify(mark)}, "a").write(__file__ + "\\n")\nprint("(default: ${EVIL})")\n`;

/** A checkout in which every name that a Python or a shell may look up is something else. */
async function checkout(t: TestContext) {
  const folder = await temporaryFolder(t);
  const mark = join(folder, 'was-run');
  for (const name of [
    'pip.py',
    'sitecustomize.py',
    'usercustomize.py',
    'packaging.py',
    'glob.py',
    'json.py',
    'ensurepip.py',
  ]) {
    await writeFile(join(folder, name), python(mark));
  }
  const script = `#!/bin/sh\necho "$0" >> ${mark}\necho "(default: ${EVIL})"\n`;
  for (const name of ['python3', 'pip', 'uv', 'python', 'venv/bin/python3', 'venv/bin/pip']) {
    await mkdir(join(folder, name, '..'), { recursive: true });
    await writeFile(join(folder, name), script);
    await chmod(join(folder, name), 0o755);
  }
  const ran = () => readFile(mark, 'utf8').catch(() => '');
  return { folder, ran };
}

const PATHS = ['', '.', './venv/bin', 'venv/bin', ''].join(delimiter);

test('a checkout with modules and programs of its own is not run by check, whatever PATH and PYTHONPATH say', async (t) => {
  const { folder, ran } = await checkout(t);
  const dataDir = await temporaryFolder(t);
  const env = { WHEELKEEP_UPSTREAM: '', PATH: `${PATHS}${delimiter}${process.env.PATH}`, PYTHONPATH: folder };
  for (const command of [['check'], ['check', '--print'], ['env']]) {
    const { stdout, stderr } = await runCommand(
      { index: { url: 'http://127.0.0.1:9/' }, dataDir, cwd: folder, env },
      ...command,
    );
    assert.ok(!`${stdout}${stderr}`.includes('evil'), `${stdout}${stderr}`);
  }
  assert.equal(await ran(), '');
});

test('what would install is asked of the real Python, from a folder of nobody', { skip: pythonMissing }, async (t) => {
  const { folder, ran } = await checkout(t);
  const env = { ...process.env, PATH: `${PATHS}${delimiter}${process.env.PATH}`, PYTHONPATH: folder };
  assert.ok(await askPython('python3', { env, cwd: folder }));
  assert.equal(await ran(), '');
});

test('what a program in the current folder says is used after all others, and never written down', async (t) => {
  const { folder } = await checkout(t);
  const dataDir = await temporaryFolder(t);
  const linked = await temporaryFolder(t);
  await symlink(join(folder, 'venv', 'bin'), join(linked, 'bin'));
  for (const PATH of [join(folder, 'venv', 'bin'), join(linked, 'bin')]) {
    const machine = thisMachine(
      { PATH: `${PATH}${delimiter}/usr/bin${delimiter}/bin`, HOME: dataDir },
      { dataDir, cwd: folder, notes: true },
    );
    const own = { ...machine, readText: async () => undefined };
    const first = await findDefaultUpstream(own, () => false);
    // Whether this machine has a pip of its own or not: no later start hears of the folder.
    const later = await thisMachine({ PATH: '/nowhere' }, { dataDir, cwd: '/', notes: true }).remembered();
    assert.ok(!(later ?? '').includes('evil'), `${first?.upstream.url} ${later}`);
  }
  for (const name of await readdir(dataDir)) assert.ok(!(await readFile(join(dataDir, name), 'utf8')).includes('evil'));
});

test('what an earlier version wrote down may have come from a checkout, and is not believed', async (t) => {
  const dataDir = await temporaryFolder(t);
  await writeFile(join(dataDir, 'pip-default-index'), `${EVIL}\n`);
  assert.equal(await thisMachine({ PATH: '' }, { dataDir, cwd: '/', notes: true }).remembered(), undefined);
});

test('what a pip outside says is written down, once for all starts', async (t) => {
  const { folder } = await checkout(t);
  const dataDir = await temporaryFolder(t);
  const env = { PATH: join(folder, 'venv', 'bin'), HOME: dataDir };
  const machine = { ...thisMachine(env, { dataDir, cwd: dataDir, notes: true }), readText: async () => undefined };
  assert.equal((await findDefaultUpstream(machine, () => false))?.upstream.url, EVIL);
  assert.equal((await machine.remembered())?.trim(), EVIL);
});
