// `wheelkeep purge`: the running server forgets a project, or everything; the next request asks upstream.

import { Command } from 'commander';
import type { Purged } from '../admin/administration.ts';
import {
  CommandFailure,
  type ExitCode,
  FAILED,
  outJson,
  type Terminal,
  WRONG_USAGE,
  withConfigFlags,
  withJsonFlag,
} from './command-line.ts';
import { askRunningServer } from './running-server.ts';

const EXAMPLES = `
While upstream is down nothing that was purged can be had again.

Examples:
  $ wheelkeep purge numpy
  $ wheelkeep purge --all

With a Redis, all nodes that share it forget the same within a second, those that are away when they come back.

Exit codes: 0 done, 1 no server runs, it refused, or the other nodes cannot be told now, 2 the command line or the
configuration is wrong.`;

/** `wheelkeep purge`. */
export function purgeCommand(terminal: Terminal, exitCode: ExitCode): Command {
  return withJsonFlag(withConfigFlags(new Command('purge'), ['config', 'host', 'port', 'dataDir']))
    .description('make the running server, and the nodes it shares a Redis with, forget a project or everything')
    .argument('[project]', 'its pages, documents and files, at every index')
    .option('--all', 'everything')
    .addHelpText('after', EXAMPLES)
    .action(async (project: string | undefined, given: Record<string, unknown>) => {
      if ((project === undefined) === (given.all !== true)) {
        throw new CommandFailure('name a project, or say --all', WRONG_USAGE);
      }
      const body = project === undefined ? { all: true } : { project };
      const answer = (await askRunningServer(terminal, given, { path: 'purge', body })) as Purged;
      const { removed, others } = answer;
      if (others === 'later') exitCode.value = FAILED;
      if (given.json === true) return outJson(terminal, answer);
      const told = others === 'told' ? ', the other nodes are told' : '';
      terminal.out(`${removed} ${removed === 1 ? 'entry' : 'entries'} removed${told}`);
      if (others !== 'later') return;
      terminal.error('the other nodes do not know yet, for Redis does not answer; this server tells them when it does');
    });
}
