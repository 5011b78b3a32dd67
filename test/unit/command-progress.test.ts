// What a person or a CI log sees of a long command.

import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { openProgress } from '../../src/commands/progress.ts';
import { bytesText, countText, secondsText } from '../../src/observe/figures.ts';

function stream(isTTY: boolean) {
  return Object.assign(new PassThrough(), { isTTY });
}

test('without a terminal there is a line every five seconds, with rate and time left', () => {
  const lines: string[] = [];
  let now = 0;
  const progress = openProgress(
    'fetching',
    stream(false),
    (line) => lines.push(line),
    () => now,
  );
  progress.grow(4);
  now = 4_000;
  progress.advance(1, 1_000_000);
  assert.deepEqual(lines, []);
  now = 5_000;
  progress.advance(1, 1_000_000);
  progress.end();
  assert.deepEqual(lines, ['fetching: 2 of 4, 2 MB, 400 kB/s, 5.0 s left']);
});

test('on a terminal there is a bar, and no line beside it', () => {
  const terminal = stream(true);
  const lines: string[] = [];
  const progress = openProgress('checking', terminal, (line) => lines.push(line));
  progress.grow(2);
  progress.advance(2, 1_500);
  progress.end();
  const written = String(terminal.read());
  assert.match(written, /checking .* 0\/2/);
  assert.match(written, /checking .* 2\/2, 1\.5 kB/);
  assert.deepEqual(lines, []);
});

test('a command that has nothing to do ends its bar without having begun it', () => {
  const terminal = stream(true);
  openProgress('checking', terminal, assert.fail).end();
  assert.equal(terminal.read(), null);
});

test('quantities are written as people read them', () => {
  assert.deepEqual([0, 999, 999.6, 1_000, 1_254_321, 999_600, 5e12, 5e15].map(bytesText), [
    '0 B',
    '999 B',
    '1 kB',
    '1 kB',
    '1.25 MB',
    '1 MB',
    '5 TB',
    '5000 TB',
  ]);
  assert.deepEqual([0.04, 9.94, 10, 119, 185].map(secondsText), ['0.0 s', '9.9 s', '10 s', '119 s', '3 min 5 s']);
  assert.deepEqual([countText(1, 'file'), countText(0, 'file')], ['1 file', '0 files']);
});
