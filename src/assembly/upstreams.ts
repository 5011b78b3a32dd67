// Whom we ask: one client for all upstreams, one asker for each index.

import type { Config } from '../config/config.ts';
import type { Agreement } from '../index/agreement.ts';
import { indexScope } from '../index/index-scope.ts';
import type { IndexUnderName } from '../index/page-resources.ts';
import { IndexUpstream, isAnswer } from '../upstream/index-upstream.ts';
import { OriginRights } from '../upstream/origin-rights.ts';
import type { Lookup } from '../upstream/resolver.ts';
import { UpstreamClient } from '../upstream/upstream-client.ts';
import type { Basics } from './basics.ts';
import type { CurrentSecrets } from './current-secrets.ts';

export interface Upstreams {
  readonly client: UpstreamClient;
  readonly askers: ReadonlyMap<string, IndexUpstream>;
  readonly indexes: ReadonlyMap<string, IndexUnderName>;
  /** What requests for each index may do, by its name. */
  readonly rights: ReadonlyMap<string, OriginRights>;
}

export interface UpstreamsOptions {
  readonly agreement: Agreement;
  readonly secrets: CurrentSecrets;
  /** Resolves the names of upstreams, in tests. */
  readonly lookup: Lookup | undefined;
  /** No upstream can be reached: an outage, as a drill plays it. */
  readonly cut: boolean;
}

export function connectUpstreams(basics: Basics, { agreement, secrets, lookup, cut }: UpstreamsOptions): Upstreams {
  const { config, now, random, telemetry, version, via } = basics;
  const client = new UpstreamClient({
    now,
    random,
    userAgent: `wheelkeep/${version} (caching proxy for Python package indexes)`,
    via,
    configuredOrigins: config.fileOrigins,
    proxy: config.proxy,
    extraCertificates: secrets.certificates,
    ...(lookup === undefined ? {} : { lookup }),
    cut,
  });
  const rights = new Map(
    config.indexes.map(({ name, upstreams }) => [
      name,
      new OriginRights(upstreams.map((upstream) => ({ url: upstream.url, credentials: secrets.of(upstream) }))),
    ]),
  );
  const askers = new Map(
    config.indexes.map((index) => [
      index.name,
      new IndexUpstream({
        client,
        bases: index.upstreams,
        rights: rights.get(index.name)!,
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
  const scopes = scopesOf(config);
  const indexes = new Map(
    config.indexes.map(({ name, upstreams: [first] }) => [
      name,
      { base: first!.url, scope: scopes.get(name)!, upstream: askers.get(name)! },
    ]),
  );
  return { client, askers, indexes, rights };
}

/** Under which the data of each index is kept, by its name: see `indexScope`. */
export function scopesOf({ indexes }: Pick<Config, 'indexes'>): ReadonlyMap<string, string> {
  return new Map(indexes.map(({ name, upstreams: [first] }) => [name, indexScope(name, first!.url)]));
}

/** The origins of all upstreams of all indexes, in the order of the configuration. */
export function indexOrigins({ indexes }: Config): string[] {
  return indexes.flatMap(({ upstreams }) => upstreams.map(({ url }) => new URL(url).origin));
}
