// The real machine behind default-upstream.ts: its files, its pip, and the note in the data folder.

import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Machine } from './default-upstream.ts';

const PIP_TIMEOUT_MS = 5000;

/** `notes`: whether what pip said may be written down; `wheelkeep check` leaves no traces. */
export function thisMachine(
  env: Readonly<Record<string, string | undefined>>,
  options: { readonly dataDir: string; readonly notes: boolean },
): Machine {
  const note = join(options.dataDir, 'pip-default-index');
  const readText = (path: string) => readFile(path, 'utf8').catch(() => undefined);
  return {
    env,
    platform: process.platform,
    readText,
    pipInstallHelp: async () => (await pipHelp(env, 'python3', ['-m', 'pip'])) ?? (await pipHelp(env, 'pip', [])),
    remembered: () => readText(note),
    remember: async (url) => {
      if (!options.notes) return;
      try {
        await mkdir(dirname(note), { recursive: true, mode: 0o700 });
        await writeFile(note, `${url}\n`);
      } catch {
        // Only half a second of the next start is lost; whether the data folder works at all is asked elsewhere.
      }
    },
  };
}

/**
 * pip's help shows the default after variables and files were applied, so they are kept from it: what those name was
 * looked at before, and may be ourselves. COLUMNS keeps the address from being broken in the middle.
 */
function pipHelp(
  env: Readonly<Record<string, string | undefined>>,
  command: string,
  pip: string[],
): Promise<string | undefined> {
  const clean = Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('PIP_')));
  const settings = { ...clean, PIP_CONFIG_FILE: '/dev/null', COLUMNS: '200' };
  return new Promise((resolve) => {
    execFile(command, [...pip, 'install', '--help'], { env: settings, timeout: PIP_TIMEOUT_MS }, (error, stdout) => {
      resolve(error ? undefined : stdout);
    });
  });
}
