// Folders that vanish with the test that made them.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

export async function temporaryFolder(test: Pick<TestContext, 'after'>): Promise<string> {
  const folder = await makeFolder();
  test.after(() => removeFolder(folder));
  return folder;
}

export function makeFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'wheelkeep-test-'));
}

/** Retries while a process that was just ended still writes into it. */
export function removeFolder(folder: string): Promise<void> {
  return rm(folder, { recursive: true, force: true, maxRetries: 5 });
}
