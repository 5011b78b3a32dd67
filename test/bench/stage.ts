// Where the bench plays: one temporary folder and the processes started in it. Whatever ends the bench, its end, an
// error or Ctrl-C, `close()` ends these processes by their ids and removes the folder.

import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A process that has not ended this long after SIGTERM is killed: Wheelkeep drains, and may have a profile to write. */
const PATIENCE_MS = 10_000;

export class Stage {
  readonly folder = mkdtempSync(join(tmpdir(), 'wheelkeep-bench-'));
  readonly #children = new Set<ChildProcess>();
  #folders = 0;

  /** A fresh folder on this stage. */
  async newFolder(name: string): Promise<string> {
    const folder = join(this.folder, `${name}-${++this.#folders}`);
    await mkdir(folder);
    return folder;
  }

  /** Starts a server. `output` takes what it prints on both streams. */
  spawn(command: string, args: readonly string[], env: NodeJS.ProcessEnv, output: number): ChildProcess {
    return this.#keep(spawn(command, args, { env, stdio: ['ignore', output, output] }));
  }

  /** Starts a module of the bench in a process of its own, so that its work does not disturb ours. */
  fork(module: URL): ChildProcess {
    return this.#keep(fork(module));
  }

  /** Runs a command to its end; resolves with its standard output, rejects when it fails. */
  async run(command: string, args: readonly string[]): Promise<string> {
    const child = this.#keep(spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] }));
    let output = '';
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    const [code, signal] = await once(child, 'close');
    if (code !== 0) throw new Error(`${command} ended with ${code ?? signal}:\n${output}`);
    return output;
  }

  /** Ends a process: SIGTERM, and SIGKILL if that does not do. */
  async stop(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit').then(() => true);
    child.kill('SIGTERM');
    if (await Promise.race([ended, sleep(PATIENCE_MS, false)])) return;
    child.kill('SIGKILL');
    await ended;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#children].map((child) => this.stop(child)));
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  #keep(child: ChildProcess): ChildProcess {
    this.#children.add(child);
    child.once('exit', () => this.#children.delete(child));
    return child;
  }
}
