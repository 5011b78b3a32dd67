// Several processes write their log into one pipe whose reader is slow, or into one file: every line is whole all the same.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

const MODULE = new URL('../../src/observe/log.ts', import.meta.url).href;
const LINES = 2_000;
/** Writes lines in bursts, as a busy worker does, and what is left at its end. */
const WRITER = `
import { openSharedSink } from '${MODULE}';
const sink = openSharedSink(1);
process.on('exit', () => sink.flush());
for (let i = 0; i < ${LINES}; i++) {
  sink.write(\`\${process.env.NAME} \${i} \${'x'.repeat(100 + (i * 37) % 400)} end\\n\`);
  if (i % 200 === 0) await new Promise(setImmediate);
}
`;

const NAMES = ['a', 'b', 'c'];
const PROGRAM = '"$NODE" --disable-warning=ExperimentalWarning --input-type=module --eval "$WRITER"';
const ALL = `{ ${NAMES.map((name) => `NAME=${name} ${PROGRAM} &`).join(' ')} wait; }`;

function shell(script: string) {
  return spawn('/bin/sh', ['-c', script], {
    env: { NODE: process.execPath, WRITER },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

function assertWhole(text: string): void {
  const lines = text.split('\n').slice(0, -1);
  assert.deepEqual(
    lines.filter((line) => !/^[abc] \d+ x{100,499} end$/.test(line)),
    [],
  );
  for (const name of NAMES) {
    const numbers = lines.filter((line) => line.startsWith(name)).map((line) => Number(line.split(' ')[1]));
    assert.deepEqual(numbers, [...new Array(LINES).keys()], `the lines of ${name}, all and in order`);
  }
}

test('lines of several processes never run into one another in a pipe', async () => {
  // What Node makes for a child is a pair of sockets; a log usually goes into a pipe.
  const { stdout } = shell(`${ALL} | cat`);
  let text = '';
  for await (const chunk of stdout.setEncoding('utf8')) {
    text += chunk;
    await sleep(1);
  }
  assertWhole(text);
});

test('nor in a file', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'wheelkeep-shared-sink-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'log');
  await once(shell(`${ALL} > '${file}'`), 'close');
  assertWhole(readFileSync(file, 'utf8'));
});
