// Poetry, PDM, pipenv and keyrings where clients have to prove who they are, over our own TLS: by the settings that
// docs/installers.md names for each.

import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import { BOTH, guardedWorld, installed, PASSWORD, USER } from '../installer/guarded-world.ts';
import { type Machine, pythonOf, sitePackagesOf, tool } from '../installer/tools.ts';

const poetry = tool('WHEELKEEP_TEST_POETRY');
const pdm = tool('WHEELKEEP_TEST_PDM');
const pipenv = tool('WHEELKEEP_TEST_PIPENV');
const uv = tool('WHEELKEEP_TEST_UV');

/** A project that needs wk-app; resolves with its folder. */
async function project({ home }: Machine, more: string): Promise<string> {
  const folder = join(home, 'project');
  await mkdir(folder);
  const needs = 'requires-python = ">=3.11"\ndependencies = ["wk-app"]\n';
  await writeFile(join(folder, 'pyproject.toml'), `[project]\nname = "app"\nversion = "1"\n${needs}${more}`);
  return folder;
}

test('Poetry takes the credentials of its source from its own variables', { skip: poetry.skip }, async (t) => {
  const { url, machine } = await guardedWorld(t);
  const source = `[tool.poetry]\npackage-mode = false\n[[tool.poetry.source]]\nname = "wheelkeep"\nurl = "${url}/simple/"\npriority = "primary"\n`;
  const credentials = { POETRY_HTTP_BASIC_WHEELKEEP_USERNAME: USER, POETRY_HTTP_BASIC_WHEELKEEP_PASSWORD: PASSWORD };
  const known = await machine(url, credentials);
  const folder = await project(known, source);
  await known.run(poetry.path, ['install', '--quiet'], folder);
  assert.deepEqual(await installed(await sitePackagesOf(join(folder, '.venv'))), BOTH);
  assert.ok(!(await readFile(join(folder, 'poetry.lock'), 'utf8')).includes(`${USER}:`), 'no secret in the lock file');
  const stranger = await machine(url);
  await assert.rejects(
    stranger.run(poetry.path, ['lock'], await project(stranger, source)),
    /401|Unauthorized|authoriz/i,
  );
});

test('PDM takes them in PDM_PYPI_URL, as wheelkeep env prints it', { skip: pdm.skip }, async (t) => {
  const { url, named, machine } = await guardedWorld(t);
  const known = await machine(url, { PDM_PYPI_URL: `${named}/simple/` });
  const folder = await project(known, '');
  await known.run(pdm.path, ['install', '--no-self', '--quiet'], folder);
  assert.deepEqual(await installed(await sitePackagesOf(join(folder, '.venv'))), BOTH);
  const stranger = await machine(url, { PDM_PYPI_URL: `${url}/simple/` });
  await assert.rejects(
    stranger.run(pdm.path, ['lock'], await project(stranger, '')),
    /401|credentials|Unauthorized|wk-app/,
  );
});

test('pipenv takes them in PIPENV_PYPI_MIRROR, as wheelkeep env prints it', { skip: pipenv.skip }, async (t) => {
  const { url, named, machine } = await guardedWorld(t);
  const known = await machine(named, { PIPENV_PYPI_MIRROR: `${named}/simple/` });
  const folder = join(known.home, 'project');
  await mkdir(folder);
  await known.run(pipenv.path, ['install', 'wk-app'], folder);
  assert.deepEqual(
    (await installed(await sitePackagesOf(join(folder, '.venv')))).filter((one) => one.startsWith('wk')),
    BOTH,
  );
  const stranger = await machine(url, { PIPENV_PYPI_MIRROR: `${url}/simple/` });
  await mkdir(join(stranger.home, 'project'));
  const failed = stranger.run(pipenv.path, ['install', 'wk-app'], join(stranger.home, 'project'));
  await assert.rejects(failed, /401|Unauthorized|wk-app/);
});

/** A `keyring` on the PATH that knows the one password, and answers in both of the ways in which it is asked. */
async function withKeyring({ home }: Machine): Promise<string> {
  const folder = join(home, 'bin');
  await mkdir(folder);
  const found = JSON.stringify({ username: USER, password: PASSWORD });
  const answers = `case "$1" in --mode=creds) echo '${found}' ;; get) [ "$3" = ${USER} ] && echo '${PASSWORD}' ;; esac`;
  await writeFile(join(folder, 'keyring'), `#!/bin/sh\n${answers}\n`);
  await chmod(join(folder, 'keyring'), 0o755);
  return folder;
}

test('pip and uv take the password from a keyring when the address has the name', { skip: uv.skip }, async (t) => {
  const { url, machine } = await guardedWorld(t);
  const address = url.replace('://', `://${USER}@`);
  const python = pythonOf('WHEELKEEP_TEST_PIP').path;
  const first = await machine(address);
  const path = { PATH: `${await withKeyring(first)}${delimiter}${process.env.PATH}` };
  const pip = await machine(address, { ...path, PIP_KEYRING_PROVIDER: 'subprocess' });
  const target = join(pip.home, 'target');
  await pip.run(python, ['-m', 'pip', 'install', '--quiet', '--target', target, 'wk-app']);
  assert.deepEqual(await installed(target), BOTH);
  const other = await machine(address, { ...path, UV_KEYRING_PROVIDER: 'subprocess' });
  const environment = join(other.home, 'venv');
  await other.run(uv.path, ['venv', environment]);
  await other.run(uv.path, ['pip', 'install', '--python', environment, 'wk-app']);
  assert.deepEqual(await installed(await sitePackagesOf(environment)), BOTH);
});

test('uv takes them from netrc', { skip: uv.skip }, async (t) => {
  const { url, machine } = await guardedWorld(t);
  const { home, run } = await machine(url);
  await writeFile(join(home, '.netrc'), `machine 127.0.0.1 login ${USER} password ${PASSWORD}\n`, { mode: 0o600 });
  const target = join(home, 'target');
  await run(uv.path, ['pip', 'install', '--target', target, 'wk-app']);
  assert.deepEqual(await installed(target), BOTH);
});

test('uv takes them from its variables for a named index, and keeps them out of uv.lock', {
  skip: uv.skip,
}, async (t) => {
  const { url, machine } = await guardedWorld(t);
  const known = await machine(url, {
    UV_INDEX_WHEELKEEP_USERNAME: USER,
    UV_INDEX_WHEELKEEP_PASSWORD: PASSWORD,
    UV_NO_CONFIG: '',
  });
  const index = `[[tool.uv.index]]\nname = "wheelkeep"\nurl = "${url}/simple/"\ndefault = true\n`;
  const folder = await project(known, index);
  await known.run('env', ['-u', 'UV_DEFAULT_INDEX', '-u', 'UV_NO_CONFIG', uv.path, 'sync', '--quiet'], folder);
  assert.deepEqual(await installed(await sitePackagesOf(join(folder, '.venv'))), BOTH);
  const lock = await readFile(join(folder, 'uv.lock'), 'utf8');
  assert.ok(lock.includes(`${url}/simple`) && !lock.includes(`${USER}:`), lock);
});
