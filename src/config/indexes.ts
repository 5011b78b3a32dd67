// From what the file or the variables name to the indexes, routes and raw mounts of Config, with the checks that
// concern several keys at once.

import { hostname } from 'node:os';
import { dirname, resolve } from 'node:path';
import { readIdentity, type TlsFiles, UnusableIdentity } from '../access/tls-identity.ts';
import { RESERVED_NAMES } from '../http/routes.ts';
import type { Config, IndexConfig, RawMountConfig, UpstreamConfig } from './config.ts';
import type { CredentialsReader, FoundCredentials } from './credentials.ts';
import { findDefaultUpstream, isOwnAddress, type Machine, NO_UPSTREAM } from './default-upstream.ts';
import { OPTIONS } from './options.ts';
import { nearest, type Problem } from './problems.ts';
import type { ReadSettings } from './settings.ts';
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

// Which indexes we stand in front of: those of `upstream`, those of `indexes`, or the one this machine uses today.

/** The indexes of the configuration, or the one that was found. */
export interface ChosenIndexes {
  readonly indexes: readonly IndexConfig[];
  /** Where the addresses were found, for the first lines of the log. */
  readonly foundIn: string;
  /** Whether it is the index that this machine's installers use. */
  readonly isInstallers?: boolean;
}

interface Means {
  readonly builder: StructureBuilder | undefined;
  readonly credentials: CredentialsReader;
  readonly machine: Machine;
  /** Mistakes are added here. */
  readonly problems: Problem[];
}

/** The indexes that the configuration names, else the one of this machine. Rejects with ConfigurationError. */
export async function chooseIndexes(read: ReadSettings, means: Means): Promise<ChosenIndexes> {
  const { host, port, publicUrl } = read.settings;
  const isOwn = (url: string) => isOwnAddress(url, { host, port, publicUrl, hostname: hostname() });
  const chosen = await choose(read, means, isOwn);
  for (const { name, upstreams } of chosen.indexes) {
    for (const { url } of upstreams.filter((upstream) => isOwn(upstream.url))) {
      const key = name === ONLY_INDEX ? 'upstream' : `indexes.${name}`;
      const cure = 'this is our own address; name the index behind';
      means.problems.push({ key, value: url, source: chosen.foundIn, cure });
    }
  }
  return chosen;
}

async function choose(read: ReadSettings, means: Means, isOwn: (url: string) => boolean): Promise<ChosenIndexes> {
  const { settings, sources, file } = read;
  const { builder, credentials, machine, problems } = means;
  const mirrorsOf = async (addresses: readonly UpstreamConfig[]): Promise<IndexConfig[]> => {
    const upstreams = await Promise.all(addresses.map((address) => withCredentials(address, undefined, credentials)));
    const { uploadUrl } = settings;
    const only: IndexConfig = { name: ONLY_INDEX, upstreams, missingStatuses: [], pageOrigins: [], accept: 'any' };
    return [uploadUrl === undefined ? only : { ...only, uploadUrl }];
  };
  const nothing = { indexes: [], foundIn: 'nowhere' };
  const configured = file?.structures.indexes;

  if (settings.upstream !== undefined) {
    const problem = { key: 'upstream', value: undefined, source: sources.upstream };
    // Choosing one of the two silently could send private names to the public index.
    if (configured) problems.push({ ...problem, cure: 'upstream and indexes exclude one another; keep one of them' });
    const cure = `expected at least one URL, for example ${OPTIONS.upstream.example}`;
    if (settings.upstream.length === 0) problems.push({ ...problem, cure });
    return { indexes: await mirrorsOf(settings.upstream), foundIn: sources.upstream };
  }
  if (file && builder && configured) {
    return { indexes: await builder.indexes(configured), foundIn: file.sourceOf('indexes') };
  }
  if (file?.problems.length || problems.some(meansUpstream)) return nothing;
  const found = await findDefaultUpstream(machine, isOwn);
  if (found) return { indexes: await mirrorsOf([found.upstream]), foundIn: found.foundIn, isInstallers: true };
  problems.push({ key: 'upstream', value: undefined, source: 'nothing found', cure: NO_UPSTREAM });
  return nothing;
}

/** An upstream that is misspelt, wrong, or in a file that cannot be read is not replaced by what pip uses. */
function meansUpstream({ key }: Problem): boolean {
  return /upstream/i.test(key) || key === 'config';
}
