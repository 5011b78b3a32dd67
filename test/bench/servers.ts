// The contenders: Wheelkeep as shipped, nginx in its two forms, and the bare server. One worker each; every one takes
// the same paths, `/simple/<project>/` and `/files/http/<upstream>/<path>`.

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '../support/proxy/free-port.ts';
import type { BareQuestion } from './bare-server.ts';
import { ask } from './child-calls.ts';
import { fetchWhole } from './fetch-whole.ts';
import type { Stage } from './stage.ts';

export interface Server {
  readonly name: string;
  /** Without a final slash. */
  readonly url: string;
  readonly pid: number;
  /** Milliseconds from the start of the process until it was ready. */
  readonly startMs: number;
  stop(): Promise<void>;
}

export interface BareServer extends Server {
  /** Learns the answer that another server gives at this address. */
  learn(url: string, fields: Readonly<Record<string, string>>): Promise<void>;
}

export interface WheelkeepOptions {
  readonly upstream: string;
  /** A fresh one unless given. */
  readonly dataDir?: string;
  /** Settings by their variable, where the case needs others than the defaults. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Where to leave a CPU profile when it ends. */
  readonly profileFolder?: string | undefined;
}

const LAUNCHER = fileURLToPath(new URL('../../bin/wheelkeep', import.meta.url));
/** Between two looks whether a server is ready. */
const LOOK_MS = 5;
const START_LIMIT_MS = 60_000;

/** `bin/wheelkeep serve` with its defaults: access log (to a file) and metrics are on. */
export async function startWheelkeep(stage: Stage, options: WheelkeepOptions): Promise<Server> {
  const { upstream, settings = {}, profileFolder } = options;
  const dataDir = options.dataDir ?? (await stage.newFolder('data'));
  const port = await freePort();
  const logPath = join(stage.folder, `wheelkeep-${port}.log`);
  const log = openSync(logPath, 'a');
  const startedAt = performance.now();
  const child = stage.spawn(
    LAUNCHER,
    ['serve'],
    {
      PATH: process.env.PATH,
      HOME: dataDir,
      WHEELKEEP_PORT: String(port),
      WHEELKEEP_DATA_DIR: dataDir,
      WHEELKEEP_UPSTREAM: `${upstream}/simple/`,
      WHEELKEEP_FILE_ORIGINS: upstream,
      ...(profileFolder === undefined ? {} : { NODE_OPTIONS: `--cpu-prof --cpu-prof-dir=${profileFolder}` }),
      ...settings,
    },
    log,
  );
  closeSync(log);
  const url = `http://127.0.0.1:${port}`;
  await ready(child, `${url}/-/ready`, 200, logPath);
  return {
    name: 'wheelkeep',
    url,
    pid: child.pid!,
    startMs: performance.now() - startedAt,
    stop: () => stage.stop(child),
  };
}

export async function startNginx(stage: Stage, form: 'usual' | 'tuned', upstream: string): Promise<Server> {
  const folder = await stage.newFolder(`nginx-${form}`);
  const port = await freePort();
  const values: Record<string, string> = {
    folder,
    port: String(port),
    innerPort: String(await freePort()),
    upstream: new URL(upstream).host,
    // Started by root, the worker would otherwise be another user, who may not write here.
    user: process.getuid!() === 0 ? 'user root root;' : '',
  };
  const template = await readFile(new URL(`./nginx/${form}.conf`, import.meta.url), 'utf8');
  const configuration = join(folder, 'nginx.conf');
  await writeFile(
    configuration,
    template.replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => values[name]!),
  );
  const logPath = join(folder, 'error.log');
  const log = openSync(logPath, 'a');
  const startedAt = performance.now();
  const child = stage.spawn('nginx', ['-p', folder, '-c', configuration, '-e', logPath], process.env, log);
  closeSync(log);
  const url = `http://127.0.0.1:${port}`;
  await ready(child, `${url}/`, 404, logPath);
  const startMs = performance.now() - startedAt;
  return { name: `nginx ${form}`, url, pid: child.pid!, startMs, stop: () => stage.stop(child) };
}

export function startBare(stage: Stage): Promise<BareServer> {
  return startBareModule(stage, 'bare node:http', 'bare-server.ts');
}

/** Two processes on one port. */
export function startBareWorkers(stage: Stage): Promise<BareServer> {
  return startBareModule(stage, 'bare node:http, 2 workers', 'bare-workers.ts');
}

/** Fetches what it has learned once, and hands it to all who ask while it arrives. */
export function startBareFanOut(stage: Stage): Promise<BareServer> {
  return startBareModule(stage, 'bare node:http', 'bare-fan-out.ts');
}

/** Fetches what it is asked for from the origin that it has learned, and keeps it. */
export function startBarePullThrough(stage: Stage): Promise<BareServer> {
  return startBareModule(stage, 'bare node:http', 'bare-pull-through.ts');
}

async function startBareModule(stage: Stage, name: string, module: string): Promise<BareServer> {
  const startedAt = performance.now();
  const child = stage.fork(new URL(module, import.meta.url));
  await once(child, 'spawn');
  const question = <Value>(value: BareQuestion) => ask<Value>(child, value);
  return {
    name,
    url: await question<string>(undefined),
    pid: child.pid!,
    startMs: performance.now() - startedAt,
    stop: () => stage.stop(child),
    learn: (url, fields) => question({ url, fields }),
  };
}

async function ready(child: ChildProcess, url: string, status: number, logPath: string): Promise<void> {
  const deadline = performance.now() + START_LIMIT_MS;
  while (performance.now() < deadline && child.exitCode === null) {
    const answer = await fetchWhole(url).catch(() => undefined);
    if (answer?.status === status) return;
    await sleep(LOOK_MS);
  }
  throw new Error(`a server did not become ready at ${url}:\n${await readFile(logPath, 'utf8')}`);
}
