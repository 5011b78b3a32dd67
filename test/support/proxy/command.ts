// The commands as users type them: bin/wheelkeep in a process of its own, configured by its environment alone.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { FakeIndex } from '../upstream/fake-index.ts';

const LAUNCHER = fileURLToPath(new URL('../../../bin/wheelkeep', import.meta.url));

export interface CommandWorld {
  readonly index: Pick<FakeIndex, 'url'>;
  readonly dataDir: string;
  readonly cwd?: string;
  /** Further variables, with their whole names. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface Ended {
  readonly code: number | null;
  /** The signal that ended wheelkeep itself: none of its commands may leave that to the system. */
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly durationMs: number;
}

export interface RunningCommand {
  readonly process: ChildProcess;
  readonly ended: Promise<Ended>;
  /** Resolves when `text` has been written to standard output; rejects when the command ends without it. */
  said(text: string): Promise<void>;
}

export function startCommand(world: CommandWorld, args: readonly string[]): RunningCommand {
  const startedAt = performance.now();
  const child = spawn(LAUNCHER, args, {
    cwd: world.cwd ?? world.dataDir,
    env: {
      PATH: process.env.PATH ?? '',
      HOME: world.dataDir,
      WHEELKEEP_DATA_DIR: world.dataDir,
      WHEELKEEP_UPSTREAM: world.index.url,
      WHEELKEEP_FILE_ORIGINS: new URL(world.index.url).origin,
      ...world.env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const texts = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      texts[name] += text;
    });
  }
  const ended = once(child, 'close').then(([code, signal]): Ended => {
    return { code, signal, ...texts, durationMs: performance.now() - startedAt };
  });
  const said = (text: string) =>
    new Promise<void>((resolve, reject) => {
      const look = () => texts.stdout.includes(text) && resolve();
      child.stdout.on('data', look);
      void ended.then(({ stderr }) => reject(new Error(`it ended without saying ${text}:\n${stderr}`)));
      look();
    });
  return { process: child, ended, said };
}

export function runCommand(world: CommandWorld, ...args: readonly string[]): Promise<Ended> {
  return startCommand(world, args).ended;
}
