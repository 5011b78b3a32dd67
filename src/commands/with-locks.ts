// What `warm` and `drill` share: their command line, and a walk through the lock files against a Wheelkeep of their own.

import { constants } from 'node:os';
import type { Command } from 'commander';
import type { App } from '../app/app.ts';
import type { Target } from '../locks/target.ts';
import { countText } from '../observe/figures.ts';
import {
  CommandFailure,
  type ExitCode,
  type Terminal,
  WRONG_USAGE,
  withConfigFlags,
  withJsonFlag,
} from './command-line.ts';
import type { Refused } from './index-client.ts';
import type { WalkedLock } from './lock-walk.ts';
import { withOwnServer } from './own-server.ts';
import { stopSignal } from './stop-signal.ts';

/** Enough to keep a connection with some latency busy, few enough for any index. */
const CONCURRENCY = 8;

/** A command over lock files. */
export interface LockCommand {
  readonly terminal: Terminal;
  readonly exitCode: ExitCode;
  readonly given: Readonly<Record<string, unknown>>;
  readonly paths: readonly string[];
  /** What is being done, for the progress. */
  readonly verb: string;
  readonly upstreamCut: boolean;
  readonly explain: (refused: Refused) => string;
}

/** The server and the Python of a walk. */
export interface Walk {
  readonly app: App;
  readonly dataDir: string;
  readonly target: Target | undefined;
  /** Aborts when the user stops the command. */
  readonly signal: AbortSignal;
}

/** Adds the arguments and options that `warm` and `drill` share. */
export function withLockFlags(command: Command, formats: string): Command {
  return withJsonFlag(withConfigFlags(command, ['config', 'upstream', 'dataDir']))
    .argument('<lock files...>', formats)
    .option(
      '--only <pattern>',
      'count the files whose names match, as in "*x86_64.whl", not those for this Python; may be given again',
      alsoGiven,
    )
    .option('--python <program>', 'the Python that would install', 'python3');
}

function alsoGiven(pattern: string, before: readonly string[] = []): readonly string[] {
  return [...before, pattern];
}

/** Walks and reports; the exit code is what `report` returns, or 128 and the number of the signal that ended it. */
export async function walkLocks(
  { terminal, exitCode, given, paths, verb, upstreamCut, explain }: LockCommand,
  report: (walked: readonly WalkedLock[], walk: Walk) => Promise<number>,
): Promise<void> {
  // Loaded here, because `serve` and `--help` need no parser.
  const [{ readLocks }, { walk }, { IndexClient }, { openProgress }, { UnreadableLock }, { askPython }] =
    await Promise.all([
      import('./named-locks.ts'),
      import('./lock-walk.ts'),
      import('./index-client.ts'),
      import('./progress.ts'),
      import('../locks/lock.ts'),
      import('./this-python.ts'),
    ]);
  try {
    const locks = await readLocks(paths, terminal.cwd);
    await withOwnServer(terminal, exitCode, { given, upstreamCut }, async (app, { dataDir }) => {
      const client = new IndexClient({ url: app.url, connections: CONCURRENCY });
      const progress = openProgress(verb, process.stderr, (line) => terminal.error(line));
      const control = new AbortController();
      let stoppedBy: NodeJS.Signals | undefined;
      void stopSignal().then((signal) => {
        stoppedBy = signal;
        control.abort();
        client.close();
      });
      const target = await askPython(String(given.python), terminal);
      const walking = walk(locks, {
        client,
        concurrency: CONCURRENCY,
        progress,
        target,
        accepts: acceptor(given.only),
        explain,
        signal: control.signal,
      });
      const unlessStopped = (error: unknown) => {
        if (!control.signal.aborted) throw error;
      };
      const walked = await walking.catch(unlessStopped);
      progress.end();
      client.close();
      const code =
        walked && (await report(walked, { app, dataDir, target, signal: control.signal }).catch(unlessStopped));
      if (code !== undefined) return code;
      throw new CommandFailure(
        `stopped by ${stoppedBy}; what was done until now stays`,
        128 + constants.signals[stoppedBy!],
      );
    });
  } catch (error) {
    if (!(error instanceof UnreadableLock)) throw error;
    throw new CommandFailure(error.message, WRONG_USAGE);
  }
}

/** Whether a file name matches one of the patterns, in which `*` is any text; undefined without patterns. */
function acceptor(only: unknown): ((filename: string) => boolean) | undefined {
  if (!Array.isArray(only)) return undefined;
  const patterns = only.map((pattern) => {
    const parts = String(pattern).split('*');
    return new RegExp(`^${parts.map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&')).join('.*')}$`);
  });
  return (filename) => patterns.some((pattern) => pattern.test(filename));
}

/** Notes on what a lock file leaves open, for people. */
export function lockNotes({ elsewhere, built, past }: Pick<WalkedLock, 'elsewhere' | 'built' | 'past'>): string[] {
  return [
    ...elsewhere.map((one) => `note: ${one}; it does not come through Wheelkeep`),
    ...built.map((one) => `note: ${one} is built from source`),
    ...past.map(({ host, files }) => {
      const which = `${countText(files, 'file')} locked at ${host}`;
      return `note: ${which}: an installer that follows these URLs (uv sync, pylock) asks there; lock through Wheelkeep`;
    }),
  ];
}
