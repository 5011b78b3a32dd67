// `wheelkeep drill --live` by pip, and from every kind of lock file.

import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { failsIncomplete, installsWarm, live, world } from '../installer/live-drills.ts';
import { emptyMachine, tool } from '../installer/tools.ts';
import { runCommand } from '../support/command.ts';
import type { Locked } from '../support/lock-files.ts';

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
