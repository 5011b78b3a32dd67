// Wheelkeep itself for tests: the whole app inside the test's process, with injected time, on a free port.
// For what needs a process of its own (kill -9, signals, the launcher) see spawned-proxy.ts.

import { type App, type AppOverrides, startApp } from '../../../src/app/app.ts';
import type { Config, IndexConfig } from '../../../src/config/config.ts';
import { parseMetrics } from '../assert/prometheus-text.ts';
import { makeFolder, removeFolder } from '../disk/temporary-folder.ts';
import { get } from './http-client.ts';

export interface ProxyOptions {
  /** Bases of the simple API, equivalent mirrors of the one default index. */
  readonly upstreams: readonly string[];
  /** Kept when the proxy closes, so that another one can start on it; without, a new folder that is removed then. */
  readonly dataDir?: string;
  readonly config?: Partial<Config>;
  /** Settings of the one default index. */
  readonly indexConfig?: Partial<IndexConfig>;
  readonly now?: () => number;
  /** Whatever else a test puts in the place of the real thing. */
  readonly overrides?: AppOverrides;
}

export interface RunningProxy {
  /** Without a final slash: `${url}/simple/`. */
  readonly url: string;
  readonly port: number;
  readonly dataDir: string;
  readonly app: App;
  /** A second call waits for the first: tests close what they restart, and their ends do so again. */
  close(): Promise<void>;
  /** Every sample of /metrics by its name with labels, as the text format writes it. */
  metrics(): Promise<Record<string, number>>;
}

export async function startProxy(options: ProxyOptions): Promise<RunningProxy> {
  const dataDir = options.dataDir ?? (await makeFolder());
  const defaults = testConfig({ upstreams: options.upstreams, dataDir });
  const indexes = defaults.indexes.map((index) => ({ ...index, ...options.indexConfig }));
  const config = { ...defaults, indexes, ...options.config };
  const app = await startApp(config, {
    ...options.overrides,
    ...(options.now === undefined ? {} : { now: options.now }),
  });
  const url = app.url.replace(/\/$/, '');
  let closed: Promise<void> | undefined;
  return {
    url,
    port: Number(new URL(url).port),
    dataDir,
    app,
    close: () => {
      closed ??= app.close('now').then(() => (options.dataDir === undefined ? removeFolder(dataDir) : undefined));
      return closed;
    },
    metrics: async () => parseMetrics((await get(`${url}/metrics`)).text()),
  };
}

/** The product's defaults with one index over `upstreams`, a free port, small limits and a quiet log. */
export function testConfig({
  upstreams,
  dataDir,
}: {
  readonly upstreams: readonly string[];
  readonly dataDir: string;
}): Config {
  return {
    host: '127.0.0.1',
    port: 0,
    dataDir,
    trustedProxies: [],
    indexes: [
      {
        name: 'default',
        upstreams: upstreams.map((url) => ({ url })),
        missingStatuses: [],
        pageOrigins: [],
        accept: 'any',
      },
    ],
    defaultIndexes: ['default'],
    routes: [],
    raw: [],
    fileOrigins: upstreams.map((url) => new URL(url).origin),
    upstreamFoundIn: 'the test',
    pageFreshMs: 60_000,
    patienceMs: 500,
    negativeFreshMs: 60_000,
    staleIfErrorMs: Infinity,
    diskQuotaBytes: 1e9,
    freeSpaceFloorBytes: 0,
    memoryBytes: 32 * 1024 * 1024,
    maxPageBytes: 64 * 1024 * 1024,
    maxFileBytes: 5e9,
    holdBackBytes: 64 * 1024,
    finishAbandonedBytes: 32e6,
    workers: 1,
    drainMs: 0,
    graceMs: 1000,
    allowedHosts: [],
    strictAccept: false,
    absoluteLinks: false,
    browserOrigins: [],
    uploads: false,
    xmlRpc: false,
    logLevel: 'error',
    logFormat: 'text',
    proxy: { noProxy: '' },
    extraCertificates: [],
  };
}
