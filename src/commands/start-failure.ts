// A start that failed for a reason the user can mend, told in one sentence: key, value, cure.

import type { Config } from '../config/config.ts';
import type { ReadSettings } from '../config/settings.ts';

/** The sentence, or undefined when the error is none of these and deserves its stack. */
export function explainStartFailure(
  error: unknown,
  config: Config,
  sources: ReadSettings['sources'],
): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, syscall, path } = error as NodeJS.ErrnoException;
  const host = `host = ${config.host} (${sources.host})`;
  if (syscall === 'listen' || syscall === 'bind') {
    const { port: asked = config.port } = error as { readonly port?: number };
    const other = asked === config.port ? undefined : otherListener(asked, config);
    const port = other ? `${other}: port ${asked}` : `port = ${asked} (${sources.port})`;
    if (code === 'EADDRINUSE') {
      const cure = other
        ? 'or choose another port'
        : `or choose another port, for example WHEELKEEP_PORT=${nextPort(asked)}`;
      return `${port}: is in use by another process; end that one ${cure}`;
    }
    if (code === 'EACCES') {
      return `${port}: this user may not listen on it; choose a port above 1023, for example 5030`;
    }
    if (code === 'EADDRNOTAVAIL') {
      return `${host}: this machine has no such address; use 127.0.0.1 for this machine alone or 0.0.0.0 for all its addresses`;
    }
  }
  if (syscall === 'getaddrinfo') {
    return `${host}: the name cannot be resolved (${code}); use an address of this machine, for example 127.0.0.1`;
  }
  if (
    path?.startsWith(config.dataDir) &&
    ['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT', 'ENOTDIR'].includes(code ?? '')
  ) {
    const cure =
      code === 'ENOSPC' || code === 'EDQUOT' ? 'free some space there' : 'give it to the user that runs wheelkeep';
    return `data_dir = ${config.dataDir} (${sources.dataDir}): ${path} cannot be written (${code}); ${cure}, or set WHEELKEEP_DATA_DIR to another folder`;
  }
  return undefined;
}

/** The option that names the listener on this port, beside `port`. */
function otherListener(port: number, { adminListen, raw }: Config): string | undefined {
  if (adminListen?.port === port) return 'admin_listen';
  const mount = raw.find(({ listen }) => listen?.port === port);
  return mount && `raw.${mount.name}.listen`;
}

function nextPort(port: number): number {
  return port < 65_535 ? port + 1 : 5030;
}
