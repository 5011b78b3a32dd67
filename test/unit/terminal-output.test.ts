// What others write reaches terminals and the logs of CI systems as text and as nothing else, on its line.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { outJson, terminalOutput } from '../../src/commands/command-line.ts';
import { harmlessLine, presentable } from '../../src/observe/redact.ts';

function printed(print: (terminal: ReturnType<typeof terminalOutput>) => void): { out: string; error: string } {
  const streams = { out: '', error: '' };
  print(
    terminalOutput({
      out: (text) => {
        streams.out += text;
      },
      error: (text) => {
        streams.error += text;
      },
    }),
  );
  return streams;
}

const HOSTILE = [
  '\u001b[2J\u001b]0;title\u0007',
  '\u009b31mred',
  'one\r::set-output name=x::y',
  'one\n::error::forged',
  '::set-output name=x::y',
  '  ::warning::x',
  '##[set-env name=PATH]/tmp',
  'x ##vso[task.setvariable variable=x]y',
  '##teamcity[buildStatus]',
  '####[group]x',
  '\u202egpj.exe',
  'a\u2028b\u2029c\u0085d',
  '\u2066\u2069\u200f\u061c\ufeff',
  'tab\there, back\bspace, \u007f',
];

/** Nothing in a line steers a terminal or a CI system. */
function assertHarmless(line: string): void {
  assert.doesNotMatch(line, /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/);
  assert.doesNotMatch(line, /##(?:\[|[a-z]+\[)/i);
  assert.doesNotMatch(line, /^\s*::/);
}

test('a line stays one line, and what is in it is shown instead of obeyed', () => {
  for (const text of HOSTILE) {
    for (const line of [text, `    yanked: ${text}`]) {
      const { out, error } = printed((terminal) => {
        terminal.out(line);
        terminal.error(line);
      });
      assert.equal(out.split('\n').length, 2, JSON.stringify(text));
      assertHarmless(out.slice(0, -1));
      for (const one of error.trimEnd().split('\n')) {
        assert.ok(one.startsWith('wheelkeep: '));
        assertHarmless(one);
      }
    }
  }
});

test('whatever the text, its line is harmless, and plain text is left as it is', () => {
  const text = fc.array(
    fc.oneof(fc.constantFrom(...HOSTILE, '#', '[', ':', 'vso', ' '), fc.string({ unit: 'grapheme' })),
  );
  fc.assert(
    fc.property(text, (parts) => {
      assertHarmless(harmlessLine(parts.join('')));
      assertHarmless(presentable(parts.join('')));
    }),
  );
  const plain = 'numpy-2.1.0.tar.gz: “größer” # 1 [x] a::b #[x] C:\\x 数';
  assert.equal(harmlessLine(plain), plain);
});

test('JSON is the same JSON', () => {
  for (const text of HOSTILE) {
    const { out } = printed((terminal) => outJson(terminal, { [text]: [text, `\\${text}`] }));
    assert.deepEqual(JSON.parse(out), { [text]: [text, `\\${text}`] });
    for (const line of out.trimEnd().split('\n')) assertHarmless(line);
  }
});
