// The program of a worker process: serves by the configuration that the primary hands it, and ends when it says so.
// Signals are the primary's business: Ctrl-C and a supervisor's SIGTERM reach every process of the group, and a worker
// that obeyed them by itself would leave before its other workers. When the primary dies, node:cluster ends its workers.

import type { PurgePart } from '../admin/cache-keys.ts';
import { type App, startApp } from '../app/app.ts';
import { createLog, openSharedSink } from '../observe/log.ts';
import type { StartError, ToPrimary, ToWorker } from './messages.ts';
import { WorkerLink } from './worker-link.ts';

const FAILED = 1;

process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});

const send = (message: ToPrimary): void => {
  // The channel closes when the primary has died, and this process ends in the same moment.
  if (process.connected) process.send!(message, undefined, undefined, () => {});
};
const link = new WorkerLink(send);
let app: Promise<App> | undefined;

process.on('message', (message: ToWorker) => {
  switch (message.kind) {
    case 'start':
      app = start(message);
      return;
    case 'stop':
      void stop(message.how);
      return;
    case 'snapshot':
      void answerSnapshot(message.round);
      return;
    case 'forget':
      void forget(message.part, message.round);
      return;
    default:
      link.receive(message);
  }
});
send({ kind: 'loaded' });

async function start({ config, version, node }: Extract<ToWorker, { kind: 'start' }>): Promise<App> {
  const sink = openSharedSink(1);
  process.on('exit', () => sink.flush());
  const log = createLog({ level: config.logLevel, format: config.logFormat, sink });
  process.on('uncaughtException', (error) => {
    log.error('unexpected exception, this worker ends', { error });
    process.exit(FAILED);
  });
  try {
    const started = await startApp(config, { log, sink, version, node, workers: link });
    process.on('unhandledRejection', (reason) => started.unexpected(reason));
    send({ kind: 'ready', url: started.url, adminUrl: started.adminUrl });
    return started;
  } catch (error) {
    const message: ToPrimary = { kind: 'failed', error: startError(error) };
    // The primary tells the reason; this process ends once it is on its way.
    process.send!(message, undefined, undefined, () => process.exit(FAILED));
    return new Promise(() => {});
  }
}

async function stop(how: 'drain' | 'finish' | 'now'): Promise<void> {
  await (await app)?.close(how);
  process.exit(0);
}

async function answerSnapshot(round: number): Promise<void> {
  const running = await app;
  if (running !== undefined) send({ kind: 'snapshot', round, snapshot: await running.snapshot() });
}

async function forget(part: PurgePart, round: number): Promise<void> {
  (await app)?.purgedElsewhere(part);
  send({ kind: 'forgotten', round });
}

function startError(error: unknown): StartError {
  const { message, stack, code, syscall, path, port } = error as NodeJS.ErrnoException & { readonly port?: number };
  return { message, stack, code, syscall, path, port };
}
