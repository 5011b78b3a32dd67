// Runs the command that a user typed behind ours, as if ours were not there: same terminal, same signals, same end.

import { spawn } from 'node:child_process';
import { constants } from 'node:os';

/** Exit codes as shells give them. */
const CANNOT_RUN = 126;
const NOT_FOUND = 127;

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'] as const;
/** What a terminal's keys send goes to the whole foreground group: the child has it already. */
const FROM_KEYS: ReadonlySet<string> = new Set(['SIGINT', 'SIGQUIT']);

export interface ChildEnd {
  /** The child's exit code; 128 and the signal's number when a signal ended it. */
  readonly code: number;
  /** Why it did not even start. */
  readonly problem?: string;
}

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
