// Plays the demo to its end and reads what it prints.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { temporaryFolder } from '../support/disk/temporary-folder.ts';

const DEMO = fileURLToPath(new URL('./demo.ts', import.meta.url));
/** It takes 5 to 15 s; other tests run beside it here. */
const DEMO_LIMIT_MS = 60_000;

/** It installs, survives the loss of the index, heals a damaged file and cleans up. */
export async function playsWhole(t: TestContext, ...flags: string[]): Promise<void> {
  const folder = await temporaryFolder(t);
  const env = { ...process.env, TMPDIR: folder };
  const { stdout } = await promisify(execFile)(process.execPath, [DEMO, ...flags], { env, timeout: DEMO_LIMIT_MS });
  const installs = stdout.match(/installed demo_app 1\.0, demo_lib 2\.1 in [\d.]+ s; requests to the index: \d+/g);
  assert.equal(installs?.length, 3, stdout);
  assert.match(installs[0]!, /index: [1-9]/);
  assert.match(installs[1]!, /index: 0$/);
  assert.match(stdout, /Asking for it: 502/);
  assert.match(stdout, /damaged files noticed 1, wrong bytes served 0/);
  assert.deepEqual(await readdir(folder), [], 'nothing is left behind');
}
