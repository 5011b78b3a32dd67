// `wheelkeep check`: reads the configuration exactly as `serve` does, starts nothing and writes nothing.

import { Command } from 'commander';
import { dataFolderProblem } from '../config/data-folder.ts';
import { packageVersion } from '../config/installation.ts';
import { loadConfig } from '../config/load.ts';
import { administrationUrl, clientUrl } from '../config/own-addresses.ts';
import { ConfigurationError } from '../config/problems.ts';
import { startLines } from '../config/start-lines.ts';
import { configInput, type ExitCode, type Terminal, WRONG_USAGE, withConfigFlags } from './command-line.ts';

const EXAMPLES = `
Examples:
  $ wheelkeep check
  $ wheelkeep check --config wheelkeep.yaml --print`;

export function checkCommand(terminal: Terminal, exitCode: ExitCode): Command {
  return withConfigFlags(new Command('check'))
    .description('say what is wrong with the configuration, all at once, without starting')
    .option('--print', 'print the effective values with their sources; secrets are hidden')
    .addHelpText('after', EXAMPLES)
    .action(async (given: Record<string, unknown>) => {
      try {
        const loaded = await loadConfig(configInput(terminal, given), { notes: false });
        const { config, read, warnings } = loaded;
        const problem = await dataFolderProblem(config.dataDir, read.sources.dataDir);
        if (problem) throw new ConfigurationError([problem]);
        for (const warning of warnings) terminal.error(`warning: ${warning}`);
        if (given.print) {
          const { effectiveYaml } = await import('../config/effective.ts');
          terminal.out(effectiveYaml(loaded).trimEnd());
          return;
        }
        const adminUrl = config.adminListen && administrationUrl(read.settings);
        const facts = { url: clientUrl(read.settings), adminUrl, version: packageVersion() };
        terminal.out('The configuration is right. It would start with:');
        for (const line of startLines(config, facts)) terminal.out(`  ${line}`);
      } catch (error) {
        if (!(error instanceof ConfigurationError)) throw error;
        terminal.error(error.message);
        exitCode.value = WRONG_USAGE;
      }
    });
}
