// `audit_log`: where orders are written down; whether that is possible is found out before the start.

import { appendFile } from 'node:fs/promises';
import type { Problem } from './problems.ts';
import { pathOf, type ReadSettings } from './settings.ts';

/** Undefined without a file, and when `problems` got a line. */
export async function auditLogOf(read: ReadSettings, cwd: string, problems: Problem[]): Promise<string | undefined> {
  const file = pathOf(read, 'auditLog', cwd);
  if (file === undefined) return undefined;
  try {
    await appendFile(file, '', { mode: 0o600 });
    return file;
  } catch (error) {
    const cure = `cannot be written (${(error as NodeJS.ErrnoException).code ?? error}); expected a file in a folder of ours`;
    problems.push({ key: 'audit_log', value: file, source: read.sources.auditLog, cure });
    return undefined;
  }
}
