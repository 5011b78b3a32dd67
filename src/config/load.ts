// The whole way from flags, environment, file and machine to one checked Config, or to its mistakes: all at once that can
// be told without one another. A file that is no YAML is told of alone, and what refers to a faulty part is not looked at.

import { dirname } from 'node:path';
import { auditLogOf } from './audit-log.ts';
import { clientsOf } from './clients.ts';
import type { Config } from './config.ts';
import { contradictions } from './contradictions.ts';
import { CredentialsReader } from './credentials.ts';
import { type Machine, pipNetwork } from './default-upstream.ts';
import { chooseIndexes, StructureBuilder } from './indexes.ts';
import { certificatesOf, proxiesOf, withPipClientCertificate, withPipProxy } from './network.ts';
import { endedExemptions, policiesOf } from './policies.ts';
import { ConfigurationError, type Problem } from './problems.ts';
import { type ConfigInput, pathOf, type ReadSettings, readSettings } from './settings.ts';
import { thisMachine } from './this-machine.ts';
import { tlsOf } from './tls.ts';

/** The configuration, what it was read from, and warnings for the start. */
export interface LoadedConfig {
  readonly config: Config;
  /** The options with their sources, for `wheelkeep check --print`. */
  readonly read: ReadSettings;
  /** What works and yet deserves a word at the start. */
  readonly warnings: readonly string[];
}

/**
 * Throws ConfigurationError with all problems that were found. `notes`: whether the answer of a slow question may be remembered in
 * the data folder. `machine` replaces the real one in tests.
 */
export async function loadConfig(
  input: ConfigInput,
  options: { readonly notes: boolean; readonly machine?: Machine } = { notes: true },
): Promise<LoadedConfig> {
  const read = await readSettings(input);
  const { settings, sources, file } = read;
  const problems: Problem[] = [...read.problems, ...contradictions(read)];
  const dataDir = pathOf(read, 'dataDir', read.sources.dataDir === 'default' ? input.home : input.cwd)!;
  const credentials = new CredentialsReader({ env: input.env, folder: file ? dirname(file.path) : input.cwd });
  const builder = file && new StructureBuilder({ file, credentials, problems });
  const machine = options.machine ?? thisMachine(input.env, { dataDir, cwd: input.cwd, notes: options.notes });
  const {
    indexes,
    foundIn,
    isInstallers = false,
  } = await chooseIndexes(read, { builder, credentials, machine, problems });
  const names = indexes.map((index) => index.name);
  const structures = file?.structures;
  const defaultIndexes = builder?.defaults(structures?.default, names) ?? names;
  const routes = builder?.routes(structures?.routes ?? [], names) ?? [];
  const raw = (await builder?.raw(structures?.raw ?? {}, settings.maxFile)) ?? [];
  const policy = file && (await policiesOf(file, names, problems));
  const pip = await pipNetwork(machine);
  const caFile = pathOf(read, 'caFile', input.cwd);
  const auditLog = await auditLogOf(read, input.cwd, problems);
  const { certificates, files, warnings } = await certificatesOf(
    { path: caFile, source: sources.caFile },
    input.env,
    problems,
    pip.cert,
  );
  warnings.push(...(policy === undefined ? [] : endedExemptions(policy, Date.now())));
  const proxy = withPipProxy(proxiesOf(input.env, problems), pip.proxy, isInstallers, warnings);
  const reached = await withPipClientCertificate(indexes, pip.clientCert, isInstallers, warnings);
  const tls = await tlsOf(read, input.cwd, problems, warnings);
  const clients = await clientsOf(read, input.cwd, problems);
  if (problems.length > 0) throw new ConfigurationError(problems);

  const config: Config = {
    host: settings.host,
    port: settings.port,
    ...(settings.basePath !== undefined && { basePath: settings.basePath }),
    ...(tls && { tls }),
    ...(clients && { clients }),
    trustedProxies: settings.trustedProxies,
    ...(settings.adminListen !== undefined && { adminListen: settings.adminListen }),
    dataDir,
    indexes: reached,
    defaultIndexes,
    routes,
    raw,
    fileOrigins: settings.fileOrigins,
    upstreamFoundIn: foundIn,
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
    holdBackBytes: settings.holdBack,
    finishAbandonedBytes: settings.finishAbandoned,
    workers: settings.workers,
    drainMs: settings.drain,
    graceMs: settings.grace,
    allowedHosts: settings.allowedHosts,
    loopbackNames: settings.publicUrl === undefined ? [] : [new URL(settings.publicUrl).hostname],
    ...(policy && { policy }),
    ...(auditLog !== undefined && { auditLog }),
    strictAccept: settings.strictAccept,
    uploads: settings.uploads,
    xmlRpc: settings.xmlRpc,
    ...(settings.publicUrl !== undefined && { publicUrl: settings.publicUrl }),
    absoluteLinks: settings.absoluteLinks,
    browserOrigins: settings.browserOrigins,
    logLevel: settings.logLevel,
    logFormat: settings.logFormat,
    proxy,
    extraCertificates: certificates,
    certificateFiles: files,
    netrcFile: credentials.netrcPath,
  };
  return { config: Object.freeze(config), read, warnings };
}
