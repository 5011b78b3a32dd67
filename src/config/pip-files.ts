// What pip's configuration files name as the index, read in pip's own order so that we ask the same server.

import { join } from 'node:path';

type Environment = Readonly<Record<string, string | undefined>>;

/** The files, weakest first: global, user, virtual environment, PIP_CONFIG_FILE (the null device means: none at all). */
export function pipConfigPaths(env: Environment, platform: NodeJS.Platform): string[] {
  const named = env.PIP_CONFIG_FILE;
  if (named === '/dev/null') return [];
  const home = env.HOME ?? '/';
  const global =
    platform === 'darwin'
      ? ['/Library/Application Support/pip/pip.conf']
      : [
          ...(env.XDG_CONFIG_DIRS || '/etc/xdg').split(':').map((folder) => join(folder, 'pip/pip.conf')),
          '/etc/pip.conf',
        ];
  const user = [
    join(home, '.pip/pip.conf'),
    join(env.XDG_CONFIG_HOME || join(home, '.config'), 'pip/pip.conf'),
    ...(platform === 'darwin' ? [join(home, 'Library/Application Support/pip/pip.conf')] : []),
  ];
  const site = env.VIRTUAL_ENV ? [join(env.VIRTUAL_ENV, 'pip.conf')] : [];
  return [...global, ...user, ...site, ...(named ? [named] : [])];
}

/** The values of `index-url` in one file, by section. Keys may be written with `_` and behind `--`, as pip allows. */
function indexUrls(content: string): Map<string, string> {
  const found = new Map<string, string>();
  let section = '';
  for (const line of content.split(/\r?\n/)) {
    const header = /^\[([^\]]+)\]/.exec(line);
    if (header) section = header[1]!;
    const pair = /^([^#;\s][^=:]*?)\s*[=:]\s*(.*?)\s*$/.exec(line);
    if (!pair) continue;
    const key = pair[1]!.toLowerCase().replaceAll('_', '-').replace(/^--/, '');
    if (key === 'index-url' && pair[2]) found.set(section, pair[2]);
  }
  return found;
}

/**
 * The index that `pip install` would take from its files: a later file wins over an earlier one, and the section
 * `install` over `global` whichever file it stands in.
 */
export async function pipFileIndex(
  paths: readonly string[],
  readText: (path: string) => Promise<string | undefined>,
): Promise<{ readonly url: string; readonly path: string } | undefined> {
  const bySection = new Map<string, { url: string; path: string }>();
  for (const path of paths) {
    const content = await readText(path);
    for (const [section, url] of indexUrls(content ?? '')) bySection.set(section, { url, path });
  }
  return bySection.get('install') ?? bySection.get('global');
}
