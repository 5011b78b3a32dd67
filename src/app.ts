// The whole machine on one page: the only place that constructs. Configuration in, a listening server out.

import * as fs from 'node:fs';
import type { AddressInfo } from 'node:net';
import * as path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Administrator } from './administration.ts';
import { DiskBlobs } from './cache/disk-blobs.ts';
import type { LeaseDesk } from './cache/lease.ts';
import { ReadThrough } from './cache/read-through.ts';
import { RecentBodies } from './cache/recent-bodies.ts';
import { TieredEntryStore } from './cache/tiered-entry-store.ts';
import type { Config, IndexConfig, RawMountConfig } from './config/config.ts';
import { fileProfiles } from './files/file-profile.ts';
import { FileService } from './files/file-service.ts';
import { FileSource } from './files/file-source.ts';
import { AdminApi } from './http/admin-api.ts';
import { adminToken } from './http/admin-token.ts';
import { Dispatch, viaName } from './http/dispatch.ts';
import type { Exchange } from './http/exchange.ts';
import { FileHandler } from './http/file-handler.ts';
import { JsonHandler } from './http/json-handler.ts';
import { Ledger } from './http/ledger.ts';
import { PageHandler } from './http/page-handler.ts';
import { Passthrough } from './http/passthrough.ts';
import { RawHandler } from './http/raw-handler.ts';
import { ReadyAnswers } from './http/ready-answers.ts';
import { HttpServer } from './http/server.ts';
import { Agreement } from './index/agreement.ts';
import type { Move } from './index/compare-pages.ts';
import { DocumentResources } from './index/document-resources.ts';
import { DocumentService } from './index/document-service.ts';
import { Explain } from './index/explain.ts';
import { IndexService } from './index/index-service.ts';
import { MirrorJudgement } from './index/mirror-judgement.ts';
import { NameRouting } from './index/name-routing.ts';
import { pageProfile } from './index/page-profile.ts';
import { PageResources } from './index/page-resources.ts';
import { PageWorkshop } from './index/page-workshop.ts';
import { RenderedPages } from './index/rendered-pages.ts';
import { WithdrawnMetadata } from './index/withdrawn-metadata.ts';
import { createAccessLog } from './observe/access-log.ts';
import { Events } from './observe/events.ts';
import { type Log, quietLog } from './observe/log.ts';
import type { LogSink } from './observe/log-sink.ts';
import { Metrics, type MetricsSnapshot } from './observe/metrics.ts';
import { ServedDays } from './observe/served-days.ts';
import { rawServices } from './raw/raw-mounts.ts';
import { Telemetry } from './telemetry.ts';
import { authorization, type BoundCredentials } from './upstream/credentials.ts';
import { IndexUpstream, isAnswer } from './upstream/index-upstream.ts';
import { PassthroughAgents } from './upstream/passthrough-agents.ts';
import type { Lookup } from './upstream/resolver.ts';
import { UpstreamClient } from './upstream/upstream-client.ts';

/** What one of several worker processes has from its fellows. */
export interface Fellows {
  readonly leases: LeaseDesk;
  /** The metrics of all of them. */
  renderMetrics(): Promise<string>;
}

/** What a test may put in the place of the real thing, and a command or a worker brings along. */
export interface AppOverrides {
  readonly now?: () => number;
  readonly random?: () => number;
  readonly log?: Log;
  /** Resolves the names of upstreams. */
  readonly lookup?: Lookup;
  /** No upstream can be reached: an outage, as `wheelkeep drill` plays it. */
  readonly upstreamCut?: boolean;
  /** Where access lines go; without it there are none. */
  readonly sink?: LogSink;
  readonly version?: string;
  /** Present in a worker process. */
  readonly workers?: Fellows;
}

export interface App {
  /** Where it listens, with the final slash. */
  readonly url: string;
  /** Where the raw mounts with a listener of their own are, by name; with the final slash. */
  readonly rawUrls: ReadonlyMap<string, string>;
  /**
   * `drain`: not ready any more, but requests are served until balancers have seen that; then as `finish`: running
   * requests end within the grace. `now`: connections are cut.
   */
  close(how: 'drain' | 'finish' | 'now'): Promise<void>;
  /** Takes an error that nobody expected: counted and logged. */
  unexpected(error: unknown): void;
  /** What this process counted, for a primary process. */
  snapshot(): Promise<MetricsSnapshot>;
}

/** Largest request body that is passed through. */
const MAX_UPLOAD_BYTES = 2 * 1024 * 1024 * 1024;

/** Starts serving. Rejects with the system's error when the data folder or the port cannot be used. */
export async function startApp(config: Config, overrides: AppOverrides = {}): Promise<App> {
  const now = overrides.now ?? Date.now;
  const random = overrides.random ?? Math.random;
  const log = overrides.log ?? quietLog;
  const version = overrides.version ?? '0.0.0';
  const via = viaName();

  const metrics = new Metrics({ version, process: true });
  const events = new Events();
  const telemetry = new Telemetry({ metrics, events, log, now });

  // Stores. The budget of memory is shared out: entries, rendered pages, small files, bodies that just came.
  const share = (parts: number) => Math.floor((config.memoryBytes * parts) / 8);
  fs.mkdirSync(config.dataDir, { recursive: true, mode: 0o700 });
  const blobs = new DiskBlobs({
    dataDir: config.dataDir,
    memoryBytes: share(1),
    quotaBytes: config.diskQuotaBytes,
    freeSpaceFloorBytes: config.freeSpaceFloorBytes,
    now,
    onEvicted: (reason, bytes) => telemetry.evicted(reason, bytes),
    onPaused: (paused) => telemetry.diskPaused(paused),
    onDamage: (what, name) => telemetry.damagedBody(what, name),
  });
  const entries = await TieredEntryStore.open({
    dataDir: config.dataDir,
    memoryBytes: share(2),
    ...(config.redis === undefined ? {} : { redis: config.redis }),
    now,
    count: (event) => telemetry.storeEvent(event),
    onDamaged: () => telemetry.entriesDamaged(),
    onRedisState: (state, reason) => telemetry.redisState(state, reason),
  });
  const recent = new RecentBodies({ maxBytes: share(1) });

  const agreement = new Agreement({ entries, now });

  // Upstreams.
  const origins = config.indexes.flatMap(({ upstreams }) => upstreams.map(({ url }) => new URL(url).origin));
  const client = new UpstreamClient({
    now,
    random,
    userAgent: `wheelkeep/${version} (caching proxy; +https://wheelkeep.example/)`,
    via,
    credentials: [...config.indexes.flatMap(boundCredentials), ...config.raw.flatMap(rawCredentials)],
    configuredOrigins: [...origins, ...config.fileOrigins],
    proxy: config.proxy,
    extraCertificates: config.extraCertificates,
    ...(overrides.lookup === undefined ? {} : { lookup: overrides.lookup }),
    cut: overrides.upstreamCut ?? false,
  });
  const upstreams = new Map(
    config.indexes.map((index) => [
      index.name,
      new IndexUpstream({
        client,
        bases: index.upstreams,
        missingStatuses: index.missingStatuses,
        pageOrigins: index.pageOrigins,
        accept: index.accept,
        maxPageBytes: config.maxPageBytes,
        now,
        random,
        onEvent: (event) => telemetry.mirrorEvent(event),
        count: (result) => {
          telemetry.pageRequest(result);
          if (isAnswer(result)) agreement.note(index.name);
        },
      }),
    ]),
  );
  const indexes = new Map(
    config.indexes.map(({ name, upstreams: [first] }) => [name, { base: first!.url, upstream: upstreams.get(name)! }]),
  );

  // Services over one cache.
  const readThrough = new ReadThrough({
    blobs,
    entries,
    recent,
    now,
    random,
    observe: telemetry,
    leases: { workers: overrides.workers?.leases, nodes: entries.leases },
    onCollapsed: (resource) => telemetry.collapsed(resource),
  });
  const workshop = new PageWorkshop({ maxDecodedBytes: config.maxPageBytes });
  const rendered = new RenderedPages({ maxBytes: share(4) });
  const routing = new NameRouting(config.routes);
  const extracting = new Set(config.indexes.filter((index) => index.extractMetadata).map(({ name }) => name));
  const resources = new PageResources({
    indexes,
    mirrors: mirrorJudgements(config, upstreams, workshop),
    readThrough,
    detailProfile: pageProfile('page', config),
    listProfile: pageProfile('list', config),
    workshop,
    entries,
    now,
    onRemarks: (name, project, remarks) => telemetry.pageRemarks(name, project, remarks),
  });
  const index = new IndexService({
    readThrough,
    workshop,
    routing,
    rendered,
    provenanceRoot: config.publicUrl?.startsWith('https:') ? config.publicUrl : undefined,
    resources,
    extracting,
    withdrawn: new WithdrawnMetadata({ now }),
  });
  const documents = new DocumentService({
    index,
    resources: new DocumentResources({ indexes, profile: pageProfile('json', config), workshop }),
    readThrough,
    rendered,
    workshop,
  });
  const files = new FileService({
    index,
    extracting,
    readThrough,
    profiles: fileProfiles({
      maxFileBytes: config.maxFileBytes,
      patienceMs: config.patienceMs,
      negativeFreshSeconds: config.negativeFreshMs / 1000,
    }),
    source: new FileSource({
      client,
      maxFileBytes: config.maxFileBytes,
      onAnswer: (kind, result) => telemetry.fileRequest(kind, result),
    }),
    onChangedDigest: (project, filename) => telemetry.changedDigest(project, filename),
  });

  // The listener.
  const ready = new ReadyAnswers({ changes: () => entries.changes, now, maxBytes: share(1) });
  const served = new ServedDays();
  const access = accessLog(config, overrides.sink);
  const ledger = new Ledger({
    metrics,
    now,
    access: (record) => {
      served.note(record);
      access?.(record);
    },
  });
  const agents = new PassthroughAgents({
    proxy: config.proxy,
    extraCertificates: config.extraCertificates,
    connectTimeoutMs: 3_000,
    maxSockets: 32,
    keepAliveMs: 4_000,
  });
  const passthrough = new Passthrough({
    maxBodyBytes: MAX_UPLOAD_BYTES,
    connectTimeoutMs: 3_000,
    idleTimeoutMs: 60_000,
    maxSockets: 32,
    wayTo: agents.wayTo,
    via: `1.1 ${via}`,
  });
  const services = rawServices(config.raw, {
    readThrough,
    client,
    onAnswer: (mount, result) => telemetry.rawRequest(mount, result),
  });
  const raw = new RawHandler({
    mounts: new Map(
      config.raw.map(({ name, credentials, overrideCacheControl }) => [
        name,
        {
          service: services.get(name)!,
          authorization: credentials === undefined ? undefined : authorization(credentials),
          overridden: overrideCacheControl !== undefined,
        },
      ]),
    ),
    passthrough,
    onStale: (answer) => telemetry.stale('raw', answer),
  });
  const servedDays = () => {
    ledger.settle();
    return served.list();
  };
  const administration = new Administrator({
    version,
    config,
    now,
    upstreams,
    client,
    entries,
    blobs,
    readThrough,
    index,
    files,
    explain: new Explain({ routing, resources, readThrough, entries, now }),
    events,
    served: servedDays,
  });
  const dispatch = new Dispatch({
    pages: new PageHandler({
      service: index,
      defaultIndexes: config.defaultIndexes,
      ready,
      now,
      onStale: (kind, answer) => telemetry.stale(kind, answer),
    }),
    files: new FileHandler({ service: files, defaultIndexes: config.defaultIndexes, ready, now }),
    admin: new AdminApi({ token: adminToken(config.dataDir), administration }),
    documents: new JsonHandler({
      service: documents,
      defaultIndexes: config.defaultIndexes,
      publicUrl: config.publicUrl,
      onStale: (kind, answer) => telemetry.stale(kind, answer),
    }),
    raw,
    passthrough,
    metrics: { metrics, log, render: () => overrides.workers?.renderMetrics() ?? metrics.render() },
    readiness: () => (server.draining ? { ready: false, reasons: ['draining'] } : { ready: true, reasons: [] }),
    lastAgreed: () => agreement.oldest(config.defaultIndexes),
    servedDays,
    indexNames: new Set(config.indexes.map(({ name }) => name)),
    uploadsTo: config.uploads ? new URL('/legacy/', origins[0]).href : undefined,
    xmlRpcTo: config.xmlRpc ? new URL('/pypi', origins[0]).href : undefined,
  });
  const server = new HttpServer({
    metrics,
    log,
    via,
    ledger,
    ready,
    handle: (exchange) => dispatch.handle(exchange),
  });
  metrics.onScrape(async () => {
    ledger.settle();
    const mirrors = [...indexes.values()].flatMap(({ upstream }) => upstream.status());
    telemetry.scrape(mirrors, readThrough.flights);
    const { memoryBytes, records } = entries.status();
    metrics.meters.storeBytes.set({ store: 'memory' }, memoryBytes);
    metrics.meters.storeObjects.set({ store: 'entries' }, records);
    const stored = blobs.status();
    metrics.meters.storeBytes.set({ store: 'blobs' }, stored.bytes);
    metrics.meters.storeObjects.set({ store: 'blobs' }, stored.count);
    metrics.meters.diskWritesPaused.set({}, stored.paused ? 1 : 0);
    metrics.meters.openConnections.set({}, await server.connections);
    metrics.meters.diskFree.set({}, await freeBytes(config.dataDir));
    if (overrides.sink !== undefined) metrics.meters.droppedLogLines.inc({}, 0);
  });
  const address = await server.listen(config.host, config.port);
  const rawListeners = await listenForMounts(config.raw, (name) => {
    const handle = (exchange: Exchange) => raw.root(exchange, name);
    return new HttpServer({ metrics, log, via, ledger, handle });
  });
  events.record({ kind: 'start', message: 'started', at: now() });
  // What a dead predecessor left behind; nobody waits for it.
  blobs.tidy().catch((error) => telemetry.unexpected(error));
  blobs.scrubInBackground(random).catch((error) => telemetry.unexpected(error));

  return {
    url: urlOf(address),
    rawUrls: new Map(rawListeners.map(({ name, url }) => [name, url])),
    unexpected: (error) => telemetry.unexpected(error),
    snapshot: () => metrics.snapshot(),
    async close(how) {
      const servers = [server, ...rawListeners.map((listener) => listener.server)];
      for (const each of servers) each.beginDrain();
      if (how === 'drain') await sleep(config.drainMs);
      await Promise.all(servers.map((each) => each.close(how === 'now' ? 0 : config.graceMs)));
      ledger.settle();
      readThrough.close();
      passthrough.close();
      agents.close();
      await Promise.all([client.close(), workshop.close(), blobs.close(), entries.close()]);
    },
  };
}

/** Pages of several mirrors are measured by one another. */
function mirrorJudgements(
  { indexes, maxPageBytes }: Config,
  upstreams: ReadonlyMap<string, IndexUpstream>,
  workshop: PageWorkshop,
): Map<string, MirrorJudgement> {
  const mirrored = indexes.filter((index) => index.upstreams.length > 1);
  return new Map(
    mirrored.map((index) => {
      const bases = index.upstreams.map(({ url }) => url);
      const upstream = upstreams.get(index.name)!;
      const declared = declaredMoves(index);
      return [index.name, new MirrorJudgement({ upstream, bases, declared, workshop, maxPageBytes })];
    }),
  );
}

function declaredMoves({ upstreams: [first, ...others] }: IndexConfig): Move[] {
  const to = first?.filesBase;
  return others.flatMap(({ filesBase: from }) => (from === undefined || to === undefined ? [] : [{ from, to }]));
}

function boundCredentials({ upstreams }: IndexConfig): BoundCredentials[] {
  return upstreams.flatMap(({ url, credentials }) => (credentials === undefined ? [] : [{ url, credentials }]));
}

function rawCredentials({ origin, credentials }: RawMountConfig): BoundCredentials[] {
  return credentials === undefined ? [] : [{ url: origin, credentials }];
}

interface MountListener {
  readonly name: string;
  readonly url: string;
  readonly server: HttpServer;
}

/** The second listeners: each serves one raw mount at its root. */
async function listenForMounts(
  mounts: readonly RawMountConfig[],
  serverFor: (name: string) => HttpServer,
): Promise<MountListener[]> {
  const listeners: MountListener[] = [];
  for (const { name, listen } of mounts) {
    if (listen === undefined) continue;
    const server = serverFor(name);
    listeners.push({ name, server, url: urlOf(await server.listen(listen.host, listen.port)) });
  }
  return listeners;
}

function urlOf({ address, port }: AddressInfo): string {
  return `http://${reachable(address)}:${port}/`;
}

function accessLog(config: Config, sink: LogSink | undefined) {
  return sink === undefined ? undefined : createAccessLog({ level: config.logLevel, format: config.logFormat, sink });
}

async function freeBytes(folder: string): Promise<number> {
  const { bavail, bsize } = await fs.promises.statfs(path.resolve(folder));
  return bavail * bsize;
}

function reachable(address: string): string {
  if (address === '0.0.0.0') return '127.0.0.1';
  if (address === '::') return '[::1]';
  return address.includes(':') ? `[${address}]` : address;
}
