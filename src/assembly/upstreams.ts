// Whom we ask: one client for all upstreams, one asker for each index.

import type { Config, IndexConfig, RawMountConfig } from '../config/config.ts';
import type { Agreement } from '../index/agreement.ts';
import type { IndexUnderName } from '../index/page-resources.ts';
import type { BoundCredentials } from '../upstream/credentials.ts';
import { IndexUpstream, isAnswer } from '../upstream/index-upstream.ts';
import type { IdentityFor } from '../upstream/open-socket.ts';
import type { Lookup } from '../upstream/resolver.ts';
import { UpstreamClient } from '../upstream/upstream-client.ts';
import type { Basics } from './basics.ts';

export interface Upstreams {
  readonly client: UpstreamClient;
  readonly askers: ReadonlyMap<string, IndexUpstream>;
  readonly indexes: ReadonlyMap<string, IndexUnderName>;
}

export interface UpstreamsOptions {
  readonly agreement: Agreement;
  readonly identityFor: IdentityFor;
  /** Resolves the names of upstreams, in tests. */
  readonly lookup: Lookup | undefined;
  /** No upstream can be reached: an outage, as a drill plays it. */
  readonly cut: boolean;
}

export function connectUpstreams(basics: Basics, { agreement, identityFor, lookup, cut }: UpstreamsOptions): Upstreams {
  const { config, now, random, telemetry, version, via } = basics;
  const client = new UpstreamClient({
    now,
    random,
    userAgent: `wheelkeep/${version} (caching proxy for Python package indexes)`,
    via,
    credentials: [...config.indexes.flatMap(boundCredentials), ...config.raw.flatMap(rawCredentials)],
    configuredOrigins: [...indexOrigins(config), ...config.fileOrigins],
    proxy: config.proxy,
    extraCertificates: config.extraCertificates,
    identityFor,
    ...(lookup === undefined ? {} : { lookup }),
    cut,
  });
  const askers = new Map(
    config.indexes.map((index) => [
      index.name,
      new IndexUpstream({
        client,
        bases: index.upstreams,
        ...(index.order !== undefined && { order: index.order }),
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
    config.indexes.map(({ name, upstreams: [first] }) => [name, { base: first!.url, upstream: askers.get(name)! }]),
  );
  return { client, askers, indexes };
}

/** The origins of all upstreams of all indexes, in the order of the configuration. */
export function indexOrigins({ indexes }: Config): string[] {
  return indexes.flatMap(({ upstreams }) => upstreams.map(({ url }) => new URL(url).origin));
}

/** Where an index takes uploads, the first one without a name; `/legacy/` of its first upstream unless it is configured. */
export function uploadUrl({ indexes }: Config, name: string | undefined): string {
  const { uploadUrl, upstreams } = indexes.find((index) => name === undefined || index.name === name)!;
  return uploadUrl ?? new URL('/legacy/', upstreams[0]!.url).href;
}

function boundCredentials({ upstreams }: IndexConfig): BoundCredentials[] {
  return upstreams.flatMap(({ url, credentials }) => (credentials === undefined ? [] : [{ url, credentials }]));
}

function rawCredentials({ origin, credentials }: RawMountConfig): BoundCredentials[] {
  return credentials === undefined ? [] : [{ url: origin, credentials }];
}
