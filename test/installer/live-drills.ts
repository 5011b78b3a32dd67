// `wheelkeep drill --live` on a machine that has one installer, and a lock of two wheels and an sdist.

import assert from 'node:assert/strict';
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { runCommand } from '../support/proxy/command.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { hashedRequirements } from '../support/upstream/lock-files.ts';
import { sdist, wheel } from '../support/upstream/wheels.ts';
import { tool } from './tools.ts';

const uv = tool('WHEELKEEP_TEST_UV');
const pip = tool('WHEELKEEP_TEST_PIP');

/** One wheel that needs another, one sdist. */
export async function world(t: TestContext, installer: 'uv' | 'pip') {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const locked = {
    alpha: [wheel({ name: 'alpha', version: '1.0', requires: ['beta'] })],
    beta: [wheel({ name: 'beta', version: '2.0' }), wheel({ name: 'beta', version: '2.0', tag: 'py3-none-win32' })],
    gamma: [sdist({ name: 'gamma', version: '3.0' })],
  };
  for (const [name, files] of Object.entries(locked)) index.add(name, ...files);
  const dataDir = await temporaryFolder(t);
  const temporary = join(dataDir, 'temporary');
  await mkdir(temporary);
  // A PATH on which only the one installer is.
  const bin = join(dataDir, 'bin');
  await mkdir(bin);
  if (installer === 'uv') await symlink(uv.path, join(bin, 'uv'));
  const python = dirname(pip.path);
  const PATH = installer === 'uv' ? `${bin}:${python}:/usr/bin:/bin` : `${python}:/usr/bin:/bin`;
  await writeFile(join(dataDir, 'requirements.txt'), hashedRequirements(locked));
  return { index, dataDir, temporary, locked, env: { PATH, TMPDIR: temporary } };
}

export async function live(given: Awaited<ReturnType<typeof world>>, lock = 'requirements.txt') {
  const { code, stdout, stderr } = await runCommand(given, 'drill', '--live', '--json', lock);
  assert.equal(stderr, '');
  return { code, verdict: JSON.parse(stdout).locks[0] };
}

/** All that it needs is held. */
export async function installsWarm(t: TestContext, installer: 'uv' | 'pip'): Promise<void> {
  const given = await world(t, installer);
  assert.equal((await runCommand(given, 'warm', 'requirements.txt')).code, 0);
  const asked = given.index.log.entries.length;
  const { code, verdict } = await live(given);
  assert.equal(verdict.live.succeeded, true, verdict.live.output);
  assert.deepEqual([code, verdict.live.installer, verdict.readiness], [0, installer, 1]);
  assert.equal(given.index.log.entries.length, asked);
  assert.deepEqual(await readdir(given.temporary), []);
}

/** The sdist is not held. */
export async function failsIncomplete(t: TestContext, installer: 'uv' | 'pip'): Promise<void> {
  const given = await world(t, installer);
  assert.equal((await runCommand(given, 'warm', 'requirements.txt', '--only', '*.whl')).code, 0);
  const { code, verdict } = await live(given);
  assert.deepEqual([code, verdict.live.succeeded], [1, false]);
  assert.match(verdict.live.output, /gamma/);
  assert.deepEqual(await readdir(given.temporary), []);
}
