// Which versions pip and uv try, and in what they differ.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { candidates, offerOf } from '../../src/locks/candidates.ts';
import { type InstallerRules, PIP, UV } from '../../src/locks/installer-rules.ts';
import type { ListedFile } from '../../src/locks/listed-files.ts';
import { ALL_KINDS, type FileKinds } from '../../src/locks/lock.ts';
import { parseRequirements } from '../../src/locks/requirements.ts';
import { meets } from '../../src/locks/specifier.ts';
import { targetOf } from '../../src/locks/target.ts';

const TARGET = targetOf({ python_full_version: '3.11.7' }, [
  'cp311-cp311-manylinux_2_17_x86_64',
  'cp311-none-any',
  'py3-none-any',
]);

function listed(filename: string, more: Partial<ListedFile> = {}): ListedFile {
  const plain = {
    url: filename,
    hashes: { sha256: filename },
    hasMetadata: false,
    requiresPython: undefined,
    isYanked: false,
  };
  return { filename, ...plain, ...more };
}

interface Asked {
  readonly specifiers?: readonly string[];
  readonly own?: readonly string[];
  readonly hashes?: readonly string[];
  readonly kinds?: FileKinds;
  readonly prereleases?: boolean;
}

function tried(files: readonly ListedFile[], rules: InstallerRules, asked: Asked = {}): string[] {
  const { own = [], specifiers = own, hashes = [], kinds = ALL_KINDS, prereleases = false } = asked;
  const wish = { specifiers, own, hashes, prereleases };
  return candidates(offerOf(files, TARGET, kinds), wish, rules, TARGET).map(({ file }) => file.filename);
}

test('specifiers are read as PEP 440 reads them, also at the borders', () => {
  const cases: readonly [string, string, boolean][] = [
    ['2.0a1', '<2.0', false],
    ['2.0b1', '<2.0b2', true],
    ['2.0.post1', '>2.0', false],
    ['2.0.post2', '>2.0.post1', true],
    ['2.0', '>2.0a1', true],
    ['2.0+x', '>2.0', false],
    ['1.0+x', '==1.0', true],
    ['1.5', '~=1.4, !=1.6,', true],
    ['1.0', '', true],
  ];
  for (const [version, specifier, expected] of cases) {
    assert.equal(meets(version, specifier), expected, `${version} ${specifier}`);
  }
});

test('pre-releases: pip takes them where nothing else will do, uv where there is nothing else or the user names one', () => {
  const page = [listed('a-1.0.tar.gz'), listed('a-2.0a1.tar.gz')];
  assert.deepEqual(tried(page, PIP), ['a-1.0.tar.gz']);
  assert.deepEqual(tried(page, PIP, { specifiers: ['>=1.5'] }), ['a-2.0a1.tar.gz']);
  assert.deepEqual(tried(page, UV, { specifiers: ['>=1.5'] }), []);
  assert.deepEqual(tried(page, PIP, { specifiers: ['>=1.5a1'] }), ['a-2.0a1.tar.gz']);
  assert.deepEqual(tried(page, UV, { specifiers: ['>=1.5a1'] }), []);
  assert.deepEqual(tried(page, UV, { own: ['>=1.5a1'] }), ['a-2.0a1.tar.gz']);
  assert.deepEqual(tried(page, UV, { prereleases: true }), ['a-2.0a1.tar.gz', 'a-1.0.tar.gz']);
  assert.deepEqual(tried(page.slice(1), UV), ['a-2.0a1.tar.gz']);
});

test('yanked files: pip takes them for any pin, uv for a pin of the user', () => {
  const page = [listed('a-1.0.tar.gz'), listed('a-2.0.tar.gz', { isYanked: true })];
  for (const rules of [PIP, UV]) {
    assert.deepEqual(tried(page, rules), ['a-1.0.tar.gz']);
    assert.deepEqual(tried(page, rules, { own: ['==2.0'] }), ['a-2.0.tar.gz']);
    assert.deepEqual(tried(page, rules, { own: ['==2.*'] }), []);
  }
  assert.deepEqual(tried(page, PIP, { specifiers: ['==2.0'] }), ['a-2.0.tar.gz']);
  assert.deepEqual(tried(page, UV, { specifiers: ['==2.0'] }), []);
});

test('of what fits, files for another Python and of kinds that are not wanted are left out', () => {
  const page = [
    listed('a-1.0-py3-none-any.whl'),
    listed('a-1.0.tar.gz'),
    listed('a-2.0-py3-none-any.whl', { requiresPython: '>=3.12' }),
    listed('a-3.0.zip'),
  ];
  assert.deepEqual(tried(page, PIP), ['a-3.0.zip', 'a-1.0-py3-none-any.whl']);
  assert.deepEqual(tried(page, PIP, { kinds: { wheels: false, sources: true } }), ['a-3.0.zip', 'a-1.0.tar.gz']);
  assert.deepEqual(tried(page, PIP, { kinds: { wheels: true, sources: false } }), ['a-1.0-py3-none-any.whl']);
});

test('a file with one of the hashes goes before a better one with another', () => {
  const page = [listed('a-1.0-py3-none-any.whl'), listed('a-1.0.tar.gz')];
  for (const rules of [PIP, UV])
    assert.deepEqual(tried(page, rules, { hashes: ['sha256:a-1.0.tar.gz'] }), ['a-1.0.tar.gz']);
});

test('uv reads what a source distribution requires of the nearest wheel for elsewhere, pip of itself', () => {
  const page = [
    'a-1-cp39-cp39-win32.whl',
    'a-1-cp311-cp311-win32.whl',
    'a-1-cp311-cp311-macosx_11_0_arm64.whl',
    'a-1.tar.gz',
  ];
  const telling = (rules: InstallerRules) => {
    const wish = { specifiers: [], own: [], hashes: [], prereleases: false };
    const offer = offerOf(
      page.map((name) => listed(name)),
      TARGET,
      ALL_KINDS,
    );
    return candidates(offer, wish, rules, TARGET).map((one) => [one.file.filename, one.telling.filename]);
  };
  assert.deepEqual(telling(UV), [['a-1.tar.gz', 'a-1-cp311-cp311-win32.whl']]);
  assert.deepEqual(telling(PIP), [['a-1.tar.gz', 'a-1.tar.gz']]);
});

test('options of a requirements file say which kinds of files count', () => {
  const of = (content: string) => parseRequirements(content).resolving!;
  const kinds = (content: string, name: string) => {
    const { wheels, sources } = of(content).kindsOf(name as Parameters<ReturnType<typeof of>['kindsOf']>[0]);
    return `${wheels ? 'wheels ' : ''}${sources ? 'sources' : ''}`.trim();
  };
  assert.equal(kinds('a==1', 'a'), 'wheels sources');
  assert.equal(kinds('--no-binary A,b\na==1', 'a'), 'sources');
  assert.equal(kinds('--only-binary=:all:\n--no-binary a', 'a'), 'sources');
  assert.equal(kinds('--only-binary=:all:\n--no-binary a', 'b'), 'wheels');
  assert.equal(kinds('--no-binary a\n--no-binary :none:', 'a'), 'wheels sources');
  assert.equal(of('--pre\na==1').prereleases, true);
  assert.equal(of('a==1').requiresHashes, false);
  assert.equal(of('a==1 --hash=sha256:00\nb==1').requiresHashes, true);
});
