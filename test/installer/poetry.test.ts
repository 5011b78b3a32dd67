// Real Poetry: a project with Wheelkeep as its only source, locked and installed.

import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type Install, installsDirectly, survivesOutage } from './rounds.ts';
import { sitePackagesOf, tool } from './tools.ts';

const { path: poetry, skip } = tool('WHEELKEEP_TEST_POETRY');

/** Locks and installs a project; `locks` collects the lock file of every round. */
function lockAndInstall(locks: string[]): Install {
  return async ({ home, run, world, indexUrl }) => {
    const project = join(home, 'project');
    await mkdir(project);
    await writeFile(
      join(project, 'pyproject.toml'),
      `[project]
name = "lock"
version = "0"
requires-python = ">=3.9"
dependencies = ["wk-app"]

[tool.poetry]
package-mode = false

[[tool.poetry.source]]
name = "only"
url = "${indexUrl}"
priority = "primary"
`,
    );
    await run(poetry, ['lock', '--quiet'], project);
    await run(poetry, ['install', '--quiet'], project);
    const lock = await readFile(join(project, 'poetry.lock'), 'utf8');
    for (const { sha256, filename } of Object.values(world)) {
      assert.ok(lock.includes(`{file = "${filename}", hash = "sha256:${sha256}"}`), `the lock must pin ${filename}`);
    }
    locks.push(lock);
    return sitePackagesOf(join(project, '.venv'));
  };
}

describe('Poetry', { skip }, () => {
  it('locks and installs the packages of the fake index without Wheelkeep', (test) =>
    installsDirectly(test, lockAndInstall([])));

  it('writes the same right lock file and installs cold, hot, and with upstream down after a restart', async (test) => {
    const locks: string[] = [];
    await survivesOutage(test, lockAndInstall(locks));
    assert.equal(locks.length, 3);
    assert.equal(locks[1], locks[0]);
    assert.equal(locks[2], locks[0]);
  });
});
