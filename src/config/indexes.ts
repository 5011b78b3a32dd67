// From what the file or the variables name to the indexes, routes and raw mounts of Config, with the checks that
// concern several keys at once.

import { dirname, resolve } from 'node:path';
import { readIdentity, type TlsFiles, UnusableIdentity } from '../access/tls-identity.ts';
import { RESERVED_NAMES } from '../http/routes.ts';
import type { Config, IndexConfig, RawMountConfig, UpstreamConfig } from './config.ts';
import type { CredentialsReader, FoundCredentials } from './credentials.ts';
import { nearest, type Problem } from './problems.ts';
import { InvalidValue } from './units.ts';
import type { ClientCertificateRecord, CredentialsRecord, Structures, YamlFile } from './yaml-file.ts';

/** The name of the index that `upstream` (or this machine's installers) stands for. */
export const ONLY_INDEX = 'default';

/** Adds to `problems`; what is returned may only be used when there are none. */
export class StructureBuilder {
  readonly #file: YamlFile & { readonly path: string };
  readonly #clientCertificates = new Map<string, TlsFiles>();
  readonly #credentials: CredentialsReader;
  readonly #problems: Problem[];

  constructor(options: {
    readonly file: YamlFile & { readonly path: string };
    readonly credentials: CredentialsReader;
    readonly problems: Problem[];
  }) {
    this.#file = options.file;
    this.#credentials = options.credentials;
    this.#problems = options.problems;
  }

  async indexes(given: NonNullable<Structures['indexes']>): Promise<IndexConfig[]> {
    const indexes: IndexConfig[] = [];
    if (Object.keys(given).length === 0) this.#problem('indexes', undefined, 'expected at least one index');
    for (const [name, index] of Object.entries(given)) {
      const key = `indexes.${name}`;
      if (RESERVED_NAMES.has(name)) this.#problem(key, undefined, `${name} is a path of our own; choose another name`);
      const shared = index.credentials;
      const upstreams: UpstreamConfig[] = [];
      if (index.upstreams.some(({ filesBase }) => filesBase) && !index.upstreams[0]!.filesBase) {
        const cure = 'is missing; the files of the others are known to clients at the place of the first';
        this.#problem(`${key}.upstreams.0.files_base`, undefined, cure);
      }
      for (const [position, given] of index.upstreams.entries()) {
        const { address, credentials, filesBase } = given;
        const own = credentials ? `${key}.upstreams.${position}.credentials` : `${key}.credentials`;
        const secret = await this.#secret(own, credentials ?? shared, address.url);
        const upstream = await withCredentials(address, secret, this.#credentials);
        const place = given.clientCertificate ? `${key}.upstreams.${position}` : key;
        const clientCertificate = await this.#clientCertificate(
          `${place}.client_certificate`,
          given.clientCertificate ?? index.client_certificate,
          address.url,
        );
        upstreams.push({
          ...upstream,
          ...(filesBase !== undefined && { filesBase }),
          ...(clientCertificate && { clientCertificate }),
        });
      }
      indexes.push({
        name,
        upstreams,
        missingStatuses: index.missing_statuses,
        pageOrigins: index.page_origins,
        accept: index.accept,
        ...(index.changed_files !== 'refuse' && { changedFiles: index.changed_files }),
        ...(index.order !== 'configured' && { order: index.order }),
        ...(index.extract_metadata && { extractMetadata: true }),
        ...(index.pass_ranges && { passRanges: true }),
        ...(index.missing_redirects && { missingRedirects: true }),
        ...(index.upload_url !== undefined && { uploadUrl: index.upload_url }),
      });
    }
    return indexes;
  }

  defaults(given: readonly string[] | undefined, names: readonly string[]): readonly string[] {
    for (const [position, name] of (given ?? []).entries()) this.#known(`default.${position}`, name, names);
    if (given?.length === 0) this.#problem('default', undefined, 'expected at least one index');
    return [...new Set(given ?? names)];
  }

  routes(given: Structures['routes'], names: readonly string[]): Config['routes'] {
    for (const [position, route] of given.entries()) this.#known(`routes.${position}.index`, route.index, names);
    return given;
  }

  async raw(given: Structures['raw'], maxBodyBytes: number): Promise<RawMountConfig[]> {
    const mounts: RawMountConfig[] = [];
    for (const [name, mount] of Object.entries(given)) {
      const found = await this.#secret(`raw.${name}.credentials`, mount.credentials, mount.origin);
      mounts.push({
        name,
        origin: mount.origin,
        maxBodyBytes: mount.max_body ?? maxBodyBytes,
        redirectOrigins: mount.redirect_origins,
        ...(mount.listen && { listen: mount.listen }),
        ...(mount.stale_if_error !== undefined && { staleIfErrorMs: mount.stale_if_error }),
        ...(mount.override_cache_control !== undefined && { overrideCacheControl: mount.override_cache_control }),
        ...found,
      });
    }
    return mounts;
  }

  async #secret(
    key: string,
    record: CredentialsRecord | undefined,
    url: string,
  ): Promise<FoundCredentials | undefined> {
    if (!record) return undefined;
    try {
      return await this.#credentials.named(record, url);
    } catch (error) {
      if (!(error instanceof InvalidValue)) throw error;
      this.#problem(key, undefined, error.message);
      return undefined;
    }
  }

  /** Read here to see that it can be used; the server reads it again, for it changes. */
  async #clientCertificate(
    key: string,
    record: ClientCertificateRecord | undefined,
    url: string,
  ): Promise<TlsFiles | undefined> {
    if (!record) return undefined;
    const folder = dirname(this.#file.path);
    const files = { certFile: resolve(folder, record.cert_file), keyFile: resolve(folder, record.key_file) };
    const { origin, protocol } = new URL(url);
    if (protocol !== 'https:') {
      this.#problem(key, undefined, `has no effect for ${origin}, which does not speak TLS; remove it`);
      return undefined;
    }
    const known = this.#clientCertificates.get(origin) ?? files;
    this.#clientCertificates.set(origin, known);
    if (known.certFile !== files.certFile || known.keyFile !== files.keyFile) {
      this.#problem(key, undefined, `another one is configured for ${origin} already; one origin has one`);
    }
    try {
      await readIdentity(files);
    } catch (error) {
      if (!(error instanceof UnusableIdentity)) throw error;
      const name = error.file === 'certFile' ? 'cert_file' : 'key_file';
      this.#problem(`${key}.${name}`, files[error.file], error.message);
    }
    return files;
  }

  #known(key: string, name: string, names: readonly string[]): void {
    if (names.includes(name)) return;
    const guess = nearest(name, names);
    this.#problem(
      key,
      name,
      guess ? `no such index; did you mean ${guess}?` : `no such index; there are ${names.join(', ')}`,
    );
  }

  #problem(key: string, value: string | undefined, cure: string): void {
    this.#problems.push({ key, value, source: this.#file.sourceOf(key), cure });
  }
}

/** Configured credentials first, then those of the URL itself, then netrc: the order of pip. */
export async function withCredentials(
  address: UpstreamConfig,
  configured: FoundCredentials | undefined,
  reader: CredentialsReader,
): Promise<UpstreamConfig> {
  if (configured !== undefined) return { ...address, ...configured };
  return address.credentials === undefined ? { ...address, ...(await reader.fromNetrc(address.url)) } : address;
}
