// `wheelkeep run -- <command>`: a Wheelkeep for the time of one command, whose installers are pointed at it.

import { spawn } from 'node:child_process';
import { appendFile } from 'node:fs/promises';
import { constants } from 'node:os';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { bytesText, countText, secondsText } from '../observe/figures.ts';
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
import { type RunFigures, runFigures } from './run-figures.ts';

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

/** `wheelkeep run`. */
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

// The last words of `wheelkeep run`: lines for a terminal, Markdown for the summary page of a CI system.

/** The summary for a terminal. */
export function summaryLines(figures: RunFigures): string[] {
  const { requests, hits, upstreamBytes } = figures;
  if (requests === 0)
    return ['nothing was asked for; if the command installs something, it has another index configured'];
  const lines = [
    `${countText(requests, 'request')}, ${hits} from the cache (${share(figures)}); ` +
      `${bytesText(cachedBytes(figures))} from the cache, ${bytesText(upstreamBytes)} from upstream`,
    savings(figures),
  ];
  const { stale, failed, upstreamFailures } = figures;
  if (stale.size > 0) lines.push(`served stale: ${listed(stale)}`);
  if (failed > 0) lines.push(`could not be answered: ${countText(failed, 'request')}`);
  if (upstreamFailures.size > 0) lines.push(`failures of upstream: ${listed(upstreamFailures)}`);
  return lines;
}

/** The summary for `--json`. */
export function summaryJson(figures: RunFigures, exitCode: number) {
  const { savedSeconds = null, stale, upstreamFailures, ...rest } = figures;
  return {
    exitCode,
    ...rest,
    savedSeconds,
    cachedBytes: cachedBytes(figures),
    stale: Object.fromEntries(stale),
    upstreamFailures: Object.fromEntries(upstreamFailures),
  };
}

/** The summary for `$GITHUB_STEP_SUMMARY` and `--summary`. */
export function summaryMarkdown(figures: RunFigures, command: readonly string[]): string {
  const rows: readonly (readonly [what: string, value: string])[] = [
    ['Requests', String(figures.requests)],
    ['From the cache', `${figures.hits} (${share(figures)})`],
    ['Bytes from the cache', bytesText(cachedBytes(figures))],
    ['Bytes from upstream', bytesText(figures.upstreamBytes)],
    ['Served stale', listed(figures.stale)],
    ['Could not be answered', String(figures.failed)],
    ['Failures of upstream', listed(figures.upstreamFailures)],
  ];
  const table = rows.map(([what, value]) => `| ${what} | ${value} |`).join('\n');
  // Code that begins with more backticks than it holds cannot be ended by its own.
  const typed = command.join(' ').replaceAll(/\s+/g, ' ');
  const fence = '`'.repeat(1 + Math.max(0, ...[...typed.matchAll(/`+/g)].map(([run]) => run.length)));
  return `### Wheelkeep: ${fence} ${typed} ${fence}\n\n| | |\n| --- | --- |\n${table}\n\n${savings(figures)}\n`;
}

function savings({ savedSeconds, hits }: RunFigures): string {
  if (hits === 0) return 'the cache was empty: the next run will be served from it';
  if (savedSeconds === undefined) return 'seconds saved: unknown, for nothing came from upstream to compare with';
  return `about ${secondsText(savedSeconds)} of waiting saved (each hit counted as an average miss of its kind in this run; requests in parallel add up)`;
}

/** What was sent and had not been received; roughly, for the coding of our pages may differ from upstream's. */
function cachedBytes({ hits, sentBytes, upstreamBytes }: RunFigures): number {
  return hits === 0 ? 0 : Math.max(0, sentBytes - upstreamBytes);
}

function share({ hits, requests }: RunFigures): string {
  return `${requests === 0 ? 0 : Math.round((hits / requests) * 100)} %`;
}

function listed(counts: ReadonlyMap<string, number>): string {
  return counts.size === 0 ? 'none' : [...counts].map(([what, count]) => `${count} × ${what}`).join(', ');
}

// Runs the command that a user typed behind ours, as if ours were not there: same terminal, same signals, same end.

/** Exit codes as shells give them. */
const CANNOT_RUN = 126;
const NOT_FOUND = 127;

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const;
/** What a terminal's keys send goes to the whole foreground group: the child has it already. */
const FROM_KEYS: ReadonlySet<string> = new Set(['SIGINT', 'SIGQUIT']);

/** How the command ended: an exit code, or the signal that ended it. */
export interface ChildEnd {
  /** The child's exit code; 128 and the signal's number when a signal ended it. */
  readonly code: number;
  /** Why it did not even start. */
  readonly problem?: string;
}

/** Where and with which variables the command runs. */
export interface ChildWorld {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Where its standard output goes: to ours, or to the descriptor. */
  readonly output: 'inherit' | number;
}

/** Resolves when the child has ended; our own signals are passed on until then, and do not end us. */
export function runChild(command: readonly string[], { env, cwd, output }: ChildWorld): Promise<ChildEnd> {
  const [program = '', ...args] = command;
  const child = spawn(program, args, { env: { ...env }, cwd, stdio: ['inherit', output, 'inherit'] });
  const forward = (signal: NodeJS.Signals) => {
    if (!(process.stdin.isTTY && FROM_KEYS.has(signal))) child.kill(signal);
  };
  for (const signal of FORWARDED) process.on(signal, forward);
  return new Promise<ChildEnd>((resolve) => {
    child.once('error', (error: NodeJS.ErrnoException) => {
      const found = error.code !== 'ENOENT';
      const problem = found
        ? `${program} cannot be run (${error.code})`
        : `${program} is not found; is it installed, and on the PATH?`;
      resolve({ code: found ? CANNOT_RUN : NOT_FOUND, problem });
    });
    child.once('exit', (code, signal) => resolve({ code: code ?? 128 + constants.signals[signal!] }));
  }).finally(() => {
    for (const signal of FORWARDED) process.off(signal, forward);
  });
}
