// Argv and signals in, exit code out.

import { Command, CommanderError } from 'commander';
import { checkCommand } from './commands/check.ts';
import { clientCommand } from './commands/client.ts';
import { type ExitCode, FAILED, type Terminal, WRONG_USAGE } from './commands/command-line.ts';
import { completionCommand } from './commands/completion.ts';
import { drillCommand } from './commands/drill.ts';
import { envCommand } from './commands/env.ts';
import { explainCommand } from './commands/explain.ts';
import { purgeCommand } from './commands/purge.ts';
import { readyCommand } from './commands/ready.ts';
import { runCommand } from './commands/run.ts';
import { serveCommand } from './commands/serve.ts';
import { statsCommand } from './commands/stats.ts';
import { verifyCommand } from './commands/verify.ts';
import { warmCommand } from './commands/warm.ts';
import { checkoutFolder, packageVersion } from './config/installation.ts';

const EXAMPLES = `
Examples:
  $ wheelkeep serve                     serve what this machine's installers use today
  $ wheelkeep check --print             show every effective value and where it comes from
  $ eval "$(wheelkeep env)"             point the installers of this shell at it
  $ wheelkeep run -- uv sync            run one command with a Wheelkeep of its own
  $ wheelkeep warm uv.lock              fetch all that a lock file names
  $ wheelkeep drill uv.lock             tell whether its install would survive an outage now
  $ wheelkeep verify                    hash all that is stored, remove what is wrong
  $ wheelkeep explain numpy             tell why a project is visible or not, and how current
  $ wheelkeep purge numpy               make the running server forget a project
  $ wheelkeep stats                     tell what the running server has served
  $ wheelkeep ready                     tell whether the running server can serve now
  $ wheelkeep client alice >> clients   add a client, where clients have to prove who they are
  $ source <(wheelkeep completion bash)  let the Tab key complete all this

Exit codes: 0 done, 1 failed, 2 the command line or the configuration is wrong.`;

async function main(argv: readonly string[], terminal: Terminal): Promise<number> {
  const exitCode: ExitCode = { value: 0 };
  const program = new Command('wheelkeep')
    .description('A caching pull-through proxy for Python package indexes.')
    .version(packageVersion())
    .addHelpText('after', EXAMPLES)
    .showHelpAfterError('(wheelkeep --help says more)')
    .exitOverride()
    // So that `run` leaves the options of the command behind it alone.
    .enablePositionalOptions();
  for (const command of [
    serveCommand,
    checkCommand,
    envCommand,
    runCommand,
    warmCommand,
    drillCommand,
    verifyCommand,
    purgeCommand,
    statsCommand,
    explainCommand,
    readyCommand,
    clientCommand,
    completionCommand,
  ]) {
    program.addCommand(command(terminal, exitCode).copyInheritedSettings(program));
  }
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // --help and --version arrive here with 0; commander has written what there is to say.
    return error.exitCode === 0 ? 0 : WRONG_USAGE;
  }
  return exitCode.value;
}

// A reader that went away (`wheelkeep check --print | head`) is no failure of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

try {
  process.exitCode = await main(process.argv.slice(2), {
    env: process.env,
    cwd: process.cwd(),
    home: checkoutFolder() ?? process.cwd(),
    out: (line) => process.stdout.write(`${line}\n`),
    error: (line) => process.stderr.write(`wheelkeep: ${line.replaceAll('\n', '\nwheelkeep: ')}\n`),
  });
} catch (error) {
  process.stderr.write(`wheelkeep: unexpected failure: ${error instanceof Error ? error.stack : String(error)}\n`);
  process.exitCode = FAILED;
}
