// `audit_log`: where orders are written down; whether that is possible is found out before the start.

import { access, constants } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Problem } from './problems.ts';
import { pathOf, type ReadSettings } from './settings.ts';

/** Undefined without a file, and when `problems` got a line. Makes no file: the user who checks may be another one than the server's. */
export async function auditLogOf(read: ReadSettings, cwd: string, problems: Problem[]): Promise<string | undefined> {
  const file = pathOf(read, 'auditLog', cwd);
  if (file === undefined) return undefined;
  try {
    await access(file, constants.W_OK).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
      return access(dirname(file), constants.W_OK);
    });
    return file;
  } catch (error) {
    const cure = `cannot be written (${(error as NodeJS.ErrnoException).code ?? error}); expected a file in a folder of ours`;
    problems.push({ key: 'audit_log', value: file, source: read.sources.auditLog, cure });
    return undefined;
  }
}
