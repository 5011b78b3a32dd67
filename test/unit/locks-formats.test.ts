// Lock files of every format, as their tools write them for one and the same small project: all say the same.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import type { Lock } from '../../src/locks/lock.ts';
import { readLock } from '../../src/locks/read-lock.ts';

const ALPHA = 'sha256:4c64d35eed6124297a54fb92555f8fb6e4080a66fc807db5bd401d7c1c97cca9';
const ALPHA_SDIST = 'sha256:762ba65c9caba747ee928e59af1243f20337dd60bee8b3101e1835ce4ad57e62';
const BETA = 'sha256:7e8ede25dbab73c721c39f4ccadf0a107e3778e88f2215379e1551e8241c4540';
const GAMMA = 'sha256:cd55ef6f34465699db45dba22d25e72160f1fa911984dd5e0dacc0733b6ccad3';

const URL_OF_BETA =
  'https://files.example/packages/7e/8e/de25dbab73c721c39f4ccadf0a107e3778e88f2215379e1551e8241c4540/beta_lib-2.1-py3-none-any.whl';

async function fixture(name: string): Promise<Lock> {
  return readLock(name, await readFile(new URL(`../fixtures/locks/${name}`, import.meta.url), 'utf8'));
}

/** `project version hashes…` of every version, in order. */
function summary({ versions }: Lock): string[] {
  return versions
    .map(({ project, version, files }) => [project, version, ...files.flatMap(({ hashes }) => hashes).sort()].join(' '))
    .sort();
}

const EXPECTED = [`alpha 1.0 ${ALPHA} ${ALPHA_SDIST}`, `beta-lib 2.1 ${BETA}`, `gamma 0.3 ${GAMMA}`];

for (const name of [
  'uv.lock',
  'pylock.toml',
  'poetry.lock',
  'pdm.lock',
  'Pipfile.lock',
  'requirements.txt',
  'bom.cdx.json',
  'list.spdx.json',
]) {
  test(`${name} gives every project with its version and the hashes of its files`, async () => {
    assert.deepEqual(summary(await fixture(name)), EXPECTED);
  });
}

for (const name of ['uv.lock', 'pylock.toml', 'poetry.lock', 'pdm.lock', 'bom.cdx.json']) {
  test(`${name} gives the names of the files`, async () => {
    const { versions } = await fixture(name);
    const names = versions.flatMap(({ files }) => files.map(({ filename }) => filename)).sort();
    const expected = ['alpha-1.0-py3-none-any.whl', 'alpha-1.0.tar.gz', 'beta_lib-2.1-py3-none-any.whl'];
    assert.deepEqual(names, [...expected, 'gamma-0.3.tar.gz']);
  });
}

for (const name of ['uv.lock', 'pylock.toml', 'pdm.lock', 'bom.cdx.json', 'list.spdx.json']) {
  test(`${name} gives the URL of a file where it has one`, async () => {
    const { versions } = await fixture(name);
    assert.equal(versions.find(({ project }) => project === 'beta-lib')?.files[0]?.url, URL_OF_BETA);
  });
}

for (const name of ['pdm.lock', 'Pipfile.lock']) {
  test(`${name} tells what comes from a repository instead of an index`, async () => {
    assert.deepEqual((await fixture(name)).elsewhere, ['delta: from git']);
  });
}

test('the project that a uv.lock belongs to is nothing that anybody would fetch', async () => {
  const { versions, elsewhere } = await fixture('uv.lock');
  assert.equal(
    versions.some(({ project }) => project === 'app'),
    false,
  );
  assert.deepEqual(elsewhere, []);
});
