// Argv and signals in, exit code out.

import { Command, CommanderError } from 'commander';
import { checkCommand } from './commands/check.ts';
import { clientCommand } from './commands/client.ts';
import {
  CommandFailure,
  type ExitCode,
  outJson,
  type Terminal,
  terminalOutput,
  WRONG_USAGE,
} from './commands/command-line.ts';
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
import { ConfigurationError } from './config/problems.ts';

const EXAMPLES = `
Examples:
  $ wheelkeep serve                     serve what this machine's installers use today
  $ wheelkeep check --print             show every effective value and where it comes from
  $ eval "$(wheelkeep env)"             point the installers of this shell at it
  $ wheelkeep run -- uv sync            run one command with a Wheelkeep of its own
  $ wheelkeep warm uv.lock              fetch all that a lock file names
  $ wheelkeep drill uv.lock             tell whether its install would survive an outage now
  $ wheelkeep verify                    hash all that is stored, fetch again what is wrong
  $ wheelkeep explain numpy             tell why a project is visible or not, and how current
  $ wheelkeep purge numpy               make the running server forget a project
  $ wheelkeep stats                     tell what the running server has served
  $ wheelkeep ready                     tell whether the running server can serve now
  $ wheelkeep client alice >> clients   add a client, where clients have to prove who they are
  $ source <(wheelkeep completion bash)  let the Tab key complete all this

With --json standard output is one JSON value and nothing else; of a failure it is { "error": … }.
Exit codes: 0 done, 1 failed, 2 the command line or the configuration is wrong; wheelkeep <command> --help says more.`;

async function main(argv: readonly string[], terminal: Terminal): Promise<number> {
  const exitCode: ExitCode = { value: 0 };
  // Until the command line is read: what stands behind -- is somebody else's.
  let json = argv.slice(0, argv.includes('--') ? argv.indexOf('--') : undefined).includes('--json');
  const program = new Command('wheelkeep')
    .description('A caching pull-through proxy for Python package indexes.')
    .version(packageVersion())
    .addHelpText('after', EXAMPLES)
    .configureOutput({ outputError: (text) => terminal.error(text.replace(/^error: /, '').trimEnd()) })
    .showHelpAfterError('wheelkeep: see wheelkeep --help')
    .exitOverride()
    .hook('preAction', (_program, command) => {
      json = command.opts().json === true;
    })
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
    const added = command(terminal, exitCode).copyInheritedSettings(program);
    program.addCommand(added.showHelpAfterError(`wheelkeep: see wheelkeep ${added.name()} --help`));
  }
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    // --help and --version arrive here with 0; commander has written what there is to say.
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    const failure = failureOf(error, terminal);
    if (!(error instanceof CommanderError)) terminal.error(failure.message);
    if (json) outJson(terminal, { error: failure.message });
    return failure.exitCode;
  }
  return exitCode.value;
}

/** What keeps a command from its end, for the user. */
function failureOf(error: unknown, { env }: Terminal): CommandFailure {
  if (error instanceof CommandFailure) return error;
  if (error instanceof ConfigurationError) return new CommandFailure(error.message, WRONG_USAGE);
  if (error instanceof CommanderError) return new CommandFailure(error.message.replace(/^error: /, ''), WRONG_USAGE);
  const { message, stack = message } = error instanceof Error ? error : new Error(String(error));
  if (env.WHEELKEEP_LOG_LEVEL === 'debug') return new CommandFailure(`unexpected failure: ${stack}`);
  return new CommandFailure(
    `unexpected failure: ${message}\nThis is a fault of Wheelkeep; WHEELKEEP_LOG_LEVEL=debug shows where, for a report.`,
  );
}

// A reader that went away (`wheelkeep check --print | head`) is no failure of ours, nor of the command that `run` runs.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

process.exitCode = await main(process.argv.slice(2), {
  env: process.env,
  cwd: process.cwd(),
  home: checkoutFolder() ?? process.cwd(),
  ...terminalOutput({
    out: (text) => process.stdout.write(text),
    error: (text) => process.stderr.write(text),
  }),
});
