// `wheelkeep drill --live` by pip, and from every kind of lock file.

import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { failsIncomplete, installsWarm, live, world } from '../installer/live-drills.ts';
import { emptyMachine, tool } from '../installer/tools.ts';
import { runCommand } from '../support/proxy/command.ts';
import { otherLocks } from '../support/upstream/lock-files.ts';

const uv = tool('WHEELKEEP_TEST_UV');
const pip = tool('WHEELKEEP_TEST_PIP');

test('pip installs a warm lock with upstream cut off, and nothing is left behind', { skip: pip.skip }, (t) =>
  installsWarm(t, 'pip'),
);

test('pip fails where something that it needs is not held, and the drill with it', { skip: pip.skip }, (t) =>
  failsIncomplete(t, 'pip'),
);

test('what only another platform needs does not fail the live install', { skip: uv.skip || pip.skip }, async (t) => {
  const given = await world(t, 'uv');
  await runCommand(given, 'warm', 'requirements.txt', '--only', '*-none-any.whl', '--only', '*.tar.gz');
  const { verdict } = await live(given);
  assert.equal(verdict.live.succeeded, true, verdict.live.output);
  assert.deepEqual([verdict.missing, verdict.others.missing.length], [[], 1]);
});

test('a uv.lock is installed as uv itself reads it', { skip: uv.skip || pip.skip }, async (t) => {
  const given = await world(t, 'uv');
  const project = ['[project]', 'name = "app"', 'version = "1"', 'requires-python = ">=3.9"'];
  const dependencies = `dependencies = ["alpha", "gamma; sys_platform != 'nowhere'"]`;
  await writeFile(join(given.dataDir, 'pyproject.toml'), `${[...project, dependencies].join('\n')}\n`);
  const machine = await emptyMachine(join(given.dataDir, 'machine'), given.index.url);
  await machine.run(uv.path, ['lock'], given.dataDir);
  assert.equal((await runCommand(given, 'warm', 'uv.lock')).code, 0);
  const asked = given.index.log.entries.length;
  const { code, verdict } = await live(given, 'uv.lock');
  assert.equal(verdict.live.succeeded, true, verdict.live.output);
  assert.equal(code, 0);
  assert.equal(given.index.log.entries.length, asked);
});

for (const [filename, write] of Object.entries(otherLocks())) {
  // pip gets the same lines as uv, and needs long for an environment: once will do.
  for (const installer of filename === 'Pipfile.lock' ? (['uv', 'pip'] as const) : (['uv'] as const)) {
    test(`${installer} installs what a ${filename} names, and fails where a file of it is not held`, {
      skip: uv.skip || pip.skip,
    }, async (t) => {
      const given = await world(t, installer);
      await writeFile(join(given.dataDir, filename), write(given.locked));
      const wheels = ['--only', '*.whl'];
      await runCommand(given, 'warm', filename, ...wheels);
      const without = await live(given, filename);
      assert.deepEqual([without.code, without.verdict.readiness < 1, without.verdict.live.succeeded], [1, true, false]);
      await runCommand(given, 'warm', filename);
      const whole = await live(given, filename);
      assert.equal(whole.verdict.live.succeeded, true, whole.verdict.live.output);
      assert.deepEqual([whole.code, whole.verdict.readiness, whole.verdict.live.installer], [0, 1, installer]);
      assert.deepEqual(await readdir(given.temporary), []);
    });
  }
}
