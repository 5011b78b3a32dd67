// Real pipenv: a Pipfile with Wheelkeep as its only source. It locks with pip and asks for hashes itself, as HTML.

import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type Install, survivesOutage } from '../installer/rounds.ts';
import { sitePackagesOf, tool } from '../installer/tools.ts';

const { path: pipenv, skip } = tool('WHEELKEEP_TEST_PIPENV');

interface Lock {
  readonly default: Readonly<Record<string, { readonly hashes: readonly string[] }>>;
}

const lockAndInstall: Install = async ({ home, run, world, indexUrl }) => {
  const project = join(home, 'project');
  await mkdir(project);
  const source = `[[source]]\nname = "only"\nurl = "${indexUrl}"\nverify_ssl = false\n`;
  await writeFile(join(project, 'Pipfile'), `${source}\n[packages]\nwk-app = "*"\n`);
  await run(pipenv, ['install'], project);
  const { default: locked } = JSON.parse(await readFile(join(project, 'Pipfile.lock'), 'utf8')) as Lock;
  const hashes = new Set(Object.values(locked).flatMap((one) => one.hashes));
  for (const { sha256, filename } of Object.values(world)) {
    assert.ok(hashes.has(`sha256:${sha256}`), `the lock must pin ${filename}`);
  }
  return sitePackagesOf(join(project, '.venv'));
};

describe('pipenv', { skip }, () => {
  it('locks with hashes and installs cold, and with upstream down after a restart', (test) =>
    survivesOutage(test, lockAndInstall, { hot: false }));
});
