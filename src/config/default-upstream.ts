// Which index to ask when the configuration names none: the one that this machine's own installers use today.
// No registry's address stands in this program. Every way out is injected, so a test is the whole machine.

import { join } from 'node:path';
import { upstreamAddress } from './addresses.ts';
import type { UpstreamConfig } from './config.ts';
import { InvalidValue } from './units.ts';
import { uvConfigPaths, uvFileIndex } from './uv-files.ts';

/** What is asked of this machine to find the index that its installers use. */
export interface Machine {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: NodeJS.Platform;
  /** The text of a file, undefined when it cannot be read. */
  readText(path: string): Promise<string | undefined>;
  /** The output of `pip install --help` of the pip on this machine, undefined when there is none. */
  pipInstallHelp(): Promise<string | undefined>;
  /** What was found behind pip's help at an earlier start. */
  remembered(): Promise<string | undefined>;
  remember(url: string): Promise<void>;
}

/** The index, and where it was found. */
export interface FoundUpstream {
  readonly upstream: UpstreamConfig;
  /** For the first lines of the log: `UV_DEFAULT_INDEX`, `/etc/pip.conf`, `the built-in default of pip`. */
  readonly foundIn: string;
}

/** What people then read on standard error. */
export const NO_UPSTREAM =
  'no installer of this machine names an index; set WHEELKEEP_UPSTREAM, for example to https://index.example/simple/';

/**
 * Asks in turn uv's and pip's variables, uv's files, pip's files, and last pip itself. `isOwn` recognises our own address, which a
 * user may have given to the installers already: it is skipped, since a proxy that asks itself answers nobody.
 */
export async function findDefaultUpstream(
  machine: Machine,
  isOwn: (url: string) => boolean,
): Promise<FoundUpstream | undefined> {
  const usable = (text: string | undefined, foundIn: string): FoundUpstream | undefined => {
    const upstream = text ? parsed(text) : undefined;
    return upstream && !isOwn(upstream.url) ? { upstream, foundIn } : undefined;
  };
  for (const variable of ['UV_DEFAULT_INDEX', 'UV_INDEX_URL', 'PIP_INDEX_URL']) {
    const found = usable(machine.env[variable], variable);
    if (found) return found;
  }
  for (const path of uvConfigPaths(machine.env)) {
    const content = await machine.readText(path);
    const found = usable(content && (await uvFileIndex(content)), path);
    if (found) return found;
  }
  const paths = pipConfigPaths(machine.env, machine.platform);
  // One file at a time from the strongest, so that a file which names us does not hide a weaker one that names upstream.
  for (let count = paths.length; count > 0; count--) {
    const named = await pipFileIndex(paths.slice(0, count), (path) => machine.readText(path));
    const found = named && usable(named.url, named.path);
    if (found) return found;
  }
  const remembered = usable(await machine.remembered(), 'the built-in default of pip, asked at an earlier start');
  if (remembered) return remembered;
  const asked = usable(builtInDefault((await machine.pipInstallHelp()) ?? ''), 'the built-in default of pip');
  if (asked) await machine.remember(asked.upstream.url);
  return asked;
}

/** The address in `pip install --help`, whose text is wrapped: `(default\n   https://index.example/simple)`. */
export function builtInDefault(help: string): string | undefined {
  return /\(default:? (https?:\/\/[^\s)]+)\)/.exec(help.replace(/\s+/g, ' '))?.[1];
}

/** uv allows `name=https://…`. What is no http address (a folder, say) is nothing that we could ask. */
function parsed(text: string): UpstreamConfig | undefined {
  try {
    return upstreamAddress.parse(text.trim().replace(/^[A-Za-z0-9._-]+=(?=https?:)/, ''));
  } catch (error) {
    if (error instanceof InvalidValue) return undefined;
    throw error;
  }
}

/** Whether `url` is where we listen: our port at our host, at a name of this machine's loopback, or our public address. */
export function isOwnAddress(
  url: string,
  own: {
    readonly host: string;
    readonly port: number;
    readonly publicUrl: string | undefined;
    readonly hostname: string;
  },
): boolean {
  const { protocol, hostname, port, origin } = new URL(url);
  if (own.publicUrl !== undefined && new URL(own.publicUrl).origin === origin) return true;
  if (Number(port || (protocol === 'https:' ? 443 : 80)) !== own.port) return false;
  const host = hostname.replace(/^\[|\]$/g, '');
  if (host === own.host.toLowerCase() || host === own.hostname.toLowerCase()) return true;
  return (
    host === 'localhost' ||
    host.endsWith('.localhost') ||
    /^127\./.test(host) ||
    ['::1', '::', '0.0.0.0'].includes(host)
  );
}

// What pip's configuration files say of its index and of the way there, read in pip's own order so that we ask the same
// server in the same way.

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
