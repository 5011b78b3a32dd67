// What pip's configuration files say of its index and of the way there, read in pip's own order so that we ask the same
// server in the same way.

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

/** A value that pip takes, and where it stands: a path, or the name of a variable. */
export interface PipValue {
  readonly value: string;
  readonly source: string;
}

/** How pip reaches its index, where its variables or files say so. */
export interface PipNetwork {
  /** `cert`: PEM file of certificate authorities. */
  readonly cert?: PipValue;
  /** `proxy`: for http and https alike. */
  readonly proxy?: PipValue;
  /** `client-cert`: one PEM file of a certificate and its private key. */
  readonly clientCert?: PipValue;
}

/** The values of one key in one file, by section. Keys may be written with `_` and behind `--`, as pip allows. */
function valuesOf(key: string, content: string): Map<string, string> {
  const found = new Map<string, string>();
  let section = '';
  for (const line of content.split(/\r?\n/)) {
    const header = /^\[([^\]]+)\]/.exec(line);
    if (header) section = header[1]!;
    const pair = /^([^#;\s][^=:]*?)\s*[=:]\s*(.*?)\s*$/.exec(line);
    if (!pair) continue;
    const named = pair[1]!.toLowerCase().replaceAll('_', '-').replace(/^--/, '');
    if (named === key && pair[2]) found.set(section, pair[2]);
  }
  return found;
}

/**
 * The value that `pip install` would take from its files: a later file wins over an earlier one, and the section
 * `install` over `global` whichever file it stands in.
 */
async function pipFileValue(
  key: string,
  paths: readonly string[],
  readText: (path: string) => Promise<string | undefined>,
): Promise<PipValue | undefined> {
  const bySection = new Map<string, PipValue>();
  for (const path of paths) {
    const content = await readText(path);
    for (const [section, value] of valuesOf(key, content ?? '')) bySection.set(section, { value, source: path });
  }
  return bySection.get('install') ?? bySection.get('global');
}

/** The index that `pip install` would take from its files. */
export async function pipFileIndex(
  paths: readonly string[],
  readText: (path: string) => Promise<string | undefined>,
): Promise<{ readonly url: string; readonly path: string } | undefined> {
  const found = await pipFileValue('index-url', paths, readText);
  return found && { url: found.value, path: found.source };
}

/** How pip reaches its index. PIP_CERT is not here: it is read with the variables of other programs (network.ts). */
export async function pipNetwork({
  env,
  platform,
  readText,
}: {
  readonly env: Environment;
  readonly platform: NodeJS.Platform;
  readonly readText: (path: string) => Promise<string | undefined>;
}): Promise<PipNetwork> {
  const paths = pipConfigPaths(env, platform);
  const setting = async (key: string, variable?: string): Promise<PipValue | undefined> => {
    const set = variable === undefined ? undefined : env[variable]?.trim();
    return variable && set ? { value: set, source: variable } : pipFileValue(key, paths, readText);
  };
  const [cert, proxy, clientCert] = await Promise.all([
    setting('cert'),
    setting('proxy', 'PIP_PROXY'),
    setting('client-cert', 'PIP_CLIENT_CERT'),
  ]);
  return { ...(cert && { cert }), ...(proxy && { proxy }), ...(clientCert && { clientCert }) };
}
