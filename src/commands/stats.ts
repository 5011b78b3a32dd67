// `wheelkeep stats`: what the running server has served, by day.

import { Command } from 'commander';
import { size } from '../config/units.ts';
import type { ServedDay } from '../observe/served-days.ts';
import { type ExitCode, type Terminal, withConfigFlags } from './command-line.ts';
import { askRunningServer } from './running-server.ts';

const EXAMPLES = `
Examples:
  $ wheelkeep stats
  $ wheelkeep stats --json

Exit codes: 0 done, 1 no server runs or it refused, 2 the command line or the configuration is wrong.`;

interface Stats {
  readonly since: string;
  readonly days: readonly ServedDay[];
}

export function statsCommand(terminal: Terminal, exitCode: ExitCode): Command {
  return withConfigFlags(new Command('stats'), ['config', 'host', 'port', 'dataDir'])
    .description('tell what the running server has served, by day')
    .option('--json', 'as JSON')
    .addHelpText('after', EXAMPLES)
    .action((given: Record<string, unknown>) =>
      askRunningServer(terminal, exitCode, given, { path: 'stats' }, (answer) => {
        if (given.json === true) return terminal.out(JSON.stringify(answer, undefined, 2));
        for (const line of statsLines(answer as Stats)) terminal.out(line);
      }),
    );
}

function statsLines({ since, days }: Stats): string[] {
  const rows = days.map(({ day, pages, files, metadata, bytes }) => [
    day,
    `${pages} pages`,
    `${files} files`,
    `${metadata} metadata`,
    size.format(bytes),
  ]);
  return [
    `running since ${since}`,
    ...(rows.length === 0 ? ['nothing served yet'] : rows.map((row) => row.join('  '))),
  ];
}
