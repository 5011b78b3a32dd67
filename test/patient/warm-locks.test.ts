// `wheelkeep warm` keeps its word for the lock of every tool: on a machine that has nothing yet it fetches what the
// lock names, the drill then misses nothing but the build that it cannot know, and the tool installs with upstream gone.

import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { emptyMachine, type Machine, sitePackagesOf, tool } from '../installer/tools.ts';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';
import { runCommand } from '../support/proxy/command.ts';
import { FrontServer } from '../support/proxy/front-server.ts';
import { startProxy } from '../support/proxy/proxy.ts';
import { FakeIndex } from '../support/upstream/fake-index.ts';
import { sdist, wheel } from '../support/upstream/wheels.ts';

const [pip, uv, poetry, pdm, pipenv] = (['PIP', 'UV', 'POETRY', 'PDM', 'PIPENV'] as const).map((name) =>
  tool(`WHEELKEEP_TEST_${name}`),
);
const skip = [pip, uv, poetry, pdm, pipenv].find((one) => one!.skip !== false)?.skip ?? false;

const HERE = `py3-none-manylinux_2_17_${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}`;

interface Play {
  readonly lock: string;
  /** What the project's folder has, by name. */
  readonly project: (indexUrl: string) => Readonly<Record<string, string | Buffer>>;
  readonly locks: readonly (readonly [string, ...string[]])[];
  /** Of a folder into which may be installed, and of the environment that the tool makes in the project otherwise. */
  readonly installs: (folder: string) => readonly (readonly [string, ...string[]])[];
  readonly into?: 'folder' | 'project';
}

const PROJECT = '[project]\nname = "app"\nversion = "1"\nrequires-python = ">=3.9"\ndependencies = ["top[more]"]\n';
const compiled = (...more: readonly string[]): readonly [string, ...string[]] => [
  uv!.path,
  ...['pip', 'compile', '--universal', 'wanted.in', ...more],
];

const PLAYS: Readonly<Record<string, Play>> = {
  'requirements with hashes': {
    lock: 'requirements.txt',
    project: () => ({ 'wanted.in': 'top[more]\n' }),
    locks: [compiled('--generate-hashes', '-o', 'requirements.txt')],
    installs: (folder) => [
      [pip!.path, 'install', '--target', folder, '-r', 'requirements.txt'],
      [uv!.path, 'pip', 'install', '--target', `${folder}-uv`, '-r', 'requirements.txt'],
    ],
  },
  'uv.lock': {
    lock: 'uv.lock',
    project: () => ({ 'pyproject.toml': PROJECT }),
    locks: [[uv!.path, 'lock']],
    installs: () => [[uv!.path, 'sync', '--frozen']],
    into: 'project',
  },
  'pylock.toml': {
    lock: 'pylock.toml',
    project: () => ({ 'wanted.in': 'top[more]\n' }),
    locks: [compiled('--format', 'pylock.toml', '-o', 'pylock.toml')],
    installs: (folder) => [[uv!.path, 'pip', 'install', '--preview', '--target', folder, '-r', 'pylock.toml']],
  },
  'poetry.lock': {
    lock: 'poetry.lock',
    project: (url) => ({
      'pyproject.toml': `${PROJECT}[tool.poetry]\npackage-mode = false\n[[tool.poetry.source]]\nname = "only"\nurl = "${url}"\npriority = "primary"\n`,
    }),
    locks: [[poetry!.path, 'lock']],
    installs: () => [[poetry!.path, 'install']],
    into: 'project',
  },
  'pdm.lock': {
    lock: 'pdm.lock',
    project: (url) => ({
      'pyproject.toml': `${PROJECT}[tool.pdm]\ndistribution = false\n[[tool.pdm.source]]\nname = "pypi"\nurl = "${url}"\n`,
    }),
    locks: [[pdm!.path, 'lock']],
    installs: () => [[pdm!.path, 'sync']],
    into: 'project',
  },
  'Pipfile.lock': {
    lock: 'Pipfile.lock',
    project: (url) => ({
      Pipfile: `[[source]]\nname = "only"\nurl = "${url}"\nverify_ssl = false\n\n[packages]\ntop = {version = "*", extras = ["more"]}\n`,
    }),
    locks: [[pipenv!.path, 'lock']],
    installs: () => [[pipenv!.path, 'sync']],
    into: 'project',
  },
};

for (const [name, play] of Object.entries(PLAYS)) {
  test(`${name}: what warm fetched is all that an install asks for, and the drill knows it`, { skip }, async (t) => {
    const { index, front, folder, dataDir, machine } = await stage(t);
    const project = join(folder, 'project');
    await mkdir(project);
    for (const [file, content] of Object.entries(play.project(`${front.url}/simple/`))) {
      await writeFile(join(project, file), content);
    }
    const locking = await startProxy({ upstreams: [index.url] });
    front.target = locking.url;
    for (const [program, ...args] of play.locks) await (await machine('locking')).run(program, args, project);
    await locking.close();
    assert.ok((await readFile(join(project, play.lock), 'utf8')).includes('top'));

    const world = { index, dataDir, cwd: project };
    const flags = ['--python', join(dirname(pip!.path), 'python'), play.lock];
    const warmed = await runCommand(world, 'warm', ...flags);
    assert.deepEqual([warmed.code, warmed.stderr], [0, ''], warmed.stdout);
    await index.down();
    const drilled = await runCommand(world, 'drill', '--json', ...flags);
    // Everything but what only an installer can know.
    const [{ missing }] = JSON.parse(drilled.stdout).locks;
    assert.deepEqual(
      missing.map(({ what, name }: { readonly what: string; readonly name: string }) => `${what} ${name}`),
      ['build built 1.0'],
    );

    const proxy = await startProxy({ upstreams: [index.url], dataDir });
    t.after(() => proxy.close());
    front.target = proxy.url;
    front.clear();
    const into = join(folder, 'installed');
    for (const [program, ...args] of play.installs(into))
      await (await machine('installing')).run(program, args, project);
    assert.deepEqual([...front.refused], []);
    const installed = play.into === 'project' ? await sitePackagesOf(join(project, '.venv')) : into;
    for (const module of ['top', 'native', 'built', 'extra']) {
      assert.match(await readFile(join(installed, `${module}.py`), 'utf8'), /VERSION = "1.0"/);
    }
  });
}

/** An index with a wheel that leads to a wheel for here and to a source distribution, whose build needs nothing. */
async function stage(t: TestContext) {
  const index = await FakeIndex.start();
  t.after(() => index.close());
  const front = await FrontServer.start();
  t.after(() => front.close());
  const requires = ['native', 'built', 'extra; extra == "more"', 'windows; sys_platform == "win32"'];
  const locked = {
    top: [wheel({ name: 'top', version: '1.0', requires })],
    native: [HERE, 'py3-none-win32'].map((tag) => wheel({ name: 'native', version: '1.0', tag })),
    built: [sdist({ name: 'built', version: '1.0' })],
    extra: [wheel({ name: 'extra', version: '1.0' })],
    windows: [wheel({ name: 'windows', version: '1.0', tag: 'py3-none-win32' })],
  };
  for (const [name, files] of Object.entries(locked)) index.add(name, ...files);
  const folder = await temporaryFolder(t);
  const machine = async (name: string): Promise<Machine> => {
    const python = join(dirname(pip!.path), 'python');
    const noRetries = { PIP_RETRIES: '0', UV_HTTP_RETRIES: '0', UV_PYTHON: python };
    return emptyMachine(join(folder, name), `${front.url}/simple/`, noRetries);
  };
  return { index, front, folder, dataDir: join(folder, 'data'), machine };
}
