// What the machine's environment says about the way out: HTTP proxies and certificate authorities.

import { readFile, realpath } from 'node:fs/promises';
import { resolve } from 'node:path';
import { readIdentity, type TlsFiles, UnusableIdentity } from '../access/tls-identity.ts';
import { withoutSecrets } from './addresses.ts';
import type { Config, IndexConfig } from './config.ts';
import type { PipValue } from './default-upstream.ts';
import type { Problem } from './problems.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** The proxies of HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY; small letters win, as in curl and Python. */
export function proxiesOf(env: Environment, problems: Problem[]): Config['proxy'] {
  const proxy = (name: string): string | undefined => {
    const source = [name.toLowerCase(), name, 'all_proxy', 'ALL_PROXY'].find((variable) => env[variable]?.trim());
    const value = source && env[source]!.trim();
    if (!value) return undefined;
    const url = value.includes('://') ? value : `http://${value}`;
    if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return new URL(url).href;
    const cure = `expected an http or https proxy, for example http://proxy.example:3128 (or set ${name} to one)`;
    if (!problems.some((problem) => problem.key === source))
      problems.push({ key: source!, value, source: source!, cure });
    return undefined;
  };
  const http = proxy('HTTP_PROXY');
  const https = proxy('HTTPS_PROXY');
  const noProxy = env.no_proxy || env.NO_PROXY || '';
  return { ...(http && { http }), ...(https && { https }), noProxy };
}

/**
 * pip's own proxy, where the environment names none and we ask the index that this machine's installers use. Where the
 * configuration names another index it is not ours to take, and a warning says so.
 */
export function withPipProxy(
  proxy: Config['proxy'],
  pip: PipValue | undefined,
  isInstallersIndex: boolean,
  warnings: string[],
): Config['proxy'] {
  if (pip === undefined || proxy.http !== undefined || proxy.https !== undefined) return proxy;
  const url = URL.parse(pip.value.includes('://') ? pip.value : `http://${pip.value}`);
  const shown = withoutSecrets(pip.value);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    warnings.push(`${pip.source}: proxy=${shown} is no http or https proxy; it is not used`);
    return proxy;
  }
  if (!isInstallersIndex) {
    warnings.push(
      `${pip.source}: proxy=${shown} is pip's alone, for the upstream is configured; set HTTPS_PROXY to use it`,
    );
    return proxy;
  }
  return { ...proxy, http: url.href, https: url.href };
}

/** pip's client certificate for the index that it asks, under the same terms; one file holds certificate and key. */
export async function withPipClientCertificate(
  indexes: readonly IndexConfig[],
  pip: PipValue | undefined,
  isInstallersIndex: boolean,
  warnings: string[],
): Promise<readonly IndexConfig[]> {
  if (pip === undefined) return indexes;
  const said = `${pip.source}: client-cert=${pip.value}`;
  if (!isInstallersIndex) {
    warnings.push(
      `${said} is pip's alone, for the upstream is configured; set client_certificate of its index to use it`,
    );
    return indexes;
  }
  const clientCertificate: TlsFiles = { certFile: pip.value, keyFile: pip.value };
  try {
    await readIdentity(clientCertificate);
  } catch (error) {
    if (!(error instanceof UnusableIdentity)) throw error;
    warnings.push(`${said} ${error.message}; it is not used`);
    return indexes;
  }
  return indexes.map((index) => ({
    ...index,
    upstreams: index.upstreams.map((upstream) => ({ ...upstream, clientCertificate })),
  }));
}

/** Where people have already told other programs which authorities to trust. */
const AMBIENT = ['SSL_CERT_FILE', 'REQUESTS_CA_BUNDLE', 'PIP_CERT', 'CURL_CA_BUNDLE'] as const;

/** Certificate authorities beside those of Node and the system. */
export interface FoundCertificates {
  /** PEM texts. */
  readonly certificates: readonly string[];
  /** The files that hold them, by the paths that name them; they may change. */
  readonly files: readonly string[];
  readonly warnings: string[];
}

/**
 * The PEM texts of the option `ca_file`, of the variables that OpenSSL, requests, pip and curl read, and of pip's `cert`.
 * NODE_EXTRA_CA_CERTS is not here: Node itself has read it. A wrong `ca_file` is a problem; a wrong variable was meant
 * for other programs (some hold a folder) and only earns a warning.
 */
export async function certificatesOf(
  caFile: { readonly path: string | undefined; readonly source: string },
  env: Environment,
  problems: Problem[],
  pipCert?: PipValue,
): Promise<FoundCertificates> {
  const certificates: string[] = [];
  const files: string[] = [];
  const warnings: string[] = [];
  const seen = new Set<string>();
  if (env.NODE_EXTRA_CA_CERTS) seen.add(await realpath(env.NODE_EXTRA_CA_CERTS).catch(() => ''));

  /** Adds a file once; the reason when it cannot be used. */
  const add = async (path: string): Promise<string | undefined> => {
    try {
      const real = await realpath(path);
      if (seen.has(real)) return undefined;
      seen.add(real);
      const pem = await readFile(real, 'utf8');
      if (!pem.includes('-----BEGIN ')) return 'holds no PEM certificate';
      certificates.push(pem);
      files.push(resolve(path));
      return undefined;
    } catch (error) {
      return `cannot be read (${(error as NodeJS.ErrnoException).code ?? error})`;
    }
  };

  if (caFile.path !== undefined) {
    const reason = await add(caFile.path);
    const cure = `${reason}; expected a PEM file of certificate authorities`;
    if (reason) problems.push({ key: 'ca_file', value: caFile.path, source: caFile.source, cure });
  }
  for (const variable of AMBIENT) {
    const path = env[variable];
    const reason = path && (await add(path));
    if (reason) warnings.push(`${variable}=${path} ${reason}; its certificate authorities are not used`);
  }
  const reason = pipCert && (await add(pipCert.value));
  if (reason) {
    warnings.push(`${pipCert.source}: cert=${pipCert.value} ${reason}; its certificate authorities are not used`);
  }
  return { certificates, files, warnings };
}
