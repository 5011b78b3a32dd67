// The real installers: where they are, and an empty machine to run each of them on.

import { execFile } from 'node:child_process';
import { mkdir, readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Variables that name the installers; .ci/run sets them. */
export type ToolVariable =
  | 'WHEELKEEP_TEST_PIP'
  | 'WHEELKEEP_TEST_PIP_OLD'
  | 'WHEELKEEP_TEST_UV'
  | 'WHEELKEEP_TEST_POETRY'
  | 'WHEELKEEP_TEST_PDM'
  | 'WHEELKEEP_TEST_PIPENV'
  | 'WHEELKEEP_TEST_HATCH'
  | 'WHEELKEEP_TEST_EASY_INSTALL'
  | 'WHEELKEEP_TEST_TWINE'
  /** check-jsonschema, with kubernetes-validate beside it. */
  | 'WHEELKEEP_TEST_SCHEMAS';

/**
 * The tool's path, or why its tests are skipped. `npm test` turns skips into failures where all must run
 * (support/skips.ts).
 */
export function tool(variable: ToolVariable): { readonly path: string; readonly skip: string | false } {
  const path = process.env[variable];
  return path === undefined ? { path: '', skip: `set ${variable} to run this` } : { path, skip: false };
}

/** The Python of the tool's virtual environment: the variable may name any executable of that environment. */
export function pythonOf(variable: ToolVariable): { readonly path: string; readonly skip: string | false } {
  const { path, skip } = tool(variable);
  return { path: join(dirname(path), 'python'), skip };
}

export interface Machine {
  readonly home: string;
  /** Runs a command; rejects with everything it printed when it fails. */
  run(command: string, args: readonly string[], cwd?: string): Promise<string>;
}

const COMMAND_LIMIT_MS = 60_000;

/** A home without caches and configuration, whose only index is `indexUrl`; everything beyond loopback is refused. */
export async function emptyMachine(
  home: string,
  indexUrl: string,
  more: Readonly<Record<string, string>> = {},
): Promise<Machine> {
  await mkdir(home, { recursive: true });
  const env = {
    PATH: process.env.PATH ?? '',
    HOME: home,
    TMPDIR: home,
    LANG: 'C.UTF-8',
    // A proxy at a closed port: what is not loopback fails at once instead of reaching a network.
    HTTP_PROXY: 'http://127.0.0.1:9',
    HTTPS_PROXY: 'http://127.0.0.1:9',
    NO_PROXY: '127.0.0.1,localhost',
    PIP_INDEX_URL: indexUrl,
    PIP_CONFIG_FILE: '/dev/null',
    PIP_NO_CACHE_DIR: '1',
    PIP_DISABLE_PIP_VERSION_CHECK: '1',
    PIP_NO_INPUT: '1',
    UV_DEFAULT_INDEX: indexUrl,
    UV_CACHE_DIR: join(home, 'uv-cache'),
    UV_PYTHON_DOWNLOADS: 'never',
    UV_NO_CONFIG: '1',
    POETRY_CACHE_DIR: join(home, 'poetry-cache'),
    POETRY_CONFIG_DIR: join(home, 'poetry-config'),
    POETRY_NO_INTERACTION: '1',
    POETRY_VIRTUALENVS_IN_PROJECT: 'true',
    POETRY_VIRTUALENVS_OPTIONS_NO_PIP: 'true',
    PDM_CHECK_UPDATE: '0',
    PIPENV_VENV_IN_PROJECT: '1',
    PIPENV_NOSPIN: '1',
    // Twine and pipenv colour what they print, also where nobody sees it.
    NO_COLOR: '1',
    ...more,
  };
  const run: Machine['run'] = (command, args, cwd = home) => {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    execFile(command, args, { cwd, env, timeout: COMMAND_LIMIT_MS, maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout + stderr);
      else
        reject(new Error(`${command} ${args.join(' ')} failed (${error.code ?? error.signal}):\n${stdout}${stderr}`));
    });
    return promise;
  };
  return { home, run };
}

/** The folder into which a virtual environment's packages go. */
export async function sitePackagesOf(environment: string): Promise<string> {
  const lib = join(environment, 'lib');
  const [python] = (await readdir(lib)).filter((name) => name.startsWith('python'));
  if (python === undefined) throw new Error(`${environment} is no virtual environment`);
  return join(lib, python, 'site-packages');
}
