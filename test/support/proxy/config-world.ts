// A machine for configuration tests: a temporary folder with files, an environment of its own, and a pip that answers.

import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Machine } from '../../../src/config/default-upstream.ts';
import { type LoadedConfig, loadConfig } from '../../../src/config/load.ts';
import { ConfigurationError } from '../../../src/config/problems.ts';
import type { ConfigInput } from '../../../src/config/settings.ts';
import { temporaryFolder } from '../disk/temporary-folder.ts';

export const UPSTREAM = 'https://index.example/simple/';

/** A folder with these files (name: content), removed after the test. */
export async function folderWith(t: TestContext, files: Readonly<Record<string, string>> = {}): Promise<string> {
  const folder = await temporaryFolder(t);
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), content);
  }
  return folder;
}

/** A machine on which no installer names an index, changed by what is given. */
export function bareMachine(given: Partial<Machine> = {}): Machine {
  return {
    env: {},
    platform: 'linux',
    readText: async () => undefined,
    pipInstallHelp: async () => undefined,
    remembered: async () => undefined,
    remember: async () => {},
    ...given,
  };
}

export interface World {
  /** Files of the working folder; `wheelkeep.yaml`, when there, is the configuration file. */
  readonly files?: Readonly<Record<string, string>>;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly flags?: ConfigInput['flags'];
  readonly machine?: Partial<Machine>;
}

/** Loads the configuration of a world; HOME is its empty folder, so nothing of the real machine is read. */
export async function load(t: TestContext, world: World): Promise<LoadedConfig & { readonly folder: string }> {
  const folder = await folderWith(t, world.files);
  const file = world.files?.['wheelkeep.yaml'] === undefined ? {} : { WHEELKEEP_CONFIG: 'wheelkeep.yaml' };
  const env = { HOME: folder, ...file, ...world.env };
  const input = { flags: world.flags ?? {}, env, cwd: folder, home: join(folder, 'home') };
  const loaded = await loadConfig(input, { notes: false, machine: bareMachine({ env, ...world.machine }) });
  return { ...loaded, folder };
}

/** The lines of the refusal that a world deserves. */
export async function refusal(t: TestContext, world: World): Promise<string[]> {
  try {
    await load(t, world);
  } catch (error) {
    if (error instanceof ConfigurationError) return error.message.split('\n');
    throw error;
  }
  throw new Error('the configuration was accepted');
}
