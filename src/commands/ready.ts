// `wheelkeep ready`: whether the server of this configuration can serve now; what a container or a script waits for.

import { Command } from 'commander';
import { administrationUrl } from '../config/own-addresses.ts';
import { ConfigurationError } from '../config/problems.ts';
import { pathOf, readSettings } from '../config/settings.ts';
import { configInput, type ExitCode, FAILED, type Terminal, WRONG_USAGE, withConfigFlags } from './command-line.ts';
import { askOwnServer, NoOwnServer } from './own-request.ts';

const EXAMPLES = `
Examples:
  $ until wheelkeep ready; do sleep 1; done

Exit codes: 0 ready, 1 not ready or no server runs, 2 the command line or the configuration is wrong.`;

/** What an orchestrator gives its own probes. */
const TIMEOUT_MS = 3_000;

export function readyCommand(terminal: Terminal, exitCode: ExitCode): Command {
  return withConfigFlags(new Command('ready'), ['config', 'host', 'port'])
    .description('tell whether the running server can serve now')
    .addHelpText('after', EXAMPLES)
    .action(async (given: Record<string, unknown>) => {
      try {
        const read = await readSettings(configInput(terminal, given));
        if (read.problems.length > 0) throw new ConfigurationError(read.problems);
        const { tlsCertFile } = read.settings;
        const url = administrationUrl(read.settings);
        const state = await readiness(url, tlsCertFile && pathOf(read, 'tlsCertFile', terminal.cwd));
        terminal.out(`${url} ${state}`);
        if (state !== 'ready') exitCode.value = FAILED;
      } catch (error) {
        if (!(error instanceof ConfigurationError)) throw error;
        terminal.error(error.message);
        exitCode.value = WRONG_USAGE;
      }
    });
}

/** `ready`, or what keeps it from that. */
async function readiness(url: string, certFile: string | undefined): Promise<string> {
  try {
    const { status } = await askOwnServer({ url: `${url}-/ready`, timeoutMs: TIMEOUT_MS, certFile });
    return status === 200 ? 'ready' : `not ready (status ${status})`;
  } catch (error) {
    if (!(error instanceof NoOwnServer)) throw error;
    return `does not answer (${error.message})`;
  }
}
