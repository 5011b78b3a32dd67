// `wheelkeep stats`: what the running server has served, by day.

import { Command } from 'commander';
import { bytesText, countText } from '../observe/figures.ts';
import type { ServedDay } from '../observe/served-days.ts';
import { outJson, type Terminal, withConfigFlags, withJsonFlag } from './command-line.ts';
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

/** `wheelkeep stats`. */
export function statsCommand(terminal: Terminal): Command {
  return withJsonFlag(withConfigFlags(new Command('stats'), ['config', 'host', 'port', 'dataDir']))
    .description('tell what the running server has served, by day')
    .addHelpText('after', EXAMPLES)
    .action(async (given: Record<string, unknown>) => {
      const answer = await askRunningServer(terminal, given, { path: 'stats' });
      if (given.json === true) return outJson(terminal, answer);
      for (const line of statsLines(answer as Stats)) terminal.out(line);
    });
}

function statsLines({ since, days }: Stats): string[] {
  const rows = days.map(({ day, pages, files, metadata, bytes }) => [
    day,
    countText(pages, 'page'),
    countText(files, 'file'),
    `${metadata} metadata`,
    bytesText(bytes),
  ]);
  return [
    `running since ${since}`,
    ...(rows.length === 0 ? ['nothing served yet'] : rows.map((row) => row.join('  '))),
  ];
}
