// `wheelkeep check`: reads the configuration exactly as `serve` does, starts nothing and writes nothing.

import { Command } from 'commander';
import { dataFolderProblem } from '../config/data-folder.ts';
import { packageVersion } from '../config/installation.ts';
import { loadConfig } from '../config/load.ts';
import { administrationUrl, clientUrl } from '../config/own-addresses.ts';
import { ConfigurationError } from '../config/problems.ts';
import { startLines } from '../config/start-lines.ts';
import { configInput, outJson, type Terminal, withConfigFlags, withJsonFlag } from './command-line.ts';

const EXAMPLES = `
Examples:
  $ wheelkeep check
  $ wheelkeep check --config wheelkeep.yaml --print
  $ wheelkeep check --json | jq .values.disk_quota

Exit codes: 0 the configuration is right, 2 it is wrong (every mistake is listed) or the command line is.`;

/** `wheelkeep check`. */
export function checkCommand(terminal: Terminal): Command {
  return withJsonFlag(
    withConfigFlags(new Command('check')),
    'print warnings, indexes and every effective value as JSON',
  )
    .description('say what is wrong with the configuration, all at once, without starting')
    .option('--print', 'print the effective values with their sources; secrets are hidden')
    .addHelpText('after', EXAMPLES)
    .action(async (given: Record<string, unknown>) => {
      const loaded = await loadConfig(configInput(terminal, given), { notes: false });
      const { config, read, warnings } = loaded;
      const problem = await dataFolderProblem(config.dataDir, read.sources.dataDir);
      if (problem) throw new ConfigurationError([problem]);
      if (given.json === true) {
        const { effectiveValues } = await import('../config/effective.ts');
        return outJson(terminal, { warnings, ...effectiveValues(loaded) });
      }
      for (const warning of warnings) terminal.error(`warning: ${warning}`);
      if (given.print === true) {
        const { effectiveYaml } = await import('../config/effective.ts');
        return terminal.outText(effectiveYaml(loaded).trimEnd());
      }
      const adminUrl = config.adminListen && administrationUrl(read.settings);
      const facts = { url: clientUrl(read.settings), adminUrl, version: packageVersion() };
      terminal.out('The configuration is right. It would start with:');
      for (const line of startLines(config, facts)) terminal.out(`  ${line}`);
    });
}
