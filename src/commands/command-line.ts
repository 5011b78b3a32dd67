// What every command shares: where it reads, where it writes, and the exit codes.

import type { Command } from 'commander';
import type { OptionKey } from '../config/options.ts';
import type { ConfigInput } from '../config/settings.ts';
import { harmlessLine } from '../observe/redact.ts';

/** Exit codes: 0 done, 1 it failed, 2 the command line or the configuration is wrong, else those of shells. */
export const FAILED = 1;
/** Exit code: the command line or the configuration is wrong. */
export const WRONG_USAGE = 2;
/** As shells say it: 128 and the number of SIGINT. */
export const STOPPED_BY_CTRL_C = 130;

/** The world of a command; tests bring their own. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** As in ConfigInput. */
  readonly home: string;
  /** Prints one line: whatever others wrote into it stays in it, and steers neither terminal nor CI system. */
  out(line: string): void;
  /** The same for a text of several lines of ours, such as JSON. */
  outText(text: string): void;
  /** For people, on standard error; lines of it are ours. */
  error(text: string): void;
}

/** The one way of commands to the streams of the process; each gets whole lines with their newlines. */
export function terminalOutput(streams: {
  readonly out: (text: string) => void;
  readonly error: (text: string) => void;
}): Pick<Terminal, 'out' | 'outText' | 'error'> {
  const linesOf = (text: string) => text.split('\n').map(harmlessLine);
  return {
    out: (line) => streams.out(`${harmlessLine(line)}\n`),
    outText: (text) => streams.out(`${linesOf(text).join('\n')}\n`),
    error: (text) =>
      streams.error(
        linesOf(text)
          .map((line) => `wheelkeep: ${line}\n`)
          .join(''),
      ),
  };
}

/** A command sets this and returns; nothing but main.ts ends the process. */
export interface ExitCode {
  value: number;
}

/** What ends a command before its end; main.ts tells it, with `--json` as JSON. The message names the cure. */
export class CommandFailure extends Error {
  readonly exitCode: number;
  constructor(message: string, exitCode: number = FAILED) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** `--json`: standard output has one JSON value and nothing else, a failure too (main.ts). */
export function withJsonFlag(command: Command, description = 'print the result as JSON'): Command {
  return command.option('--json', description);
}

/** Writes the one JSON value of `--json`. */
export function outJson(terminal: Pick<Terminal, 'outText'>, value: unknown): void {
  terminal.outText(JSON.stringify(value, undefined, 2));
}

/** The few options that one types; each is the option of the same name in the file. */
const FLAGS: readonly (readonly [flag: string, key: OptionKey | 'config', description: string])[] = [
  ['--config <file>', 'config', 'the YAML file'],
  ['--host <address>', 'host', 'the address to listen on'],
  ['--port <port>', 'port', 'the port to listen on; 0 takes a free one'],
  ['--upstream <url>', 'upstream', 'the index behind; several by comma are mirrors of one index'],
  ['--data-dir <folder>', 'dataDir', 'the folder of the cache'],
  ['--log-level <level>', 'logLevel', 'debug, info, warn or error'],
  ['--log-format <format>', 'logFormat', 'text or json'],
];

/** Adds the configuration flags to a command: all, or those of the keys that it looks at. */
export function withConfigFlags(command: Command, only?: readonly string[]): Command {
  for (const [flag, key, description] of FLAGS) {
    if (only === undefined || only.includes(key)) command.option(flag, description);
  }
  return command;
}

/** The sources of configuration for a command that has these flags; what else it was given is not looked at. */
export function configInput(terminal: Terminal, given: Readonly<Record<string, unknown>>): ConfigInput {
  const flags: Partial<Record<OptionKey | 'config', string>> = {};
  for (const [, key] of FLAGS) {
    const value = given[key];
    if (typeof value === 'string') flags[key] = value;
  }
  return { flags, env: terminal.env, cwd: terminal.cwd, home: terminal.home };
}
