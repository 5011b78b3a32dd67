// Folders that vanish with the test that made them, or with its process.

import { mkdtempSync, rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';

const NAMES = join(tmpdir(), 'wheelkeep-test-');

const swept = new Set<string>();

export async function temporaryFolder(test: Pick<TestContext, 'after'>): Promise<string> {
  // What a test starts on its folder ends after the folder is removed, for node:test calls back in the order of asking,
  // and may write into it once more.
  const folder = lastingFolder();
  test.after(() => removeFolder(folder));
  return folder;
}

/** A folder that goes away with the process. */
export function lastingFolder(): string {
  if (swept.size === 0) process.once('exit', sweep);
  const folder = mkdtempSync(NAMES);
  swept.add(folder);
  return folder;
}

function sweep(): void {
  for (const folder of swept) rmSync(folder, { recursive: true, force: true });
}

export function makeFolder(): Promise<string> {
  return mkdtemp(NAMES);
}

/** Retries while a process that was just ended still writes into it. */
export function removeFolder(folder: string): Promise<void> {
  return rm(folder, { recursive: true, force: true, maxRetries: 5 });
}
