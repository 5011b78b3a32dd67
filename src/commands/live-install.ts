// A real installer, in a throw-away environment, against one index alone: the proof behind `wheelkeep drill --live`.

import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { indexRequirements } from '../locks/requirements.ts';
import type { Terminal } from './command-line.ts';

export interface LiveInstall {
  readonly installer: 'uv' | 'pip';
  readonly succeeded: boolean;
  /** All that the installer said. */
  readonly output: string;
}

/** This lock file cannot be installed by itself; the message says what can. */
export class NotInstallable extends Error {}

interface Ran {
  /** 'ENOENT' for a program that is not there. */
  readonly code: number | string;
  readonly stdout: string;
  /** Both streams. */
  readonly output: string;
}

/**
 * Installs what the lock file names for this platform from `indexUrl`. Throws NotInstallable when there is no
 * installer, or none that reads this format.
 */
export async function liveInstall(
  path: string,
  indexUrl: string,
  terminal: Pick<Terminal, 'env' | 'cwd'>,
  signal: AbortSignal,
): Promise<LiveInstall> {
  const folder = await mkdtemp(join(tmpdir(), 'wheelkeep-drill-'));
  const run = (program: string, args: readonly string[], cwd = folder) =>
    ran(program, args, { cwd, env: cleanEnvironment(terminal.env, folder), signal });
  try {
    const hasUv = (await run('uv', ['--version'])).code === 0;
    const lines = indexRequirements(await requirementsOf(resolve(terminal.cwd, path), hasUv, run));
    const requirements = join(folder, 'requirements.txt');
    await writeFile(requirements, `${lines.join('\n')}\n`);
    // Only with all hashes may it be required that there are any.
    const hashed = lines.every((line) => line.includes('--hash')) ? ['--require-hashes'] : [];
    const python = join(folder, 'environment', 'bin', 'python');
    const made = hasUv
      ? await run('uv', ['venv', '--quiet', 'environment'])
      : await run('python3', ['-m', 'venv', 'environment']);
    if (made.code !== 0) {
      throw new NotInstallable(`an environment cannot be made (${made.output.trim()}); is uv or python3 installed?`);
    }
    const installed = hasUv
      ? await run('uv', [
          'pip',
          'install',
          '--python',
          python,
          '--default-index',
          indexUrl,
          ...hashed,
          '-r',
          requirements,
        ])
      : await run(python, ['-m', 'pip', 'install', '--index-url', indexUrl, ...hashed, '-r', requirements]);
    return { installer: hasUv ? 'uv' : 'pip', succeeded: installed.code === 0, output: installed.output };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** What the lock file installs here, as a requirements file: uv knows that of its own lock, with all markers. */
async function requirementsOf(
  path: string,
  hasUv: boolean,
  run: (program: string, args: readonly string[], cwd: string) => Promise<Ran>,
): Promise<string> {
  if (/\.(?:txt|in)$/.test(path)) return readFile(path, 'utf8');
  if (basename(path) !== 'uv.lock') {
    throw new NotInstallable(
      `${path}: --live installs requirements files and uv.lock; export it as requirements with hashes`,
    );
  }
  if (!hasUv) throw new NotInstallable(`${path}: --live needs uv on the PATH for a uv.lock`);
  const args = ['export', '--frozen', '--offline', '--quiet', '--no-emit-workspace', '--format', 'requirements-txt'];
  const { code, stdout, output } = await run('uv', args, dirname(path));
  if (code === 0) return stdout;
  throw new NotInstallable(`${path}: uv cannot export it: ${output.trim()}`);
}

/** Without settings that name other indexes or caches: what is installed can come from the one index only. */
function cleanEnvironment(env: Terminal['env'], folder: string): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(([name]) => !/^(?:UV|PIP)_|^(?:all|https?|no)_proxy$/i.test(name));
  return {
    ...Object.fromEntries(kept),
    UV_NO_CONFIG: '1',
    UV_CACHE_DIR: join(folder, 'cache'),
    UV_PYTHON_DOWNLOADS: 'never',
    ...(env.UV_PYTHON !== undefined && { UV_PYTHON: env.UV_PYTHON }),
    PIP_CONFIG_FILE: '/dev/null',
    PIP_NO_CACHE_DIR: '1',
    PIP_DISABLE_PIP_VERSION_CHECK: '1',
    PIP_NO_INPUT: '1',
    // What is refused now is refused a second later, too.
    UV_HTTP_RETRIES: '0',
    PIP_RETRIES: '0',
  };
}

/** Rejects only when `signal` ends it. */
function ran(
  program: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv; readonly signal: AbortSignal },
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { ...options, maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      if (options.signal.aborted) reject(options.signal.reason);
      else resolve({ code: error === null ? 0 : (error.code ?? 'signal'), stdout, output: stdout + stderr });
    });
  });
}
