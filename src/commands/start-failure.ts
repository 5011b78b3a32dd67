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
  const port = `port = ${config.port} (${sources.port})`;
  const host = `host = ${config.host} (${sources.host})`;
  if (syscall === 'listen' || syscall === 'bind') {
    if (code === 'EADDRINUSE') {
      return `${port}: ${config.host}:${config.port} is in use by another process; end that one or choose another port, for example WHEELKEEP_PORT=${config.port === 65_535 ? 5030 : config.port + 1}`;
    }
    if (code === 'EACCES') {
      return `${port}: this user may not listen on it; choose a port above 1023, for example WHEELKEEP_PORT=5030`;
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
