// `wheelkeep drill --live`: a real installer has the last word.

import assert from 'node:assert/strict';
import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { runCommand } from '../support/command.ts';
import { FakeIndex } from '../support/fake-index.ts';
import { hashedRequirements, type Locked } from '../support/lock-files.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { sdist, wheel } from '../support/wheels.ts';
import { emptyMachine, tool } from './tools.ts';

const uv = tool('WHEELKEEP_TEST_UV');
const pip = tool('WHEELKEEP_TEST_PIP');

/** One wheel that needs another, one sdist. */
async function world(t: TestContext, installer: 'uv' | 'pip') {
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

async function live(given: Awaited<ReturnType<typeof world>>, lock = 'requirements.txt') {
  const { code, stdout, stderr } = await runCommand(given, 'drill', '--live', '--json', lock);
  assert.equal(stderr, '');
  return { code, verdict: JSON.parse(stdout).locks[0] };
}

for (const installer of ['uv', 'pip'] as const) {
  test(`${installer} installs a warm lock with upstream cut off, and nothing is left behind`, {
    skip: uv.skip || pip.skip,
  }, async (t) => {
    const given = await world(t, installer);
    assert.equal((await runCommand(given, 'warm', 'requirements.txt')).code, 0);
    const asked = given.index.log.entries.length;
    const { code, verdict } = await live(given);
    assert.equal(verdict.live.succeeded, true, verdict.live.output);
    assert.deepEqual([code, verdict.live.installer, verdict.readiness], [0, installer, 1]);
    assert.equal(given.index.log.entries.length, asked);
    assert.deepEqual(await readdir(given.temporary), []);
  });

  test(`${installer} fails where something that it needs is not held, and the drill with it`, {
    skip: uv.skip || pip.skip,
  }, async (t) => {
    const given = await world(t, installer);
    assert.equal((await runCommand(given, 'warm', 'requirements.txt', '--only', '*.whl')).code, 0);
    const { code, verdict } = await live(given);
    assert.deepEqual([code, verdict.live.succeeded], [1, false]);
    assert.match(verdict.live.output, /gamma/);
    assert.deepEqual(await readdir(given.temporary), []);
  });
}

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

/** Locks of other tools, each with a package for another platform that no index has. */
function otherLocks(): Readonly<Record<string, (locked: Locked) => string>> {
  const elsewhere = "sys_platform == 'nowhere'";
  const hash = 'ab'.repeat(32);
  const listed = (locked: Locked, marker: string, metadata: string) => {
    const packages = Object.entries(locked).map(([name, files]) => {
      const lines = files.map((file) => `  {file = "${file.filename}", hash = "sha256:${file.sha256}"},`);
      return [`[[package]]\nname = "${name}"\nversion = "${files[0]!.version}"`, `files = [\n${lines.join('\n')}\n]`];
    });
    const other = [`[[package]]\nname = "other"\nversion = "1"\n${marker} = "${elsewhere}"`];
    return [
      ...packages.flat(),
      ...other,
      `files = [{file = "other-1.tar.gz", hash = "sha256:${hash}"}]`,
      metadata,
    ].join('\n');
  };
  return {
    'poetry.lock': (locked) => listed(locked, 'markers', '[metadata]\nlock-version = "2.1"\ncontent-hash = "00"'),
    'pdm.lock': (locked) => listed(locked, 'marker', '[metadata]\nlock_version = "4.5.0"\ncontent_hash = "00"'),
    'Pipfile.lock': (locked) => {
      const packages = Object.entries(locked).map(([name, files]) => {
        return [name, { version: `==${files[0]!.version}`, hashes: files.map(({ sha256 }) => `sha256:${sha256}`) }];
      });
      const other = { version: '==1', hashes: [`sha256:${hash}`], markers: elsewhere };
      return JSON.stringify({ _meta: {}, default: { ...Object.fromEntries(packages), other } });
    },
    'pylock.toml': (locked) => {
      const file = (kind: string, filename: string, sha256: string) =>
        `[[packages.${kind}]]\nurl = "https://files.example/${filename}"\nhashes = {sha256 = "${sha256}"}`;
      const packages = Object.entries(locked).map(([name, files]) =>
        [
          `[[packages]]\nname = "${name}"\nversion = "${files[0]!.version}"`,
          ...files.map(({ filename, sha256 }) =>
            filename.endsWith('.whl')
              ? file('wheels', filename, sha256)
              : file('wheels', filename, sha256).replace('[[packages.wheels]]', '[packages.sdist]'),
          ),
        ].join('\n'),
      );
      const other = `[[packages]]\nname = "other"\nversion = "1"\nmarker = "${elsewhere}"\n${file('wheels', 'other-1-py3-none-any.whl', hash)}`;
      return ['lock-version = "1.0"', ...packages, other].join('\n');
    },
  };
}
