// `tls`: whether our own listeners can speak it, found out before one is opened.

import { expiryWarning, readIdentity, UnusableIdentity } from '../access/tls-identity.ts';
import type { Config } from './config.ts';
import { OPTIONS } from './options.ts';
import type { Problem } from './problems.ts';
import { pathOf, type ReadSettings } from './settings.ts';

/** Undefined without `tls`, and when `problems` got a line. Relative paths start at `cwd` where they are no file's. */
export async function tlsOf(
  read: ReadSettings,
  cwd: string,
  problems: Problem[],
  warnings: string[],
): Promise<Config['tls']> {
  const { settings, sources } = read;
  const certFile = pathOf(read, 'tlsCertFile', cwd);
  const keyFile = pathOf(read, 'tlsKeyFile', cwd);
  if (certFile === undefined || keyFile === undefined) {
    problems.push(...incomplete(read));
    return undefined;
  }
  try {
    const identity = await readIdentity({ certFile, keyFile });
    const warning = expiryWarning(identity, Date.now());
    if (warning !== undefined) warnings.push(`tls.cert_file: ${certFile} ${warning}`);
    return { certFile, keyFile, minVersion: `TLSv${settings.tlsMinVersion}`, identity };
  } catch (error) {
    if (!(error instanceof UnusableIdentity)) throw error;
    const [key, value] =
      error.file === 'certFile' ? (['tlsCertFile', certFile] as const) : (['tlsKeyFile', keyFile] as const);
    problems.push({ key: OPTIONS[key].name, value, source: sources[key], cure: error.message });
    return undefined;
  }
}

/** One of two files. */
function incomplete({ settings, sources }: ReadSettings): Problem[] {
  const cure = 'has no effect by itself; set tls.cert_file and tls.key_file';
  const given = (['tlsCertFile', 'tlsKeyFile'] as const).filter((key) => settings[key] !== undefined);
  return given.map((key) => ({ key: OPTIONS[key].name, value: settings[key], source: sources[key], cure }));
}
