// Which index to ask when the configuration names none: the one that this machine's own installers use today.
// No registry's address stands in this program. Every way out is injected, so a test is the whole machine.

import { upstreamAddress } from './addresses.ts';
import type { UpstreamConfig } from './config.ts';
import { pipConfigPaths, pipFileIndex } from './pip-files.ts';
import { InvalidValue } from './units.ts';
import { uvConfigPaths, uvFileIndex } from './uv-files.ts';

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
