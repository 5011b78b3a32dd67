// The primary process of `workers: N`: starts the workers, starts those anew that die, and passes on what they have to
// say to one another. It holds no cache and answers no request, so nothing that a client sends can hurt it.

import cluster, { type Worker } from 'node:cluster';
import { randomUUID } from 'node:crypto';
import { extname, join } from 'node:path';
import type { Config } from '../config/config.ts';
import type { Log } from '../observe/log.ts';
import { LeaseTable } from './lease-table.ts';
import type { StartError, ToPrimary, ToWorker } from './messages.ts';
import { PurgeRounds } from './purge-rounds.ts';
import { SnapshotRounds } from './snapshot-rounds.ts';

/** How many workers, and how they are started. */
export interface PrimaryOptions {
  readonly log: Log;
  readonly version: string;
}

type CloseHow = 'drain' | 'finish' | 'now';

/** A worker that ends sooner than this after its start is not started anew at once. */
const STEADY_MS = 5_000;
const FIRST_RESTART_MS = 1_000;
const LAST_RESTART_MS = 30_000;
/** What a worker may take beyond drain and grace to close its stores, before it is killed. */
const CLOSE_MS = 5_000;

interface Member {
  readonly worker: Worker;
  readonly startedAt: number;
  /** How many of its predecessors died young, one after the other. */
  readonly earlyDeaths: number;
  ready: boolean;
}

/**
 * Starts the workers; resolves when the first one listens, for what keeps one from starting keeps all. Rejects with the
 * error of its start.
 */
export async function startWorkers(config: Config, options: PrimaryOptions): Promise<Primary> {
  const primary = new Primary(config, options);
  await primary.start();
  return primary;
}

/** Starts workers, replaces those that end, and passes messages. */
export class Primary {
  readonly #config: Config;
  readonly #options: PrimaryOptions;
  readonly #members = new Map<number, Member>();
  readonly #leases = new LeaseTable();
  readonly #rounds: SnapshotRounds;
  readonly #purges: PurgeRounds;
  /** What all workers call this node: see App's `node`. */
  readonly #node = randomUUID();
  readonly #restarts = new Set<NodeJS.Timeout>();
  readonly #first = Promise.withResolvers<void>();
  readonly #empty = Promise.withResolvers<void>();
  /** What the workers are told to listen on: all the same, for node:cluster shares a listener by its port's number. */
  #addresses: Pick<Config, 'port' | 'adminListen'>;
  #url = '';
  #adminUrl: string | undefined;
  #allReady = false;
  #closing = false;

  constructor(config: Config, options: PrimaryOptions) {
    this.#config = config;
    this.#options = options;
    this.#addresses = config;
    const workers = () => [...this.#members].filter(([, { ready }]) => ready).map(([id]) => id);
    this.#rounds = new SnapshotRounds({
      workers,
      ask: (worker, round) => this.#tell(worker, { kind: 'snapshot', round }),
    });
    this.#purges = new PurgeRounds({
      workers,
      tell: (worker, round, part) => this.#tell(worker, { kind: 'forget', round, part }),
    });
  }

  /** Where all workers listen, with the final slash. */
  get url(): string {
    return this.#url;
  }

  /** Where the administration of all workers is, when it has an address of its own. */
  get adminUrl(): string | undefined {
    return this.#adminUrl;
  }

  async start(): Promise<void> {
    // The name of this file ends as it runs: .ts from the sources, .js in the package.
    const program = join(import.meta.dirname, `worker-main${extname(import.meta.filename)}`);
    // Workers take connections from one queue of the system. Handed out by the primary, in turn, they are spread a little
    // more evenly, but each costs the primary half of what its request costs the worker, and one that is on its way to a
    // worker when that dies hangs for ever.
    cluster.schedulingPolicy = cluster.SCHED_NONE;
    cluster.setupPrimary({ exec: program, args: [], serialization: 'advanced' });
    cluster.on('message', (worker, message: ToPrimary) => this.#receive(worker, message));
    cluster.on('exit', (worker, code, signal) => this.#ended(worker, signal ?? `code ${code}`));
    this.#fork(0);
    await this.#first.promise;
    for (let others = this.#config.workers - 1; others > 0; others--) this.#fork(0);
  }

  /** See App.close; resolves when the last worker has ended. */
  async close(how: CloseHow): Promise<void> {
    this.#closing = true;
    for (const timer of this.#restarts) clearTimeout(timer);
    if (this.#members.size === 0) return;
    for (const id of this.#members.keys()) this.#tell(id, { kind: 'stop', how });
    const { drainMs, graceMs } = this.#config;
    const timer = setTimeout(() => this.#killAll(), drainMs + graceMs + CLOSE_MS);
    await this.#empty.promise;
    clearTimeout(timer);
  }

  unexpected(error: unknown): void {
    this.#options.log.error('unexpected', { error: error instanceof Error ? error : String(error) });
  }

  #fork(earlyDeaths: number): void {
    // After the last worker its listeners are gone, and a port that was free then must be asked for by its number.
    if (this.#members.size === 0 && this.#url !== '') {
      const { adminListen } = this.#config;
      const admin = adminListen && { adminListen: { ...adminListen, port: portOf(this.#adminUrl!) } };
      this.#addresses = { port: portOf(this.#url), ...admin };
    }
    const worker = cluster.fork();
    // A message to a process that has just died; its exit is told anyway.
    worker.on('error', () => {});
    this.#members.set(worker.id, { worker, startedAt: performance.now(), earlyDeaths, ready: false });
  }

  #receive(worker: Worker, message: ToPrimary): void {
    const { id: from } = worker;
    switch (message.kind) {
      case 'loaded': {
        const { port, adminListen } = this.#addresses;
        const config = { ...this.#config, port, ...(adminListen && { adminListen }) };
        this.#tell(from, { kind: 'start', config, version: this.#options.version, node: this.#node });
        return;
      }
      case 'ready':
        this.#ready(from, message.url, message.adminUrl);
        return;
      case 'failed':
        this.#failed(errorOf(message.error));
        return;
      case 'lease': {
        const state = this.#leases.request(message.key, { worker: from, id: message.id }, performance.now());
        this.#tell(from, { kind: 'lease', id: message.id, state });
        return;
      }
      case 'release':
        this.#tellOver(this.#leases.release(message.key, { worker: from, id: message.id }));
        return;
      case 'collect':
        void this.#rounds
          .collect()
          .then((snapshots) => this.#tell(from, { kind: 'collected', id: message.id, snapshots }));
        return;
      case 'snapshot':
        this.#rounds.answered(from, message.round, message.snapshot);
        return;
      case 'purged':
        void this.#purges.purge(from, message.part).then(() => this.#tell(from, { kind: 'forgotten', id: message.id }));
        return;
      case 'forgotten':
        this.#purges.forgotten(from, message.round);
    }
  }

  #ready(id: number, url: string, adminUrl: string | undefined): void {
    const member = this.#members.get(id);
    if (member === undefined) return;
    member.ready = true;
    if (this.#url === '') [this.#url, this.#adminUrl] = [url, adminUrl];
    this.#first.resolve();
    const ready = [...this.#members.values()].filter((other) => other.ready).length;
    if (this.#allReady || ready < this.#config.workers) return;
    this.#allReady = true;
    this.#options.log.info(`all ${ready} workers serve`);
  }

  /** Before the first worker serves this ends the start; afterwards the worker is tried again, as after any death. */
  #failed(error: Error): void {
    if (this.#url === '') {
      this.#closing = true;
      this.#first.reject(error);
    } else this.#options.log.error('a worker could not start', { error });
  }

  #ended(worker: Worker, how: string): void {
    const member = this.#members.get(worker.id);
    if (member === undefined) return;
    this.#members.delete(worker.id);
    this.#rounds.left(worker.id);
    this.#purges.left(worker.id);
    this.#tellOver(this.#leases.leave(worker.id));
    if (this.#members.size === 0) this.#empty.resolve();
    if (this.#closing) return;
    // It died without a word, before anything could be told of it.
    if (this.#url === '') this.#failed(new Error(`the first worker ended with ${how} while it started`));
    else this.#startAnew(member, how);
  }

  #startAnew({ worker, startedAt, earlyDeaths }: Member, how: string): void {
    const young = performance.now() - startedAt < STEADY_MS;
    const waitMs = young ? Math.min(FIRST_RESTART_MS * 2 ** earlyDeaths, LAST_RESTART_MS) : 0;
    this.#allReady = false;
    this.#options.log.warn('a worker ended, another one starts', { pid: worker.process.pid, how, inMs: waitMs });
    const timer = setTimeout(() => {
      this.#restarts.delete(timer);
      this.#fork(young ? earlyDeaths + 1 : 0);
    }, waitMs);
    this.#restarts.add(timer);
  }

  #tellOver(requests: readonly { readonly worker: number; readonly id: number }[]): void {
    for (const { worker, id } of requests) this.#tell(worker, { kind: 'lease', id, state: 'over' });
  }

  #tell(id: number, message: ToWorker): void {
    const worker = this.#members.get(id)?.worker;
    if (worker?.isConnected() === true) worker.send(message, () => {});
  }

  #killAll(): void {
    for (const { worker } of this.#members.values()) {
      this.#options.log.warn('a worker does not end, it is killed', { pid: worker.process.pid });
      worker.process.kill('SIGKILL');
    }
  }
}

function portOf(url: string): number {
  const { port, protocol } = new URL(url);
  return Number(port || (protocol === 'https:' ? 443 : 80));
}

function errorOf({ message, stack, ...known }: StartError): Error {
  return Object.assign(new Error(message), known, stack === undefined ? {} : { stack });
}
