// What a lock means on one Python: markers, the choice of files, requirements, and what a build says it needs.

import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { buildSystemOf, TELLING_FILES } from '../../src/locks/build-requires.ts';
import { candidates, offerOf } from '../../src/locks/candidates.ts';
import { PIP } from '../../src/locks/installer-rules.ts';
import type { ListedFile } from '../../src/locks/listed-files.ts';
import { ALL_KINDS } from '../../src/locks/lock.ts';
import { holds } from '../../src/locks/marker.ts';
import { readLock } from '../../src/locks/read-lock.ts';
import { parseRequirement } from '../../src/locks/requirement.ts';
import { sdistMembers, UnreadableSdist } from '../../src/locks/sdist-members.ts';
import { bestFile, installedOn, targetOf, versionOf } from '../../src/locks/target.ts';
import { tarGz, zip } from '../support/archives.ts';

const LINUX = {
  os_name: 'posix',
  sys_platform: 'linux',
  platform_machine: 'x86_64',
  platform_python_implementation: 'CPython',
  platform_release: '6.1.0-custom',
  python_version: '3.11',
  python_full_version: '3.11.7',
};
const TARGET = targetOf(LINUX, [
  'cp311-cp311-manylinux_2_17_x86_64',
  'cp311-abi3-manylinux_2_17_x86_64',
  'cp39-abi3-manylinux_2_17_x86_64',
  'cp311-none-any',
  'py3-none-any',
]);

test('markers are read by the grammar of PEP 508; what cannot be decided holds', () => {
  const cases: readonly [string, boolean][] = [
    ['sys_platform == "win32"', false],
    ["'linux' in sys_platform", true],
    ['sys_platform in "linux darwin"', true],
    ['sys_platform not in "linux darwin"', false],
    ['python_version < "3.9"', false],
    ['python_version >= "3.9" and python_version<"3.12"', true],
    ['"3.12" > python_version', true],
    ['python_full_version ~= "3.11.0"', true],
    ['python_version == "3.*"', true],
    ['sys_platform == "win32" or os_name == "posix" and platform_machine != "arm64"', true],
    ['(sys_platform == "win32" or os_name == "posix") and platform_machine == "arm64"', false],
    ['extra == "some_Extra"', true],
    ['extra == "other"', false],
    ['extra == "other" and sys_platform == "linux"', false],
    ["'dev' in dependency_groups", true],
    ['platform_release >= "5"', true],
    ['invented == "x"', true],
    ['sys_platform === ', true],
    ['(sys_platform == "win32"', true],
    ['%', true],
  ];
  for (const [marker, expected] of cases) {
    const extras = new Set(['some-extra']);
    assert.equal(holds(marker, { environment: LINUX, extras }), expected, marker);
  }
  assert.equal(holds('extra == "other"', { environment: LINUX, extras: undefined }), true);
});

test('of one version the wheel whose tag fits best is taken, then the higher build, then the sdist', () => {
  const chosen = (...names: string[]) =>
    bestFile(
      names.map((filename) => ({ filename })),
      TARGET,
    )?.filename;
  const abi3 = 'a-1-cp39-abi3-manylinux2014_x86_64.manylinux_2_17_x86_64.whl';
  assert.equal(chosen('a-1.tar.gz', 'a-1-py3-none-any.whl', abi3), abi3);
  assert.equal(chosen('a-1.tar.gz', 'a-1-py2.py3-none-any.whl'), 'a-1-py2.py3-none-any.whl');
  assert.equal(chosen('a-1-2-py3-none-any.whl', 'a-1-10-py3-none-any.whl'), 'a-1-10-py3-none-any.whl');
  assert.equal(chosen('a-1-cp311-cp311-win_amd64.whl', 'a-1.tar.gz'), 'a-1.tar.gz');
  assert.equal(chosen('a-1-cp311-cp311-win_amd64.whl'), undefined);
});

function listed(filename: string, more: Partial<ListedFile> = {}): ListedFile {
  return {
    filename,
    url: filename,
    hashes: {},
    hasMetadata: false,
    requiresPython: undefined,
    isYanked: false,
    ...more,
  };
}

test('of a project the newest version that fits is taken: not a yanked one, not one for another Python', () => {
  const newest = (files: readonly ListedFile[], ...specifiers: string[]) => {
    const wish = { specifiers, own: specifiers, prereleases: false, hashes: [] };
    return candidates(offerOf(files, TARGET, ALL_KINDS), wish, PIP, TARGET)[0]?.version;
  };
  const page = [
    listed('a-1.9-py3-none-any.whl'),
    listed('a-1.10.tar.gz'),
    listed('a-2.0-py3-none-any.whl', { isYanked: true }),
    listed('a-2.1-py3-none-any.whl', { requiresPython: '>=3.12' }),
    listed('a-2.2-cp311-cp311-win_amd64.whl'),
    listed('a-3.0rc1-py3-none-any.whl'),
  ];
  assert.equal(newest(page), '1.10');
  assert.equal(newest(page, '', '>=1'), '1.10');
  assert.equal(newest(page, '<1.10', '>=1'), '1.9');
  assert.equal(newest(page, '==2.0'), '2.0');
  assert.equal(newest(page, '>2.2'), '3.0rc1');
  assert.equal(newest(page, '>=4'), undefined);
  assert.equal(newest([listed('a-3.0rc1.tar.gz')]), '3.0rc1');
});

test('versions are read from names of wheels and sdists', () => {
  assert.equal(versionOf('a_b-1.0+cu_1-1-py3-none-any.whl'), '1.0+cu.1');
  assert.equal(versionOf('a-b-1.0.post1.tar.gz'), '1.0.post1');
  assert.equal(versionOf('a-b.exe'), undefined);
  assert.equal(versionOf('a-latest.zip'), undefined);
});

test('requirements are read as PEP 508 writes them', () => {
  assert.deepEqual(parseRequirement('Some.Name[One, two_2] (>=1,<2) ; python_version > "3"'), {
    project: 'some-name',
    extras: ['one', 'two-2'],
    specifier: '>=1,<2',
    marker: 'python_version > "3"',
  });
  assert.deepEqual(parseRequirement('plain'), { project: 'plain', extras: [], specifier: '', marker: undefined });
  assert.equal(parseRequirement('name @ https://files.example/name.whl'), undefined);
  assert.equal(parseRequirement(''), undefined);
});

test('a tar member whose size is no octal number ends the reading of its archive', async () => {
  for (const size of ['-0000001000', '-1', '0x10', '1e3', '99999999999', '12 34', '\x80\0\0\x01']) {
    const tar = gunzipSync(tarGz([{ path: 'a-1/setup.py', bytes: Buffer.from('x') }]));
    tar.fill(0, 124, 136).write(size, 124, 'latin1');
    await assert.rejects(
      sdistMembers('a-1.tar.gz', Readable.from([gzipSync(tar)]), () => false),
      UnreadableSdist,
      size,
    );
  }
});

test('a source distribution tells what its build requires, and says setuptools by saying nothing', async () => {
  const archive = (...members: readonly [string, string][]) =>
    tarGz(members.map(([path, content]) => ({ path, bytes: Buffer.from(content) })));
  const filler: [string, string] = ['a-1/data', 'x'.repeat(100_000)];
  const asked = archive(
    filler,
    ['a-1/sub/pyproject.toml', 'x'],
    ['a-1/pyproject.toml', '[build-system]\nrequires = ["b"]'],
  );
  const system = async (bytes: Buffer, filename = 'a-1.tar.gz') => {
    const halves = Readable.from([bytes.subarray(0, 300), bytes.subarray(300)]);
    return buildSystemOf(await sdistMembers(filename, halves, (path) => TELLING_FILES.has(path)));
  };
  assert.deepEqual((await system(asked))?.requires, ['b']);
  const silent = archive(['a-1/pyproject.toml', '[project]\nname = "a"']);
  for (const one of [silent, archive(['a-1/setup.py', ''])]) {
    assert.deepEqual(await system(one), {
      requires: ['setuptools>=40.8.0'],
      backend: 'setuptools.build_meta',
      backendPath: [],
    });
  }
  assert.equal(await system(archive(['a-1/pyproject.toml', '[['])), undefined);
  const zipped = zip([{ path: 'a-1/pyproject.toml', bytes: Buffer.from('[build-system]\nrequires = ["z"]') }]);
  assert.deepEqual((await system(zipped, 'a-1.zip'))?.requires, ['z']);
  for (const broken of [Buffer.from('PK'), gzipSync('x').subarray(0, 15)]) {
    await assert.rejects(system(broken), UnreadableSdist);
    await assert.rejects(system(broken, 'a-1.zip'), UnreadableSdist);
  }
});

test('of a uv.lock is installed what dependencies lead to whose markers hold', () => {
  const registry = 'source = { registry = "https://index.example/simple/" }';
  const file = (name: string) =>
    `wheels = [{ url = "https://files.example/${name}-1-py3-none-any.whl", hash = "sha256:00" }]`;
  const entry = (name: string, ...more: string[]) =>
    ['[[package]]', `name = "${name}"`, 'version = "1"', registry, file(name), ...more].join('\n');
  const content = [
    'version = 1',
    '[[package]]\nname = "app"\nversion = "0"\nsource = { editable = "." }',
    `dependencies = [{ name = "a" }, { name = "w", marker = "sys_platform == 'win32'" }]`,
    '[package.dev-dependencies]\ndev = [{ name = "d" }]',
    entry('a', `dependencies = [{ name = "b", marker = "python_version >= '3.9'" }]`),
    entry('b', 'dependencies = [{ name = "a" }]'),
    entry('d'),
    entry('w', 'dependencies = [{ name = "x" }]'),
    entry('x'),
  ].join('\n');
  const lock = readLock('uv.lock', content);
  const names = (target: typeof TARGET | undefined) =>
    [...installedOn(target, lock)].map(({ project }) => project).sort();
  assert.deepEqual(names(TARGET), ['a', 'b', 'd']);
  assert.deepEqual(names(undefined), ['a', 'b', 'd', 'w', 'x']);
  assert.deepEqual(names(targetOf({ ...LINUX, sys_platform: 'win32' }, [])), ['a', 'b', 'd', 'w', 'x']);
});

test('in other locks the marker of a version decides', () => {
  const files = 'files = [{file = "a-1-py3-none-any.whl", hash = "sha256:00"}]';
  const names = (filename: string, content: string) =>
    [...installedOn(TARGET, readLock(filename, content))].map(({ project }) => project);
  const poetry = (markers: string) =>
    `[[package]]\nname = "a"\nversion = "1"\n${markers}\n${files}\n[metadata]\nlock-version = "2.1"`;
  assert.deepEqual(names('poetry.lock', poetry(`markers = "sys_platform == 'win32'"`)), []);
  assert.deepEqual(names('poetry.lock', poetry(`markers = {main = "os_name == 'nt'", dev = "os_name == 'posix'"}`)), [
    'a',
  ]);
  assert.deepEqual(names('pdm.lock', poetry(`marker = "sys_platform == 'win32'"`)), []);
  const pipfile = {
    _meta: {},
    default: { a: { version: '==1', hashes: ['sha256:00'], markers: "python_version < '3'" } },
  };
  assert.deepEqual(names('Pipfile.lock', JSON.stringify(pipfile)), []);
  const wheels = '[[packages.wheels]]\nurl = "https://files.example/a-1-py3-none-any.whl"\nhashes = {sha256 = "00"}';
  const pylock = `lock-version = "1.0"\n[[packages]]\nname = "a"\nversion = "1"\nmarker = "sys_platform == 'linux'"\n${wheels}`;
  assert.deepEqual(names('pylock.toml', pylock), ['a']);
});
