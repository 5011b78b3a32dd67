// `clients_file`: who may use the server, read and checked before the start.

import { readFile } from 'node:fs/promises';
import { ClientList, UnusableClients } from '../access/client-list.ts';
import type { Config } from './config.ts';
import type { Problem } from './problems.ts';
import { pathOf, type ReadSettings } from './settings.ts';

/** Undefined without a file, and when `problems` got a line. */
export async function clientsOf(read: ReadSettings, cwd: string, problems: Problem[]): Promise<Config['clients']> {
  const file = pathOf(read, 'clientsFile', cwd);
  if (file === undefined) return undefined;
  const refuse = (cure: string) => {
    problems.push({ key: 'clients_file', value: file, source: read.sources.clientsFile, cure });
  };
  try {
    const content = await readFile(file, 'utf8');
    return { file, content, count: new ClientList(content).size };
  } catch (error) {
    if (error instanceof UnusableClients) refuse(error.message);
    else refuse(`cannot be read (${(error as NodeJS.ErrnoException).code ?? error}); expected a file of clients`);
    return undefined;
  }
}
