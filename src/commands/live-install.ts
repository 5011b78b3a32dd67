// A real installer, in a throw-away environment, against one index alone: the proof behind `wheelkeep drill --live`.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { namedProgram, withoutAddedCode } from '../config/installed-programs.ts';
import type { LockedVersion } from '../locks/lock.ts';
import { indexRequirements } from '../locks/requirements.ts';
import { installedOn, type Target } from '../locks/target.ts';
import type { Terminal } from './command-line.ts';
import type { NamedLock } from './named-locks.ts';

/** How a real install ended. */
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

/** What is installed from, and for which Python. */
export interface LiveSource {
  readonly indexUrl: string;
  /** The Python to make the environment of; undefined leaves that to the installer. */
  readonly python: string | undefined;
  readonly target: Target | undefined;
}

/**
 * Installs what the lock file names for this platform from one index. Throws NotInstallable when there is no installer,
 * or none that reads this lock.
 */
export async function liveInstall(
  lock: NamedLock,
  { indexUrl, python, target }: LiveSource,
  terminal: Pick<Terminal, 'env' | 'cwd'>,
  signal: AbortSignal,
): Promise<LiveInstall> {
  const folder = await mkdtemp(join(tmpdir(), 'wheelkeep-drill-'));
  const run = (program: string, args: readonly string[], cwd = folder) =>
    ran(program, args, { cwd, env: cleanEnvironment(terminal.env, folder), signal });
  try {
    await mkdir(join(folder, 'temporary'));
    const named = (program: string) => namedProgram(program, terminal);
    const uv = await named('uv');
    const hasUv = isAbsolute(uv) && (await run(uv, ['--version'])).code === 0;
    const asUv = hasUv ? (args: readonly string[], cwd: string) => run(uv, args, cwd) : undefined;
    const { lines, flags } = await requirementsOf(lock, resolve(terminal.cwd, lock.path), target, asUv);
    const requirements = join(folder, 'requirements.txt');
    await writeFile(requirements, `${lines.join('\n')}\n`);
    const pins = lines.filter((line) => !line.startsWith('-'));
    // Only with all hashes may it be required that there are any.
    if (pins.length > 0 && pins.every((line) => line.includes('--hash'))) flags.push('--require-hashes');
    const own = join(folder, 'environment', 'bin', 'python');
    const made = hasUv
      ? await run(uv, [
          'venv',
          '--quiet',
          ...(python === undefined ? [] : ['--python', await named(python)]),
          'environment',
        ])
      : await run(await named(python ?? 'python3'), ['-I', '-m', 'venv', 'environment']);
    if (made.code !== 0) {
      throw new NotInstallable(`an environment cannot be made (${made.output.trim()}); is uv or python3 installed?`);
    }
    const installed = hasUv
      ? await run(uv, ['pip', 'install', '--python', own, '--default-index', indexUrl, ...flags, '-r', requirements])
      : await run(own, ['-I', '-m', 'pip', 'install', '--index-url', indexUrl, ...flags, '-r', requirements]);
    return { installer: hasUv ? 'uv' : 'pip', succeeded: installed.code === 0, output: installed.output };
  } finally {
    // What an installer that was ended had started may write for a moment more.
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

interface Requirements {
  /** One requirement or option each. */
  readonly lines: readonly string[];
  /** What the installer must be told beside them. */
  readonly flags: string[];
}

/** What the lock file installs here: uv knows that of its own lock, requirements are as they are, of the rest we know. */
async function requirementsOf(
  { lock, path }: NamedLock,
  fullPath: string,
  target: Target | undefined,
  uv: ((args: readonly string[], cwd: string) => Promise<Ran>) | undefined,
): Promise<Requirements> {
  if (/\.(?:txt|in)$/.test(path)) return { lines: indexRequirements(await readFile(fullPath, 'utf8')), flags: [] };
  if (basename(path) !== 'uv.lock' || uv === undefined) {
    // A lock is whole: what it does not name is not to be installed.
    return { lines: [...installedOn(target, lock)].map(pinOf), flags: ['--no-deps'] };
  }
  const args = ['export', '--frozen', '--offline', '--quiet', '--no-emit-workspace', '--all-extras', '--all-groups'];
  const { code, stdout, output } = await uv(args, dirname(fullPath));
  if (code !== 0) throw new NotInstallable(`${path}: uv cannot export it: ${output.trim()}`);
  return { lines: indexRequirements(stdout), flags: [] };
}

/** As a line of a requirements file; weaker hashes are not accepted there. */
function pinOf({ project, version, files }: LockedVersion): string {
  const hashes = files.flatMap((file) => file.hashes).filter((hash) => /^sha(?:256|384|512):/.test(hash));
  return [`${project}==${version}`, ...hashes.map((hash) => `--hash=${hash}`)].join(' ');
}

/** Without settings that name other indexes or caches: what is installed can come from the one index only. */
function cleanEnvironment(env: Terminal['env'], folder: string): NodeJS.ProcessEnv {
  const kept = Object.entries(withoutAddedCode(env)).filter(
    ([name]) => !/^(?:UV|PIP)_|^(?:all|https?|no)_proxy$/i.test(name),
  );
  return {
    ...Object.fromEntries(kept),
    UV_NO_CONFIG: '1',
    UV_CACHE_DIR: join(folder, 'cache'),
    // A project's own environment is not looked into: what lies there as its Python would be run.
    UV_PROJECT_ENVIRONMENT: join(folder, 'environment'),
    // Where builds are made: they go with the folder.
    TMPDIR: join(folder, 'temporary'),
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

/** Rejects only when `signal` ends it, together with all that it started: builds are children of their own. */
async function ran(
  program: string,
  args: readonly string[],
  { cwd, env, signal }: { readonly cwd: string; readonly env: NodeJS.ProcessEnv; readonly signal: AbortSignal },
): Promise<Ran> {
  signal.throwIfAborted();
  // In a group of its own, so that all of it can be ended.
  const child = spawn(program, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const texts = { stdout: '', output: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    texts.stdout += text;
    texts.output += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    texts.output += text;
  });
  const end = () => endGroup(child);
  signal.addEventListener('abort', end);
  try {
    const [code] = await once(child, 'close');
    signal.throwIfAborted();
    return { code: code ?? 'signal', ...texts };
  } catch (error) {
    signal.throwIfAborted();
    return { code: (error as NodeJS.ErrnoException).code ?? 'failed', ...texts };
  } finally {
    signal.removeEventListener('abort', end);
  }
}

function endGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    // It has ended by itself.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
