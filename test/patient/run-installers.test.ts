// `wheelkeep run` with real installers: the first run fetches, the second needs no upstream.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type ToolVariable, tool } from '../installer/tools.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { runCommand } from '../support/proxy/command.ts';
import { freePort } from '../support/proxy/free-port.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { wheel } from '../support/upstream/wheels.ts';

/** What is run in an empty project that needs `alpha`; `url` is the index for those that read no variable. */
const INSTALLERS: Readonly<Record<string, readonly [ToolVariable, (path: string, url: string) => string]>> = {
  pip: ['WHEELKEEP_TEST_PIP', (pip) => `${pip} install --target installed alpha`],
  uv: ['WHEELKEEP_TEST_UV', (uv) => `${uv} pip install --target installed alpha`],
  Poetry: [
    'WHEELKEEP_TEST_POETRY',
    (poetry, url) => `${poetry} source add --priority=primary wheelkeep ${url} && ${poetry} lock --regenerate`,
  ],
  PDM: ['WHEELKEEP_TEST_PDM', (pdm) => `rm -f pdm.lock && ${pdm} lock`],
  pipenv: ['WHEELKEEP_TEST_PIPENV', (pipenv) => `rm -rf Pipfile Pipfile.lock && ${pipenv} install alpha`],
};

for (const [name, [variable, script]] of Object.entries(INSTALLERS)) {
  const { path, skip } = tool(variable);
  test(`${name} goes through it, and a second time with upstream gone`, { skip }, async (t) => {
    const { index, run } = await world(t, path, script);
    const first = await run();
    assert.equal(first.code, 0, first.stdout + first.stderr);
    assert.ok(index.requests('/simple/alpha/') > 0);
    await index.down();
    const second = await run();
    assert.equal(second.code, 0, second.stdout + second.stderr);
    assert.match(second.stderr, /from the cache/);
  });
}

async function world(t: TestContext, path: string, script: (path: string, url: string) => string) {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  index.add('alpha', wheel({ name: 'alpha', version: '1.0' }));
  const dataDir = await temporaryFolder(t);
  const project = [
    '[project]',
    'name = "app"',
    'version = "1"',
    'requires-python = ">=3.11"',
    'dependencies = ["alpha"]',
  ];
  const build = ['[tool.poetry]', 'package-mode = false'];
  await writeFile(join(dataDir, 'pyproject.toml'), `${[...project, ...build].join('\n')}\n`);
  const port = String(await freePort());
  const env = {
    PATH: `${dirname(path)}:/usr/bin:/bin`,
    // So that only Wheelkeep's answers count.
    PIP_NO_CACHE_DIR: '1',
    UV_NO_CACHE: '1',
    POETRY_CACHE_DIR: join(dataDir, 'poetry'),
    PDM_CACHE_DIR: join(dataDir, 'pdm'),
    PDM_CHECK_UPDATE: '0',
    PIPENV_VENV_IN_PROJECT: '1',
    PIPENV_CACHE_DIR: join(dataDir, 'pipenv'),
    PIPENV_NOSPIN: '1',
  };
  const command = `rm -rf installed poetry pdm pipenv .venv && ${script(path, `http://127.0.0.1:${port}/simple/`)}`;
  const run = () => runCommand({ index, dataDir, env }, 'run', '--port', port, '--', 'sh', '-c', command);
  return { index, run };
}
