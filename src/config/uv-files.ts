// What uv's own configuration files name as the index: those of the user and of the system. A project's uv.toml is not
// looked at, for we serve every project of this machine.

import { join } from 'node:path';

type Environment = Readonly<Record<string, string | undefined>>;

/** The files, strongest first. UV_CONFIG_FILE names the only one, UV_NO_CONFIG means none. */
export function uvConfigPaths(env: Environment): string[] {
  if (env.UV_CONFIG_FILE) return [env.UV_CONFIG_FILE];
  if (isSet(env.UV_NO_CONFIG)) return [];
  const user = join(env.XDG_CONFIG_HOME || join(env.HOME ?? '/', '.config'), 'uv/uv.toml');
  const system = (env.XDG_CONFIG_DIRS || '/etc/xdg').split(':').map((folder) => join(folder, 'uv/uv.toml'));
  return [user, ...system, '/etc/uv/uv.toml'];
}

/** The default index of a uv.toml, in uv's order: `[[index]]` with `default`, `index-url`, that of `[pip]`. */
export async function uvFileIndex(content: string): Promise<string | undefined> {
  // Loaded only where there is such a file.
  const { parse, TomlError } = await import('smol-toml');
  try {
    const { index, 'index-url': url, pip } = parse(content);
    const indexes = Array.isArray(index) ? index : [];
    const byDefault = indexes.map(tableOf).find((one) => one.default === true);
    return [byDefault?.url, url, tableOf(pip)['index-url']].find((one) => typeof one === 'string');
  } catch (error) {
    // uv refuses such a file, and so it names no index.
    if (!(error instanceof TomlError)) throw error;
    return undefined;
  }
}

function tableOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && !/^(?:|0|false|no|off)$/i.test(value);
}
