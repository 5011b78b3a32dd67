// Real hatch: an environment with dependencies, which it has pip or uv install.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { type Install, survivesOutage } from '../installer/rounds.ts';
import { sitePackagesOf, tool } from '../installer/tools.ts';

const { path: hatch, skip } = tool('WHEELKEEP_TEST_HATCH');

const createEnvironment: Install = async ({ home, run }) => {
  const project = join(home, 'project');
  await mkdir(project);
  await writeFile(
    join(project, 'pyproject.toml'),
    `[project]
name = "environment"
version = "0"

[tool.hatch.envs.default]
path = ".venv"
skip-install = true
dependencies = ["wk-app"]
`,
  );
  await run(hatch, ['env', 'create'], project);
  return sitePackagesOf(join(project, '.venv'));
};

describe('hatch', { skip }, () => {
  it('fills an environment cold, and with upstream down after a restart', (test) =>
    survivesOutage(test, createEnvironment, { hot: false }));
});
