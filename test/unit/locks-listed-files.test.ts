// From what a lock names to the files on a page.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ListedFile, meantFiles } from '../../src/locks/listed-files.ts';
import { lockedFile, lockedVersion } from '../../src/locks/lock.ts';

const A = 'aa'.repeat(32);
const B = 'bb'.repeat(32);

function listed(filename: string, hashes: Readonly<Record<string, string>> = {}): ListedFile {
  const url = `http://proxy.example/files/https/files.example/${filename}`;
  return { filename, url, hashes, hasMetadata: false, requiresPython: undefined, isYanked: false };
}

/** The names of the files that are meant, or the problems with them. */
function meant(version: string, files: Parameters<typeof lockedFile>[0][], page: readonly ListedFile[]): string[] {
  const locked = lockedVersion('demo', version, files.map(lockedFile));
  return meantFiles(locked, page).map((one) => (one.kind === 'listed' ? one.file.filename : one.problem));
}

test('a bare version means all files of it, however it is written, and of no other', () => {
  const page = [
    listed('demo-1.0-py3-none-any.whl'),
    listed('demo-1.0.0.tar.gz'),
    listed('demo-1.0.zip'),
    listed('demo-1.0.1.tar.gz'),
    listed('demo-1.0+local.1-py3-none-any.whl'),
    listed('demo-11.0.tar.gz'),
  ];
  assert.deepEqual(meant('1.0', [], page), ['demo-1.0-py3-none-any.whl', 'demo-1.0.0.tar.gz', 'demo-1.0.zip']);
  assert.deepEqual(meant('1.0+local.1', [], page), ['demo-1.0+local.1-py3-none-any.whl']);
  assert.deepEqual(meant('2.0', [], page), ['the page lists no such version']);
});

test('a legacy version that no rule can read is compared as text', () => {
  assert.deepEqual(meant('2004d', [], [listed('demo-2004d.tar.gz'), listed('demo-2004e.tar.gz')]), [
    'demo-2004d.tar.gz',
  ]);
});

test('of two files of one name the one with the right hash is meant', () => {
  const page = [listed('demo-1.zip', { sha256: A }), listed('demo-1.zip', { sha256: B.toUpperCase() })];
  const locked = lockedVersion('demo', '1', [lockedFile({ filename: 'demo-1.zip', hashes: [`sha256:${B}`] })]);
  const [one] = meantFiles(locked, page);
  assert.ok(one?.kind === 'listed' && one.file === page[1]);
});

test('a page that gives no hash by the algorithm of the lock does not speak against the file', () => {
  const files = [{ filename: 'demo-1.zip', hashes: [`sha512:${A}${A}`] }];
  assert.deepEqual(meant('1', files, [listed('demo-1.zip', { sha256: B })]), ['demo-1.zip']);
  assert.deepEqual(meant('1', files, [listed('demo-1.zip')]), ['demo-1.zip']);
});

test('a hash alone finds its file by any algorithm that both name', () => {
  const page = [listed('demo-1.zip', { sha256: A, md5: 'cc' }), listed('demo-1.tar.gz', { sha256: B })];
  assert.deepEqual(meant('1', [{ hashes: [`sha256:${B}`] }, { hashes: ['md5:CC'] }], page), [
    'demo-1.tar.gz',
    'demo-1.zip',
  ]);
  assert.deepEqual(meant('1', [{ hashes: ['sha256:00'] }], page), ['the page lists no file with this hash']);
});
