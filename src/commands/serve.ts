// `wheelkeep serve`: configuration, start, the first lines, and then waiting for the signal to stop.

import { Command } from 'commander';
import { dataFolderProblem } from '../config/data-folder.ts';
import { packageVersion } from '../config/installation.ts';
import { type LoadedConfig, loadConfig } from '../config/load.ts';
import { ConfigurationError } from '../config/problems.ts';
import { startLines } from '../config/start-lines.ts';
import { CommandFailure, configInput, FAILED, type Terminal, withConfigFlags } from './command-line.ts';
import { explainStartFailure } from './start-failure.ts';
import { stopSignal } from './stop-signal.ts';

const EXAMPLES = `
Examples:
  $ wheelkeep serve
  $ wheelkeep serve --upstream https://index.example/simple/ --port 8080
  $ wheelkeep serve --config wheelkeep.yaml
  $ WHEELKEEP_DISK_QUOTA=200GB WHEELKEEP_LOG_FORMAT=json wheelkeep serve

Exit codes: 0 stopped by a signal, 1 it could not start or had to end, 2 the command line or the configuration is
wrong, 130 or 143 a second signal ended it at once.`;

/** `wheelkeep serve`. */
export function serveCommand(terminal: Terminal): Command {
  return withConfigFlags(new Command('serve'))
    .description('serve the indexes until SIGTERM or SIGINT; a second signal ends at once')
    .addHelpText('after', EXAMPLES)
    .action(async (given: Record<string, unknown>) => {
      const loaded = await loadConfig(configInput(terminal, given));
      const { config, read } = loaded;
      const problem = await dataFolderProblem(config.dataDir, read.sources.dataDir);
      if (problem) throw new ConfigurationError([problem]);
      await serve(loaded).catch((error) => {
        const sentence = explainStartFailure(error, config, read.sources);
        throw sentence === undefined ? error : new CommandFailure(sentence);
      });
    });
}

/** Resolves when the server has drained and closed. */
async function serve({ config, warnings }: LoadedConfig): Promise<void> {
  const stop = stopSignal();
  // Loaded here, because `check`, `env` and `--help` need none of the machine, and a primary process only its workers.
  const starting =
    config.workers > 1
      ? import('../workers/primary.ts').then(({ startWorkers }) => startWorkers)
      : import('../app/app.ts').then(({ startApp }) => startApp);
  const [start, { createLog, openSharedSink, openSink }] = await Promise.all([starting, import('../observe/log.ts')]);
  const sink = config.workers > 1 ? openSharedSink(1) : openSink(1);
  process.on('exit', () => sink.flush());
  const log = createLog({ level: config.logLevel, format: config.logFormat, sink });
  const app = await start(config, { log, sink, version: packageVersion() });
  // A promise that nobody awaited harms nobody else: it is logged and counted, and we go on. After an exception that
  // nobody caught the state is unknown: it is logged, and the supervisor starts a new process.
  process.on('unhandledRejection', (reason) => app.unexpected(reason));
  process.on('uncaughtException', (error) => {
    log.error('unexpected exception, ending', { error });
    process.exit(FAILED);
  });
  for (const line of startLines(config, { url: app.url, adminUrl: app.adminUrl, version: packageVersion() })) {
    if (config.logFormat === 'json') log.info(line);
    else sink.write(`${line}\n`);
  }
  for (const warning of warnings) log.warn(warning);
  sink.handOver();

  const signal = await stop;
  log.info(`${signal}: finishing what runs; a second signal ends at once`);
  sink.handOver();
  // A person who pressed Ctrl-C has no balancer that must see it first.
  await app.close(signal === 'SIGINT' ? 'finish' : 'drain');
  log.info('stopped');
}
