// `wheelkeep ready`: whether the server of this configuration can serve now; what a container or a script waits for.

import { Command } from 'commander';
import { administrationUrl } from '../config/own-addresses.ts';
import { ConfigurationError } from '../config/problems.ts';
import { pathOf, readSettings } from '../config/settings.ts';
import {
  configInput,
  type ExitCode,
  FAILED,
  outJson,
  type Terminal,
  withConfigFlags,
  withJsonFlag,
} from './command-line.ts';
import { askOwnServer, NoOwnServer } from './own-request.ts';
import { NO_SERVER_CURE } from './running-server.ts';

const EXAMPLES = `
Examples:
  $ until wheelkeep ready 2> /dev/null; do sleep 1; done
  $ wheelkeep ready --json

Exit codes: 0 ready, 1 not ready or no server runs, 2 the command line or the configuration is wrong.`;

/** What an orchestrator gives its own probes. */
const TIMEOUT_MS = 3_000;

/** `wheelkeep ready`. */
export function readyCommand(terminal: Terminal, exitCode: ExitCode): Command {
  return withJsonFlag(withConfigFlags(new Command('ready'), ['config', 'host', 'port']))
    .description('tell whether the running server can serve now')
    .addHelpText('after', EXAMPLES)
    .action(async (given: Record<string, unknown>) => {
      const read = await readSettings(configInput(terminal, given));
      if (read.problems.length > 0) throw new ConfigurationError(read.problems);
      const { tlsCertFile } = read.settings;
      const url = administrationUrl(read.settings);
      const state = await readiness(url, tlsCertFile && pathOf(read, 'tlsCertFile', terminal.cwd));
      const ready = state === 'ready';
      if (!ready) exitCode.value = FAILED;
      if (given.json === true) return outJson(terminal, { url, ready, state });
      terminal.out(`${url} ${state}`);
      if (!ready) terminal.error(NO_SERVER_CURE);
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
