// A Wheelkeep of one command's own: in this process, on loopback, with the ordinary configuration and data folder.
// A server that runs on the same data folder is not disturbed: the stores are made for several processes.

import type { App } from '../app/app.ts';
import type { Config } from '../config/config.ts';
import { dataFolderProblem } from '../config/data-folder.ts';
import { packageVersion } from '../config/installation.ts';
import { loadConfig } from '../config/load.ts';
import { ConfigurationError } from '../config/problems.ts';
import type { Log, LogFields } from '../observe/log.ts';
import { CommandFailure, configInput, type ExitCode, type Terminal } from './command-line.ts';
import { explainStartFailure } from './start-failure.ts';

/** How a command's own server is made. */
export interface OwnServerOptions {
  /** What the command was given; its configuration flags count. */
  readonly given: Readonly<Record<string, unknown>>;
  /** True: its upstreams cannot be reached, whatever the configuration says. */
  readonly upstreamCut: boolean;
}

/**
 * Calls `use` with the running app and closes it afterwards; the exit code is what `use` resolves with. Rejects with
 * ConfigurationError or CommandFailure when it cannot start.
 */
export async function withOwnServer(
  terminal: Terminal,
  exitCode: ExitCode,
  { given, upstreamCut }: OwnServerOptions,
  use: (app: App, config: Config) => Promise<number>,
): Promise<void> {
  const { config, read, warnings } = await loadConfig(configInput(terminal, given));
  const problem = await dataFolderProblem(config.dataDir, read.sources.dataDir);
  if (problem) throw new ConfigurationError([problem]);
  for (const warning of warnings) terminal.error(`warning: ${warning}`);
  const [{ startApp }, { quietLog }] = await Promise.all([import('../app/app.ts'), import('../observe/log.ts')]);
  const own = ownConfig(config, typeof given.port === 'string');
  const log = { ...quietLog, ...errorsTo(terminal) };
  const app = await startApp(own, { version: packageVersion(), upstreamCut, log }).catch((error) => {
    const sentence = explainStartFailure(error, own, read.sources);
    throw sentence === undefined ? error : new CommandFailure(sentence);
  });
  // A promise that nobody awaited is counted, as in `serve`, and does not end what `use` does.
  process.on('unhandledRejection', (reason) => app.unexpected(reason));
  exitCode.value = await use(app, own).finally(() => app.close('now'));
}

/** What upstreams do is told in the command's own words; what is nobody's fault but ours must not go unseen. */
function errorsTo(terminal: Terminal): Pick<Log, 'error'> {
  const error = (message: string, fields?: LogFields) => {
    const { error: cause } = fields ?? {};
    terminal.error(`${message}: ${cause instanceof Error ? cause.message : String(cause)}`);
  };
  return { error };
}

/** On loopback, and on a free port unless one was asked for: what the configuration names may be in use by a server. */
function ownConfig(config: Config, portGiven: boolean): Config {
  const {
    publicUrl: _elsewhere,
    adminListen: _taken,
    tls: _forOthers,
    basePath: _inFront,
    clients: _notUs,
    ...rest
  } = config;
  return {
    ...rest,
    host: '127.0.0.1',
    port: portGiven ? config.port : 0,
    raw: config.raw.map(({ listen: _alsoTaken, ...mount }) => mount),
    workers: 1,
    graceMs: 0,
  };
}
