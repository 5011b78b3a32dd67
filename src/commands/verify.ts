// `wheelkeep verify`: reads all stored bodies back, hashes them, and removes those that are not what they should be.

import { constants } from 'node:os';
import { Command } from 'commander';
import { BLOB_KINDS, BlobFolders, shards } from '../cache/blob-folders.ts';
import type { BlobKind } from '../cache/blob-index.ts';
import { loadConfig } from '../config/load.ts';
import { ConfigurationError } from '../config/problems.ts';
import { bytesText, countText } from '../observe/figures.ts';
import { configInput, type ExitCode, FAILED, type Terminal, WRONG_USAGE, withConfigFlags } from './command-line.ts';
import { stopSignal } from './stop-signal.ts';

const EXAMPLES = `
Safe beside a running server: it fetches again what was removed when somebody asks for it, so run verify while the
index can be reached; in an outage --keep only tells. (What is wrong is never served in either case.)

Examples:
  $ wheelkeep verify
  $ wheelkeep verify --keep --json

Exit codes: 0 all bodies are right, 1 some were wrong (listed) or a folder cannot be read, 2 the command line or the
configuration is wrong, 130 stopped by Ctrl-C.`;

/** One body that is not what it should be: a file by its sha256, a page by the name it is stored under. */
interface Wrong {
  readonly kind: BlobKind;
  readonly name: string;
}

export function verifyCommand(terminal: Terminal, exitCode: ExitCode): Command {
  return withConfigFlags(new Command('verify'), ['config', 'dataDir'])
    .description('hash everything that is stored, and remove what is wrong')
    .option('--keep', 'remove nothing, only tell')
    .option('--json', 'print the result as JSON')
    .addHelpText('after', EXAMPLES)
    .action(async (given: Record<string, unknown>) => {
      try {
        const { config } = await loadConfig(configInput(terminal, given), { notes: false });
        exitCode.value = await verify(terminal, config.dataDir, {
          keep: given.keep === true,
          json: given.json === true,
        });
      } catch (error) {
        if (error instanceof ConfigurationError) {
          terminal.error(error.message);
          exitCode.value = WRONG_USAGE;
          return;
        }
        const { code, path } = error as NodeJS.ErrnoException;
        if (code === undefined || path === undefined) throw error;
        terminal.error(`${path} cannot be read (${code}); run as the user that runs the server`);
        exitCode.value = FAILED;
      }
    });
}

async function verify(
  terminal: Terminal,
  dataDir: string,
  { keep, json }: { readonly keep: boolean; readonly json: boolean },
): Promise<number> {
  const [{ scrub }, { openProgress }] = await Promise.all([import('../cache/scrub.ts'), import('./progress.ts')]);
  const folders = new BlobFolders(dataDir);
  const control = new AbortController();
  let stoppedBy: NodeJS.Signals | undefined;
  void stopSignal().then((signal) => {
    stoppedBy = signal;
    control.abort();
  });
  const progress = openProgress('verifying', process.stderr, (line) => terminal.error(line));
  progress.grow(await countBodies(folders));
  const wrong: Wrong[] = [];
  let [checked, bytes] = [0, 0];
  for await (const step of scrub({ folders, signal: control.signal, ...(keep && { remove: async () => {} }) })) {
    progress.advance(1, step.bytes - bytes);
    ({ checked, bytes } = step);
    if (step.removed !== undefined) wrong.push(step.removed);
  }
  progress.end();
  if (checked === 0) terminal.error(`nothing is stored in ${dataDir}; --data-dir names another folder`);
  if (json) terminal.out(JSON.stringify({ checked, bytes, wrong, removed: !keep }, undefined, 2));
  else {
    terminal.out(`${countText(checked, 'stored file')} checked, ${bytesText(bytes)}; ${wrong.length} wrong`);
    for (const { kind, name } of wrong)
      terminal.out(`  ${kind} ${name} ${keep ? 'is wrong' : 'was wrong and is removed'}`);
  }
  if (stoppedBy !== undefined) {
    terminal.error(`stopped by ${stoppedBy}; the rest was not looked at`);
    return 128 + constants.signals[stoppedBy];
  }
  return wrong.length > 0 ? FAILED : 0;
}

async function countBodies(folders: BlobFolders): Promise<number> {
  let count = 0;
  for (const kind of BLOB_KINDS) {
    for (const shard of shards()) count += (await folders.names(kind, shard)).length;
  }
  return count;
}
