// The real machine behind default-upstream.ts: its files, its pip, and the note in the data folder.

import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Machine } from './default-upstream.ts';
import { findPrograms, liesIn, NEUTRAL_FOLDER, withoutAddedCode } from './installed-programs.ts';

const PIP_TIMEOUT_MS = 5000;
/** `pip-default-index`, as it was called before, may hold what a `pip.py` of some checkout said. */
const NOTE = 'pip-built-in-index';

/**
 * `notes`: whether what pip said may be written down; `wheelkeep check` leaves no traces. `cwd`: the folder in which the
 * command was typed; what a program in it says is not written down either.
 */
export function thisMachine(
  env: Readonly<Record<string, string | undefined>>,
  options: { readonly dataDir: string; readonly cwd: string; readonly notes: boolean },
): Machine {
  const note = join(options.dataDir, NOTE);
  const readText = (path: string) => readFile(path, 'utf8').catch(() => undefined);
  let mayRemember = options.notes;
  return {
    env,
    platform: process.platform,
    readText,
    pipInstallHelp: async () => {
      for (const { path, args, isInFolder } of await pips(env, options.cwd)) {
        const help = await pipHelp(env, path, args);
        if (help === undefined) continue;
        mayRemember = options.notes && !isInFolder;
        return help;
      }
      return undefined;
    },
    remembered: () => readText(note),
    remember: async (url) => {
      if (!mayRemember) return;
      try {
        await mkdir(dirname(note), { recursive: true, mode: 0o700 });
        await writeFile(note, `${url}\n`);
      } catch {
        // Only half a second of the next start is lost; whether the data folder works at all is asked elsewhere.
      }
    },
  };
}

/** Each way to this machine's pip; those in the current folder, as of an environment that is switched on, come last. */
async function pips(env: Readonly<Record<string, string | undefined>>, cwd: string) {
  const found = [
    // -I: without the current folder, variables and the user's own packages on the path of modules.
    ...(await findPrograms('python3', env)).map((path) => ({ path, args: ['-I', '-m', 'pip'] })),
    ...(await findPrograms('pip', env)).map((path) => ({ path, args: [] as string[] })),
  ];
  const placed = await Promise.all(found.map(async (one) => ({ ...one, isInFolder: await liesIn(cwd, one.path) })));
  return [...placed.filter(({ isInFolder }) => !isInFolder), ...placed.filter(({ isInFolder }) => isInFolder)];
}

/**
 * pip's help shows the default after variables and files were applied, so they are kept from it: what those name was
 * looked at before, and may be ourselves. COLUMNS keeps the address from being broken in the middle.
 */
function pipHelp(
  env: Readonly<Record<string, string | undefined>>,
  program: string,
  pip: readonly string[],
): Promise<string | undefined> {
  const clean = Object.fromEntries(Object.entries(withoutAddedCode(env)).filter(([name]) => !name.startsWith('PIP_')));
  const settings = { ...clean, PIP_CONFIG_FILE: '/dev/null', COLUMNS: '200' };
  const asked = { env: settings, cwd: NEUTRAL_FOLDER, timeout: PIP_TIMEOUT_MS };
  return new Promise((resolve) => {
    execFile(program, [...pip, 'install', '--help'], asked, (error, stdout) => resolve(error ? undefined : stdout));
  });
}
