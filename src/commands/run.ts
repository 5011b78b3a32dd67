// `wheelkeep run -- <command>`: a Wheelkeep for the time of one command, whose installers are pointed at it.

import { appendFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { runChild } from './child.ts';
import {
  CommandFailure,
  type ExitCode,
  outJson,
  type Terminal,
  withConfigFlags,
  withJsonFlag,
} from './command-line.ts';
import { installerVariables } from './env.ts';
import { withOwnServer } from './own-server.ts';
import { runFigures } from './run-figures.ts';
import { summaryJson, summaryLines, summaryMarkdown } from './run-summary.ts';

const EXAMPLES = `
pip, uv, PDM and pipenv find it by variables (see wheelkeep env). Poetry reads none: give it a source once, by
  $ poetry source add --priority=primary wheelkeep http://127.0.0.1:5030/simple/
and run with --port 5030. Name a port as well when the command writes a uv.lock: it holds the address of its index.

Examples:
  $ wheelkeep run -- pip install -r requirements.txt
  $ wheelkeep run -- uv sync
  $ wheelkeep run --port 5030 -- uv lock
  $ wheelkeep run --port 5030 -- poetry install
  $ wheelkeep run --summary summary.md -- make test
  $ wheelkeep run --json -- uv sync | jq .hits

Exit codes: the command's own; 128 and the number of the signal that ended it; 126 it cannot be run, 127 it is not
found; 1 and 2 also when Wheelkeep cannot start, with the reason.`;

export function runCommand(terminal: Terminal, exitCode: ExitCode): Command {
  return withJsonFlag(
    withConfigFlags(new Command('run'), ['config', 'port', 'upstream', 'dataDir']),
    'print the summary as JSON; what the command prints goes to standard error',
  )
    .description('run a command with its installers pointed at a Wheelkeep of its own, and tell what that saved')
    .argument('<command...>', 'the command and its arguments')
    .option('--summary <file>', 'append the summary to this file, in Markdown; unset, $GITHUB_STEP_SUMMARY')
    .passThroughOptions()
    .addHelpText('after', EXAMPLES)
    .action((command: readonly string[], given: Record<string, unknown>) =>
      withOwnServer(terminal, exitCode, { given, upstreamCut: false }, async (app) => {
        const json = given.json === true;
        const env = childEnvironment(terminal.env, app.url);
        const { code, problem } = await runChild(command, { env, cwd: terminal.cwd, output: json ? 2 : 'inherit' });
        if (problem !== undefined) throw new CommandFailure(problem, code);
        const figures = runFigures((await app.snapshot()).metrics);
        if (json) outJson(terminal, summaryJson(figures, code));
        else for (const line of summaryLines(figures)) terminal.error(line);
        const file = typeof given.summary === 'string' ? given.summary : terminal.env.GITHUB_STEP_SUMMARY;
        if (file) {
          const written = appendFile(resolve(terminal.cwd, file), `${summaryMarkdown(figures, command)}\n`);
          await written.catch((error: NodeJS.ErrnoException) =>
            terminal.error(`the summary cannot be written to ${file} (${error.code}); name another file by --summary`),
          );
        }
        return code;
      }),
    );
}

/** Our own cache of compiled code, which the launcher sets: see bin/wheelkeep. */
const COMPILE_CACHE = fileURLToPath(new URL('../../node_modules/.cache/wheelkeep', import.meta.url));

function childEnvironment(env: Terminal['env'], url: string): Record<string, string | undefined> {
  const { NODE_COMPILE_CACHE, ...rest } = env;
  return {
    ...rest,
    ...(NODE_COMPILE_CACHE !== COMPILE_CACHE && { NODE_COMPILE_CACHE }),
    ...installerVariables(url),
    ...pastProxies(env, new URL(url).hostname),
  };
}

/** Installers behind a proxy would ask it for our loopback address. */
function pastProxies(env: Terminal['env'], host: string): Record<string, string> {
  const named = env.no_proxy ?? env.NO_PROXY;
  const without = named ? `${named},${host}` : host;
  return named === '*' ? {} : { no_proxy: without, NO_PROXY: without };
}
