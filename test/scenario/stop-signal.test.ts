// The first signal asks for an orderly end, the second is obeyed at once.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';

const MODULE = new URL('../../src/commands/stop-signal.ts', import.meta.url).href;
/** A program that never finishes what it does. */
const BUSY = `
import { stopSignal } from '${MODULE}';
setInterval(() => {}, 1000);
const stop = stopSignal();
console.log('running');
console.log(await stop);
`;

test('the first signal is told by name and ends nothing, the second ends with 128 and its number', async () => {
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', BUSY];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const nextLine = async () => String((await once(child.stdout, 'data'))[0]).trim();
  assert.equal(await nextLine(), 'running');
  child.kill('SIGTERM');
  assert.equal(await nextLine(), 'SIGTERM');
  assert.equal(child.exitCode, null);
  child.kill('SIGINT');
  const [code] = await once(child, 'exit');
  assert.equal(code, 130);
});
