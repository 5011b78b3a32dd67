// Wheelkeep as users run it: `bin/wheelkeep serve` in a process of its own, configured by its environment alone.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseMetrics } from '../assert/prometheus-text.ts';
import { fetchAll } from './http-client.ts';

const LAUNCHER = fileURLToPath(new URL('../../../bin/wheelkeep', import.meta.url));

export interface SpawnOptions {
  readonly dataDir: string;
  readonly upstreams: readonly string[];
  /** Port to listen on; a free one unless given. A restart on the same port keeps the URLs in lock files right. */
  readonly port?: number;
  /** The address of the administration and health, where it is another one. */
  readonly adminListen?: string;
  /** Further variables, with their whole names. */
  readonly env?: Readonly<Record<string, string>>;
  /** A limit of the shell's `ulimit` that it has to live with: `-n 60`, `-f 8192` (blocks of 512 bytes). */
  readonly limit?: string;
  /** Folders of control groups in which it runs: a machine with less than this one has. */
  readonly groups?: readonly string[];
}

export interface SpawnedProxy {
  /** Without a final slash. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** All that it printed on both streams until now. */
  output(): string;
  /** Sends the signal and waits for the end; resolves with the exit code, or the signal that ended it. */
  stop(signal?: NodeJS.Signals): Promise<number | NodeJS.Signals>;
  metrics(): Promise<Record<string, number>>;
}

const START_LIMIT_MS = 15_000;

/** Resolves once /-/ready says so; rejects with what was printed when the process ends before that. */
export async function spawnProxy(options: SpawnOptions): Promise<SpawnedProxy> {
  const { dataDir, upstreams, port = 0, adminListen, env = {}, limit, groups = [] } = options;
  const before = [
    ...groups.map((folder) => `echo $$ > ${folder}/cgroup.procs`),
    ...(limit === undefined ? [] : [`ulimit ${limit}`]),
  ];
  const command =
    before.length === 0 ? [LAUNCHER, 'serve'] : ['sh', '-c', `${before.join(' && ')} && exec "$0" serve`, LAUNCHER];
  const child = spawn(command[0]!, command.slice(1), {
    env: {
      PATH: process.env.PATH ?? '',
      HOME: dataDir,
      WHEELKEEP_HOST: '127.0.0.1',
      WHEELKEEP_PORT: String(port),
      WHEELKEEP_DATA_DIR: dataDir,
      WHEELKEEP_UPSTREAM: upstreams.join(','),
      WHEELKEEP_DRAIN: '0s',
      ...(adminListen !== undefined && { WHEELKEEP_ADMIN_LISTEN: adminListen }),
      WHEELKEEP_FILE_ORIGINS: [...new Set(upstreams.map((url) => new URL(url).origin))].join(','),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const exit = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
  const { url, admin } = await listening(child, () => output);
  await ready(child, admin, () => output);
  return {
    url,
    port: Number(new URL(url).port),
    pid: child.pid!,
    output: () => output,
    stop: async (signal = 'SIGTERM') => {
      child.kill(signal);
      const [code, endedBy] = await exit;
      return code ?? endedBy!;
    },
    metrics: async () => parseMetrics((await fetchAll(`${admin}/metrics`, { anyCertificate: true })).text()),
  };
}

const LISTENS = /listens on (https?:\/\/[^\s"]+)\//;
const ADMINISTRATION = /status page, administration, metrics, health: (https?:\/\/[^\s"]+)\//;
const LAST_LINE = /try: pip install/;

/** Where it says that it listens, without final slashes: who answers there is this process and no other. */
async function listening(child: ChildProcess, output: () => string): Promise<{ url: string; admin: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  child.stdout?.on('data', () => LAST_LINE.test(output()) && resolve());
  child.once('close', () => reject(new Error(`it ended at its start:\n${output()}`)));
  const late = setTimeout(() => {
    child.kill('SIGKILL');
    reject(new Error(`it did not listen within ${START_LIMIT_MS} ms:\n${output()}`));
  }, START_LIMIT_MS);
  await promise.finally(() => clearTimeout(late));
  const url = LISTENS.exec(output())![1]!;
  return { url, admin: ADMINISTRATION.exec(output())?.[1] ?? url };
}

async function ready(child: ChildProcess, url: string, output: () => string): Promise<void> {
  const deadline = performance.now() + START_LIMIT_MS;
  while (performance.now() < deadline) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`it ended at its start:\n${output()}`);
    const status = await fetchAll(`${url}/-/ready`, { anyCertificate: true }).then(
      (response) => response.status,
      () => 0,
    );
    if (status === 200) return;
    await sleep(25);
  }
  child.kill('SIGKILL');
  throw new Error(`it was not ready within ${START_LIMIT_MS} ms:\n${output()}`);
}
