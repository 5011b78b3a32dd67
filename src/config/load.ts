// The whole way from flags, environment, file and machine to one checked Config, or to every mistake at once.

import { hostname } from 'node:os';
import { basename, dirname, resolve } from 'node:path';
import type { Config, IndexConfig } from './config.ts';
import { CredentialsReader } from './credentials.ts';
import { findDefaultUpstream, isOwnAddress, type Machine, NO_UPSTREAM } from './default-upstream.ts';
import { ONLY_INDEX, plainIndex, StructureBuilder, withCredentials } from './indexes.ts';
import { certificatesOf, proxiesOf } from './network.ts';
import { OPTIONS } from './options.ts';
import { ConfigurationError, type Problem } from './problems.ts';
import { type ConfigInput, type ReadSettings, readSettings } from './settings.ts';
import { thisMachine } from './this-machine.ts';

export interface LoadedConfig {
  readonly config: Config;
  /** The options with their sources, for `wheelkeep check --print`. */
  readonly read: ReadSettings;
  /** What works and yet deserves a word at the start. */
  readonly warnings: readonly string[];
}

/**
 * Throws ConfigurationError with all problems. `notes`: whether the answer of a slow question may be remembered in
 * the data folder. `machine` replaces the real one in tests.
 */
export async function loadConfig(
  input: ConfigInput,
  options: { readonly notes: boolean; readonly machine?: Machine } = { notes: true },
): Promise<LoadedConfig> {
  const read = await readSettings(input);
  const { settings, sources, file } = read;
  const problems: Problem[] = [...read.problems];
  /** Where a relative path starts: at the folder of the file that names it, else where we were started. */
  const folderOf = (source: string) =>
    file && source.startsWith(basename(file.path)) ? dirname(file.path) : input.cwd;

  const credentials = new CredentialsReader({ env: input.env, configPath: file?.path ?? resolve(input.cwd, 'none') });
  const dataDir = resolve(folderOf(sources.dataDir), settings.dataDir);
  const isOwn = (url: string) =>
    isOwnAddress(url, {
      host: settings.host,
      port: settings.port,
      publicUrl: settings.publicUrl,
      hostname: hostname(),
    });
  const proxy = proxiesOf(input.env, problems);
  const caFile = { path: settings.caFile, source: sources.caFile, folder: folderOf(sources.caFile) };
  const { certificates, warnings } = await certificatesOf(caFile, input.env, problems);

  const builder = file && new StructureBuilder({ file, credentials, problems });
  let indexes: readonly IndexConfig[] = [];
  let upstreamFoundIn = sources.upstream;
  const configured = file?.structures.indexes;
  if (settings.upstream !== undefined) {
    // Choosing one of the two silently could send private names to the public index.
    const cure = 'upstream and indexes exclude one another; keep one of them';
    if (configured) problems.push({ key: 'upstream', value: undefined, source: sources.upstream, cure });
    if (settings.upstream.length === 0) {
      const empty = `expected at least one URL, for example ${OPTIONS.upstream.example}`;
      problems.push({ key: 'upstream', value: undefined, source: sources.upstream, cure: empty });
    }
    const upstreams = await Promise.all(settings.upstream.map((one) => withCredentials(one, undefined, credentials)));
    indexes = [plainIndex(upstreams)];
  } else if (configured && builder) {
    indexes = await builder.indexes(configured);
    upstreamFoundIn = file.sourceOf('indexes');
  } else if (!mentionsUpstream(problems)) {
    const machine = options.machine ?? thisMachine(input.env, { dataDir, notes: options.notes });
    const found = await findDefaultUpstream(machine, isOwn);
    if (found) {
      indexes = [plainIndex([await withCredentials(found.upstream, undefined, credentials)])];
      upstreamFoundIn = found.foundIn;
    } else problems.push({ key: 'upstream', value: undefined, source: 'nothing found', cure: NO_UPSTREAM });
  }

  for (const { name, upstreams } of indexes) {
    for (const { url } of upstreams.filter((upstream) => isOwn(upstream.url))) {
      const key = name === ONLY_INDEX ? 'upstream' : `indexes.${name}`;
      problems.push({
        key,
        value: url,
        source: upstreamFoundIn,
        cure: 'this is our own address; name the index behind',
      });
    }
  }
  if (settings.diskQuota <= settings.freeSpaceFloor) {
    const cure = `expected more than free_space_floor, which is ${OPTIONS.freeSpaceFloor.unit.format(settings.freeSpaceFloor)}`;
    problems.push({
      key: 'disk_quota',
      value: OPTIONS.diskQuota.unit.format(settings.diskQuota),
      source: sources.diskQuota,
      cure,
    });
  }
  if (settings.redisSecret !== undefined && sources.redisUrl === 'unset') {
    problems.push({
      key: 'redis.secret',
      value: undefined,
      source: sources.redisSecret,
      cure: 'has no effect without redis.url; set both or none',
    });
  }
  const names = indexes.map((index) => index.name);
  const structures = file?.structures;
  const defaultIndexes = builder?.defaults(structures?.default, names) ?? names;
  const routes = builder?.routes(structures?.routes ?? [], names) ?? [];
  const raw = (await builder?.raw(structures?.raw ?? {}, settings.maxFile)) ?? [];
  if (problems.length > 0) throw new ConfigurationError(problems);

  const config: Config = {
    host: settings.host,
    port: settings.port,
    dataDir,
    indexes,
    defaultIndexes,
    routes,
    raw,
    fileOrigins: settings.fileOrigins,
    upstreamFoundIn,
    ...(settings.redisUrl !== undefined && { redis: { url: settings.redisUrl, secret: settings.redisSecret } }),
    pageFreshMs: settings.pageFresh,
    patienceMs: settings.patience,
    negativeFreshMs: settings.negativeFresh,
    staleIfErrorMs: settings.staleIfError,
    diskQuotaBytes: settings.diskQuota,
    freeSpaceFloorBytes: settings.freeSpaceFloor,
    memoryBytes: settings.memory,
    maxPageBytes: settings.maxPage,
    maxFileBytes: settings.maxFile,
    workers: settings.workers,
    drainMs: settings.drain,
    graceMs: settings.grace,
    uploads: settings.uploads,
    xmlRpc: settings.xmlRpc,
    ...(settings.publicUrl !== undefined && { publicUrl: settings.publicUrl }),
    logLevel: settings.logLevel,
    logFormat: settings.logFormat,
    proxy,
    extraCertificates: certificates,
  };
  return { config: Object.freeze(config), read, warnings };
}

/** A misspelt or wrong upstream is reported as such; what pip uses would only hide it. */
function mentionsUpstream(problems: readonly Problem[]): boolean {
  return problems.some(({ key }) => /upstream|^indexes/i.test(key) || key === 'config');
}
