// The whole machine: the only room that constructs is this one. Configuration in, a listening server out.

import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { keysOf, type PurgePart } from '../admin/cache-keys.ts';
import type { Config } from '../config/config.ts';
import { viaName } from '../http/dispatch.ts';
import { Agreement } from '../index/agreement.ts';
import { PagePool } from '../index/page-pool.ts';
import type { Lookup } from '../net/resolver.ts';
import { readDrills } from '../observe/drills.ts';
import { Events } from '../observe/events.ts';
import { freeBytes } from '../observe/free-bytes.ts';
import { type Log, quietLog } from '../observe/log.ts';
import type { LogSink } from '../observe/log-sink.ts';
import { Metrics } from '../observe/metrics.ts';
import type { WorkerSnapshot } from '../workers/messages.ts';
import { ClientCertificates } from './client-certificates.ts';
import type { Basics, OtherWorkers } from './context.ts';
import { openPolicies } from './current-policies.ts';
import { CurrentSecrets } from './current-secrets.ts';
import { collectEarly } from './early-collection.ts';
import { listen } from './listener.ts';
import { buildServices } from './services.ts';
import { openStores, pruneEntries } from './stores.ts';
import { Telemetry } from './telemetry.ts';
import { connectUpstreams, scopesOf } from './upstreams.ts';

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
  /** What all workers of one node call that node. */
  readonly node?: string;
  /** Present in a worker process. */
  readonly workers?: OtherWorkers;
}

/** A running Wheelkeep: its addresses, and what commands and workers ask of it. */
export interface App {
  /** Where it listens, with the final slash. */
  readonly url: string;
  /** Where the administration is, when it has an address of its own. */
  readonly adminUrl: string | undefined;
  /** Where the raw mounts with a listener of their own are, by name; with the final slash. */
  readonly rawUrls: ReadonlyMap<string, string>;
  /**
   * `drain`: not ready any more, but requests are served until balancers have seen that; then as `finish`: running
   * requests end within the grace. `now`: connections are cut.
   */
  close(how: 'drain' | 'finish' | 'now'): Promise<void>;
  /** Resolves when all that clients were given until now is stored, or could not be. */
  stored(): Promise<void>;
  /** Takes an error that nobody expected: counted and logged. */
  unexpected(error: unknown): void;
  /** What this process counted and knows, for a primary process. */
  snapshot(): Promise<WorkerSnapshot>;
  /** Another worker purges: this one does its part. */
  purgedElsewhere(part: PurgePart): void;
}

/**
 * The heap is collected when it holds so much more, in per cent, than what was live the last time. Left to itself V8 waits
 * for several times as much where the machine has memory: 70 MB more after 5,000 projects, and no faster. Set here, for
 * a Node that does not know a flag of V8 on its command line does not start.
 */
const HEAP_GROWTH_PERCENT = 40;

/**
 * Compiled without optimising when it is first called: of a crowd that meets a process that has just started the median
 * had its first byte after 104 ms instead of 145 (`npm run bench -- stampede`, four runs each).
 */
const COMPILE_AT_ONCE = '--always-sparkplug';

/** Starts serving. Rejects with the system's error when the data folder or the port cannot be used. */
export async function startApp(config: Config, overrides: AppOverrides = {}): Promise<App> {
  setFlagsFromString(`--heap-growing-percent=${HEAP_GROWTH_PERCENT}`);
  setFlagsFromString(COMPILE_AT_ONCE);
  const stopCollecting = collectEarly();
  const now = overrides.now ?? Date.now;
  const random = overrides.random ?? Math.random;
  const log = overrides.log ?? quietLog;
  const version = overrides.version ?? '0.0.0';
  const node = overrides.node ?? randomUUID();
  const metrics = new Metrics({ version, process: true });
  const events = new Events();
  const telemetry = new Telemetry({ metrics, events, log, now });
  const basics: Basics = { config, now, random, log, version, via: viaName(), node, metrics, events, telemetry };

  const stores = await openStores(basics);
  const scopes = scopesOf(config);
  const agreement = new Agreement({ entries: stores.entries, scopeOf: (index) => scopes.get(index)!, now });
  const secrets = new CurrentSecrets(basics);
  const clientCertificates = new ClientCertificates(basics);
  await clientCertificates.start();
  const { identityFor, identityOf } = clientCertificates;
  const pagePool = new PagePool({ maxDecodedBytes: config.maxPageBytes }, {}, telemetry.pageThreadEnded);
  const upstreams = connectUpstreams(basics, {
    agreement,
    secrets,
    pagePool,
    identityOf,
    lookup: overrides.lookup,
    cut: overrides.upstreamCut ?? false,
  });
  const current = await openPolicies(basics);
  const services = buildServices(basics, stores, upstreams, pagePool, overrides.workers, current.policies);
  const release = async () => {
    stopCollecting();
    secrets.close();
    clientCertificates.close();
    current.close();
    await services.readThrough.close();
    const { blobs, entries, bodyWriteRetries } = stores;
    await bodyWriteRetries.close();
    await Promise.all([upstreams.client.close(), pagePool.close(), blobs.close(), entries.close()]);
  };
  const { sink, workers: otherWorkers } = overrides;
  const parts = { stores, secrets, identityFor, upstreams, services, agreement, sink, otherWorkers };
  await secrets.start();
  const listeners = await listen(basics, parts).catch(async (error) => {
    await release();
    throw error;
  });

  let droppedLines = 0;
  metrics.onScrape(async () => {
    listeners.settle();
    const mirrors = [...upstreams.askers.values()].flatMap((asker) => asker.status());
    telemetry.scrape(mirrors, services.readThrough.fetches);
    const { memoryBytes, records } = stores.entries.status();
    const stored = stores.blobs.status();
    const inMemory = [memoryBytes, stored.memoryBytes, stores.recent.bytes, services.rendered.bytes];
    metrics.meters.storeBytes.set(
      { store: 'memory' },
      inMemory.reduce((sum, bytes) => sum + bytes, listeners.readyBytes),
    );
    metrics.meters.storeObjects.set({ store: 'entries' }, records);
    metrics.meters.storeBytes.set({ store: 'blobs' }, stored.bytes);
    metrics.meters.storeObjects.set({ store: 'blobs' }, stored.count);
    metrics.meters.diskWritesPaused.set({}, stored.paused ? 1 : 0);
    metrics.meters.openConnections.set({}, await listeners.connections);
    metrics.meters.diskFree.set({}, await freeBytes(config.dataDir));
    for (const { lock, readiness, at } of await readDrills(config.dataDir)) {
      metrics.meters.outageReadiness.set({ lock }, readiness);
      metrics.meters.outageReadinessTime.set({ lock }, at / 1000);
    }
    const dropped = overrides.sink?.dropped ?? 0;
    metrics.meters.droppedLogLines.inc({}, dropped - droppedLines);
    droppedLines = dropped;
  });
  events.record({ kind: 'start', message: 'started', at: now() });
  const { maintenance } = stores.blobs;
  const onFailure = (error: unknown) => telemetry.unexpected(error);
  // Nobody waits for either.
  maintenance.atStart().catch(onFailure);
  void maintenance.daily({ random, sweepEntries: (signal) => pruneEntries(stores, now, signal), onFailure });

  return {
    url: listeners.url,
    adminUrl: listeners.adminUrl,
    rawUrls: listeners.rawUrls,
    stored: () => services.readThrough.settled(),
    unexpected: (error) => telemetry.unexpected(error),
    snapshot: async () => ({ metrics: await metrics.snapshot(), facts: listeners.facts() }),
    purgedElsewhere: (part) => {
      if (part.kind === 'forget') services.readThrough.purgedElsewhere(part.keys);
      else services.readThrough.overtake(keysOf(part.scope), part.until);
    },
    async close(how) {
      listeners.beginDrain();
      if (how === 'drain') await sleep(config.drainMs);
      await listeners.close(how === 'now' ? 0 : config.graceMs);
      await release();
    },
  };
}
