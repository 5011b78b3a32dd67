// What single formats allow beside the plain case, and files that are none of them.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pythonPackage } from '../../src/locks/bill-of-materials.ts';
import { UnreadableLock } from '../../src/locks/lock.ts';
import { readLock } from '../../src/locks/read-lock.ts';

const HEX = 'ab'.repeat(32);

function requirements(...lines: readonly string[]) {
  return readLock('requirements.txt', `${lines.join('\n')}\n`);
}

test('requirements: markers, extras, comments, options and joined lines do not hide the pin', () => {
  const { versions, elsewhere } = requirements(
    '--index-url https://index.example/simple/',
    '# a comment',
    'Some.Project[extra1,extra2] == 1.0+local ; python_version >= "3.11" \\',
    `    --hash=sha256:${HEX.toUpperCase()}  # why`,
    'other===2',
  );
  assert.deepEqual(versions, [
    {
      project: 'some-project',
      version: '1.0+local',
      files: [{ filename: undefined, url: undefined, hashes: [`sha256:${HEX}`] }],
      marker: 'python_version >= "3.11"',
      extras: ['extra1', 'extra2'],
    },
    { project: 'other', version: '2', files: [] },
  ]);
  assert.deepEqual(elsewhere, []);
});

test('requirements: what comes from elsewhere is told, and so is an included file', () => {
  const { versions, elsewhere } = requirements(
    '-r base.txt',
    '-e ./library',
    'direct @ https://files.example/direct-1.0.tar.gz',
    './local.whl',
    'git+https://code.example/project.git',
  );
  assert.deepEqual(versions, []);
  assert.equal(elsewhere.length, 5);
  assert.match(elsewhere[0]!, /base\.txt: is included; name that file, too/);
});

for (const line of ['alpha', 'alpha>=1', 'alpha==1.*', 'alpha==1,>0']) {
  test(`requirements: ${line} is refused with its line and a cure`, () => {
    assert.throws(
      () => requirements('beta==1', line),
      (error) =>
        error instanceof UnreadableLock && error.message.startsWith('line 2: ') && error.message.includes('uv pip'),
    );
  });
}

test('poetry.lock of Poetry 1.0 keeps its files apart from its packages', () => {
  const { versions } = readLock(
    'poetry.lock',
    `[[package]]
name = "alpha"
version = "1.0"
[metadata]
content-hash = "x"
[metadata.files]
alpha = [{file = "alpha-1.0.tar.gz", hash = "sha256:${HEX}"}]
`,
  );
  assert.equal(versions[0]?.files[0]?.filename, 'alpha-1.0.tar.gz');
});

test('poetry.lock: a repository, a folder and a direct URL are not from an index', () => {
  const sources = ['git', 'directory', 'url'].map(
    (type) => `[[package]]\nname = "x-${type}"\nversion = "1"\nfiles = []\n[package.source]\ntype = "${type}"\n`,
  );
  const { versions, elsewhere } = readLock('poetry.lock', `${sources.join('')}[metadata]\nlock-version = "2.1"\n`);
  assert.deepEqual(versions, []);
  assert.deepEqual(elsewhere, ['x-git: from git', 'x-directory: from directory', 'x-url: from url']);
});

test('a package URL names one file where it says so; those of other ecosystems are none', () => {
  assert.deepEqual(pythonPackage('pkg:pypi/a%2Eb@1.0%2Blocal?file_name=a.b-1.0.zip#x'), {
    name: 'a.b',
    version: '1.0+local',
    filename: 'a.b-1.0.zip',
  });
  assert.equal(pythonPackage('pkg:npm/left@1'), undefined);
  assert.equal(pythonPackage('pkg:pypi/unversioned'), undefined);
  assert.equal(pythonPackage('pkg:pypi/%zz@1'), undefined);
});

test('a list of materials that names versions only leaves the files open', () => {
  const list = {
    bomFormat: 'CycloneDX',
    components: [{ purl: 'pkg:pypi/a@1', components: [{ purl: 'pkg:pypi/b@2' }] }],
  };
  const { versions } = readLock('sbom.json', JSON.stringify(list));
  assert.deepEqual(versions, [
    { project: 'a', version: '1', files: [] },
    { project: 'b', version: '2', files: [] },
  ]);
});

for (const [name, content, problem] of [
  ['uv.lock', 'version = 1\n[[package', /no valid TOML: line 2/],
  ['Pipfile.lock', '{"_meta": ', /no valid JSON/],
  ['pyproject.toml', '[project]\nname = "x"\n', /none of the lock files/],
  ['package-lock.json', '{"packages": {}}', /none of the lock files/],
  ['uv.lock', 'version = 1\n[[package]]\nname = "a b"\nsource = { registry = "x" }\nsdist = { url = "u" }', /"a b"/],
] as const) {
  test(`${name} with ${JSON.stringify(content.slice(0, 20))} is refused in one sentence`, () => {
    assert.throws(
      () => readLock(name, content),
      (error) => error instanceof UnreadableLock && problem.test(error.message),
    );
  });
}
