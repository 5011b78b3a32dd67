// Who answers clients: what is noted of requests, and the handlers of every route, behind the servers.

import { adminToken, readAdminToken } from '../access/admin-token.ts';
import { allowedHostsFor } from '../access/allowed-hosts.ts';
import { ClientAddress } from '../access/client-address.ts';
import { AdminApi } from '../admin/admin-api.ts';
import { Administrator } from '../admin/administration.ts';
import { PurgeExchange } from '../admin/purge-sync.ts';
import { Purger } from '../admin/purger.ts';
import { UploadedProjects } from '../admin/uploaded-projects.ts';
import { Dispatch } from '../http/dispatch.ts';
import { FileHandler } from '../http/file-handler.ts';
import { JsonHandler } from '../http/json-handler.ts';
import { Ledger } from '../http/ledger.ts';
import { PageHandler } from '../http/page-handler.ts';
import { ReadyAnswers } from '../http/ready-answers.ts';
import type { Agreement } from '../index/agreement.ts';
import type { IdentityFor } from '../net/open-socket.ts';
import { createAccessLog } from '../observe/access-log.ts';
import { AuditLog } from '../observe/audit-log.ts';
import { Busiest } from '../observe/busiest.ts';
import { readDrills } from '../observe/drills.ts';
import { freeBytes } from '../observe/free-bytes.ts';
import type { LogSink } from '../observe/log-sink.ts';
import { RecentlyStale } from '../observe/recently-stale.ts';
import { ServedDays } from '../observe/served-days.ts';
import { Traffic } from '../observe/traffic.ts';
import { factsOf, type StatusFacts } from '../status-page/facts.ts';
import { SeenLast } from '../status-page/seen-last.ts';
import { StatusPage } from '../status-page/status-page.ts';
import type { OtherWorkers } from './context.ts';
import { type Basics, memoryShare } from './context.ts';
import { openClients } from './current-clients.ts';
import type { CurrentSecrets } from './current-secrets.ts';
import { openForwarding } from './forwarding.ts';
import { openServers } from './servers.ts';
import type { Services } from './services.ts';
import type { Stores } from './stores.ts';
import { indexOrigins, scopesOf, type Upstreams, uploadUrl } from './upstreams.ts';

/** The parts that the handlers of all routes use. */
export interface ListenerParts {
  readonly stores: Stores;
  readonly secrets: CurrentSecrets;
  /** The client certificates for upstreams. */
  readonly identityFor: IdentityFor;
  readonly upstreams: Upstreams;
  readonly services: Services;
  readonly agreement: Agreement;
  /** Where access lines go; without it there are none. */
  readonly sink: LogSink | undefined;
  /** Present in a worker process. */
  readonly otherWorkers: OtherWorkers | undefined;
}

/** The open listeners: their addresses, and what they know. */
export interface Listeners {
  readonly url: string;
  /** Where the administration is, when it has an address of its own. */
  readonly adminUrl: string | undefined;
  /** Where the raw mounts with a listener of their own are, by name. */
  readonly rawUrls: ReadonlyMap<string, string>;
  readonly connections: Promise<number>;
  /** What answers that are ready hold of the memory budget. */
  readonly readyBytes: number;
  /** Accounts for the requests that were noted so far. */
  settle(): void;
  /** What this process knows. */
  facts(): StatusFacts;
  /** Not ready any more; every answer ends its connection. */
  beginDrain(): void;
  close(graceMs: number): Promise<void>;
}

/** Listens. Rejects with the system's error when an address cannot be used. */
export async function listen(
  basics: Basics,
  { stores, secrets, identityFor, upstreams, services, agreement, sink, otherWorkers }: ListenerParts,
): Promise<Listeners> {
  const { config, now, log, version, node, metrics, events, telemetry } = basics;
  const { blobs, entries } = stores;
  const { client, askers } = upstreams;
  const { readThrough, resources, index, documents, files, explain, policies } = services;
  const [origin] = indexOrigins(config);
  let draining = false;
  const ready = new ReadyAnswers({
    changes: () => entries.changes + policies.changes,
    now,
    maxBytes: memoryShare(basics, 'readyAnswers'),
  });
  const { ledger, addresses, ...noted } = openNotes(basics, sink);
  const forwarding = openForwarding(basics, readThrough, client, secrets, identityFor);
  const { passthrough, raw } = forwarding;
  const startedAt = now();
  const sources = {
    version,
    now,
    publicUrl: config.publicUrl,
    isElsewhere: config.adminListen !== undefined,
    limitsNames: allowedHostsFor(config.host, config) !== undefined,
    quotaBytes: config.diskQuotaBytes,
    upstreams: askers,
    entries,
    blobs,
    freeSpace: new SeenLast({ look: () => freeBytes(config.dataDir), now }),
    drills: new SeenLast({ look: () => readDrills(config.dataDir), now }),
    ...noted,
    events,
    fetches: () => readThrough.fetches,
    oldestStaleSeconds: () => telemetry.oldestStaleSeconds,
    evictions: () => telemetry.evictions,
    settle: () => ledger.settle(),
  };
  const ownFacts = () => factsOf(sources, startedAt);
  const facts = async () => otherWorkers?.allFacts(ownFacts()) ?? ownFacts();
  const purger = new Purger({
    scopes: [...upstreams.indexes.values()].map(({ scope }) => scope),
    entries,
    readThrough,
    events,
    now,
    overtakeElsewhere: async (scope, until) => otherWorkers?.purged({ kind: 'overtake', scope, until }),
  });
  const uploads = new UploadedProjects({
    scopes: scopesOf(config),
    resources,
    entries,
    readThrough,
    exchange: () => purges,
  });
  const purges =
    entries.purges &&
    new PurgeExchange({
      shared: entries.purges,
      marks: stores.purgeMarks,
      purger,
      outdate: (project) => uploads.outdate(project),
      node,
      dataDir: config.dataDir,
      now,
      onUnexpected: (error) => telemetry.unexpected(error),
    });
  const administration = new Administrator({
    version,
    config,
    now,
    upstreams: askers,
    client,
    entries,
    blobs,
    readThrough,
    index,
    files,
    explain,
    events,
    purger,
    purges,
    facts,
  });
  const audit = config.auditLog === undefined ? undefined : new AuditLog({ path: config.auditLog, now });
  const token = adminToken(config.dataDir);
  if (readAdminToken(config.dataDir) !== token) {
    log.warn('the data folder takes no new file: nobody can administer this process', { data_dir: config.dataDir });
  }
  const dispatch = new Dispatch({
    pages: new PageHandler({
      service: index,
      defaultIndexes: config.defaultIndexes,
      strict: config.strictAccept,
      linkRoot: config.absoluteLinks ? config.publicUrl : undefined,
      ready,
      now,
      onStale: (kind, answer) => telemetry.stale(kind, answer),
    }),
    files: new FileHandler({
      service: files,
      defaultIndexes: config.defaultIndexes,
      ready,
      now,
      mayRefuse: () => policies.any,
    }),
    admin: new AdminApi({
      token,
      administration,
      onOrder: (order, { request }) => audit?.note({ ...order, client: addresses.of(request) }),
    }),
    documents: new JsonHandler({
      service: documents,
      defaultIndexes: config.defaultIndexes,
      publicUrl: config.publicUrl,
      onStale: (kind, answer) => telemetry.stale(kind, answer),
    }),
    raw,
    passthrough,
    metrics: { metrics, log, render: () => otherWorkers?.renderMetrics() ?? metrics.render() },
    statusPage: new StatusPage({ facts }),
    readiness: () => (draining ? { ready: false, reasons: ['draining'] } : { ready: true, reasons: [] }),
    lastAgreed: () => agreement.oldest(config.defaultIndexes),
    policyVerdicts: (project) => index.verdicts(config.defaultIndexes, project),
    servedDays: async () => (await facts()).served,
    indexNames: new Set(config.indexes.map(({ name }) => name)),
    uploadsTo: config.uploads ? (name) => uploadUrl(config, name) : undefined,
    onUploaded: (projects) => uploads.uploaded(projects),
    xmlRpcTo: config.xmlRpc ? new URL('/pypi', origin).href : undefined,
  });
  const clients = config.clients && (await openClients(config.clients, addresses, basics));
  const servers = await openServers(basics, { dispatch, raw, ready, ledger, addresses, gate: clients?.gate }).catch(
    (error) => {
      clients?.close();
      throw error;
    },
  );
  void purges?.start();
  const { url, adminUrl, rawUrls } = servers;
  return {
    url,
    adminUrl,
    rawUrls,
    get connections() {
      return servers.connections;
    },
    get readyBytes() {
      return ready.bytes;
    },
    settle: () => ledger.settle(),
    facts: ownFacts,
    beginDrain: () => {
      draining = true;
      servers.beginDrain();
    },
    close: async (graceMs) => {
      await servers.close(graceMs);
      clients?.close();
      purges?.close();
      ledger.settle();
      forwarding.close();
    },
  };
}

// What is noted of requests: metrics, access lines, and what the status page tells of the last minutes, hours and days.

/** What is noted of requests, and the client addresses behind them. */
export interface Notes {
  /** Takes every request that has ended, and tells all the others. */
  readonly ledger: Ledger;
  readonly addresses: ClientAddress;
  readonly served: ServedDays;
  readonly traffic: Traffic;
  readonly recentlyStale: RecentlyStale;
  readonly busiest: Busiest;
}

/** Without a `sink` there are no access lines. */
export function openNotes({ config, now, metrics }: Basics, sink: LogSink | undefined): Notes {
  const served = new ServedDays();
  const traffic = new Traffic();
  const recentlyStale = new RecentlyStale();
  const busiest = new Busiest();
  const access =
    sink === undefined ? undefined : createAccessLog({ level: config.logLevel, format: config.logFormat, sink });
  const addresses = new ClientAddress(config.trustedProxies);
  const ledger = new Ledger({
    metrics,
    now,
    addresses,
    access: (record) => {
      served.note(record);
      traffic.note(record);
      recentlyStale.note(record);
      busiest.note(record);
      access?.(record);
    },
  });
  return { ledger, addresses, served, traffic, recentlyStale, busiest };
}
