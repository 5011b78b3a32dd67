// Real uv: `uv pip install`, and a project with a lock file.

import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type Install, installsDirectly, type Site, survivesOutage } from './rounds.ts';
import { sitePackagesOf, tool } from './tools.ts';

const { path: uv, skip } = tool('WHEELKEEP_TEST_UV');

const install: Install = async ({ home, run }) => {
  const target = join(home, 'target');
  await run(uv, ['pip', 'install', '--quiet', '--target', target, 'wk-app']);
  return target;
};

/** Locks and syncs a project; `locks` collects the lock file of every round. */
function lockAndSync(locks: string[]): Install {
  return async ({ home, run, world }: Site) => {
    const project = join(home, 'project');
    await mkdir(project);
    await writeFile(
      join(project, 'pyproject.toml'),
      '[project]\nname = "lock"\nversion = "0"\nrequires-python = ">=3.9"\ndependencies = ["wk-app"]\n',
    );
    await run(uv, ['lock', '--quiet'], project);
    await run(uv, ['sync', '--quiet', '--locked', '--no-install-project'], project);
    const lock = await readFile(join(project, 'uv.lock'), 'utf8');
    for (const { sha256, filename } of Object.values(world)) {
      assert.ok(lock.includes(`sha256:${sha256}`), `the lock file must hold the right hash of ${filename}`);
    }
    locks.push(lock);
    return sitePackagesOf(join(project, '.venv'));
  };
}

describe('uv', { skip }, () => {
  it('installs and locks the packages of the fake index without Wheelkeep', async (test) => {
    await installsDirectly(test, install);
    await installsDirectly(test, lockAndSync([]));
  });

  it('installs cold, hot, and with upstream down after a restart', (test) => survivesOutage(test, install));

  it('installs from an index that has HTML only', (test) =>
    survivesOutage(test, install, { index: { formats: 'html-only' }, hot: false }));

  it('writes the same right lock file cold, hot and during the outage', async (test) => {
    const locks: string[] = [];
    await survivesOutage(test, lockAndSync(locks));
    assert.equal(locks.length, 3);
    assert.equal(locks[1], locks[0]);
    assert.equal(locks[2], locks[0]);
  });
});
