// The programs of this machine that we start by ourselves, such as Python and uv: by their absolute path, in a folder in
// which nobody leaves anything, without variables that add code. Nothing that lies in the folder in which a command is
// typed is run: a checkout may hold a `pip.py`, a `sitecustomize.py` or a `python3`.

import { constants } from 'node:fs';
import { access, realpath, stat } from 'node:fs/promises';
import { delimiter, isAbsolute, join, resolve, sep } from 'node:path';

type Environment = Readonly<Record<string, string | undefined>>;

/** Where our own questions to programs are asked. */
export const NEUTRAL_FOLDER = '/';

/** What makes any Python run code that is not its own, or another Python's library. */
const ADDS_CODE = /^PYTHON(?:PATH|HOME|STARTUP|USERBASE|PLATLIBDIR|BREAKPOINT|INSPECT|PYCACHEPREFIX|WARNINGS)$/;

/** The environment without variables by which a Python would take code from elsewhere. */
export function withoutAddedCode(env: Environment): Record<string, string | undefined> {
  const kept = Object.entries(env).filter(([name]) => !ADDS_CODE.test(name));
  // For scripts that start a Python of their own: it does not look into the folder where it is started.
  return { ...Object.fromEntries(kept), PYTHONSAFEPATH: '1' };
}

/** The absolute paths of the program in the order of PATH; entries of PATH that depend on the current folder do not count. */
export async function findPrograms(name: string, { PATH = '' }: Environment): Promise<string[]> {
  const found: string[] = [];
  for (const folder of PATH.split(delimiter)) {
    const path = join(folder, name);
    if (isAbsolute(folder) && (await isProgram(path))) found.push(path);
  }
  return found;
}

/**
 * The program that a user named: a path belongs to `cwd`, a name is looked for on PATH. A name that is not found is
 * given back as it is, so that the failure names it.
 */
export async function namedProgram(given: string, { env, cwd }: { readonly env: Environment; readonly cwd: string }) {
  if (given.includes('/')) return resolve(cwd, given);
  const [first] = await findPrograms(given, env);
  return first ?? given;
}

/** Whether the path lies in the folder, also by a link on either side; the root folder holds everything and says nothing. */
export async function liesIn(folder: string, path: string): Promise<boolean> {
  const real = (one: string) => realpath(one).catch(() => resolve(one));
  const within = (outer: string, inner: string) => outer !== '/' && (inner === outer || inner.startsWith(outer + sep));
  const outer = await real(folder);
  return within(outer, await real(path)) || within(outer, resolve(path)) || within(resolve(folder), resolve(path));
}

async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return (await stat(path)).isFile();
  } catch {
    // Not there, or not ours to run: the next folder may have one.
    return false;
  }
}
